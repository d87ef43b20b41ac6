"""Who runs: workers by room and release, and whether anybody looks for lost lessons. Asked by the doctor and `preflight.py`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing

from redis.exceptions import RedisError
from sqlalchemy import NullPool
from sqlalchemy.exc import SQLAlchemyError

from shared.duties import RECONCILER
from shared.errors import ServiceError
from shared.ledger import open_ledger
from shared.settings import Settings
from workers.roster import Roster, WorkerEntry
from workers.weights_names import wanted_weights

from .findings import Finding, ok, warning
from .redis_server import connected
from .roles import WORKERS, release

BEAT = "beat"


def running(url: str) -> list[WorkerEntry]:
    """The workers that say they are there; none where Redis is away."""
    try:
        with connected(url) as client:
            return Roster(client).workers()
    except (RedisError, OSError, ValueError):
        return []


def check_releases(workers: Sequence[WorkerEntry], ours: str) -> Iterator[Finding]:
    """Hold the running workers' releases against one another and this one."""
    others = sorted({worker.release for worker in workers} - {ours})
    if others:
        sentence = f"Workers of release {', '.join(others)} run beside release {ours}"
        advice = "nothing has to be done during an upgrade: messages and task names fit; else upgrade the rest."
        yield warning("fleet.release", sentence, advice)
    elif workers:
        yield ok("fleet.release", f"All running workers are of release {ours}.")


def check_weights_of(workers: Sequence[WorkerEntry], wanted: str) -> Iterator[Finding]:
    """Whether a GPU worker has the weights that new lessons are looked at with."""
    theirs = {worker.weights for worker in workers if worker.room == "gpu" and worker.weights and not worker.draining}
    if theirs and wanted not in theirs:
        sentence = f"New lessons want the weights {wanted}, and the GPU workers have {', '.join(sorted(map(str, theirs)))}"
        yield warning("fleet.weights", sentence, "start a GPU worker that has them, or set SMILEREEL_WEIGHTS of the CPU workers.")
    elif theirs:
        yield ok("fleet.weights", f"A GPU worker has the weights that new lessons want ({wanted}).")


def check_fleet(settings: Settings) -> Iterator[Finding]:
    """Count the workers, and look who has the duties."""
    workers = running(settings.redis_url)
    rooms = Counter(worker.room for worker in workers)
    if not workers:
        yield warning("fleet.workers", "No worker runs", "start them, unless this is before the first start.")
    else:
        missing = sorted(WORKERS - set(rooms))
        counted = ", ".join(f"{count} {room}" for room, count in sorted(rooms.items()))
        if missing:
            sentence = f"{counted} worker(s) run, and none of room {' and '.join(missing)}"
            yield warning("fleet.workers", sentence, "start one: no lesson ends without both rooms.")
        else:
            yield ok("fleet.workers", f"Workers run: {counted}.")
    yield from check_releases(workers, release())
    yield from check_weights_of(workers, wanted_weights(settings))
    yield from _duties(settings, n_cpu=rooms["cpu"])


def _duties(settings: Settings, n_cpu: int) -> Iterator[Finding]:
    try:
        with closing(open_ledger(settings.database_url, poolclass=NullPool)) as ledger:
            with ledger.database.reading() as session:
                now = ledger.database.now(session)
            held = {name: duty for name in (RECONCILER, BEAT) if (duty := ledger.duties.read(name)) and duty.lease_until > now}
    except (ServiceError, SQLAlchemyError):
        return  # The database's own check tells.
    if RECONCILER in held or BEAT in held:
        yield ok("fleet.reconciler", "Lost lessons are looked for.")
    elif n_cpu and not settings.reconcile_in_worker:
        sentence = "Nobody looks for lost lessons: no beat runs, and SMILEREEL_RECONCILE_IN_WORKER is false"
        yield warning("fleet.reconciler", sentence, "start beat, or set it to true.")
