"""One fault run from beginning to end: parts up, lessons in, faults on, everything healed, settled, stopped and judged.

Called by `smilereel chaos` and by the benchmarks, in a process of its own: it moves into a mount namespace.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from shared.errors import ServiceError
from workers.chaos.assembly import FAST, LEASE_SECONDS, SMALL, Options, parts_of
from workers.chaos.checker import Verdict, judge
from workers.chaos.cluster import Cluster
from workers.chaos.evidence import Evidence
from workers.chaos.faults import Faults
from workers.chaos.lessons import document_of, render_films
from workers.chaos.places import Places
from workers.chaos.plan import Plan, draw_plan
from workers.chaos.settle import gather, run_faults, settle


@dataclass(frozen=True, slots=True)
class Report:
    """The run's figures, all integers, and the verdict with its details."""

    figures: dict[str, int]
    verdict: Verdict


def run_chaos(options: Options) -> Report:
    """Do the run; what happened goes to stderr line by line.

    Raises:
        ServiceError: a part cannot be started at all.
    """
    started = time.monotonic()
    plan = draw_plan(options.seed, options.lessons, options.seconds, database=options.database, lease_seconds=LEASE_SECONDS)
    with parts_of(options, {**FAST, **SMALL}) as (cluster, address):
        places = cluster.places
        render_films(places.media, with_faces=options.models == "released")
        cluster.start()
        films = {lesson.lesson_id: lesson.film for lesson in plan.lessons}
        ledger_file = Path(address) if options.database == "sqlite" else None
        began = time.monotonic()
        cluster.start_clients([{"second": one.second, "document": document_of(one)} for one in plan.lessons], began)
        tell(plan=[asdict(fault) for fault in plan.faults], disk="tmpfs" if places.own_disks else "RLIMIT_FSIZE")
        done = run_faults(plan, cluster, Faults(cluster, ledger_file), began, tell)
        settle(cluster, address, films, tell)
        evidence = _stop_and_gather(cluster, address)
        verdict = judge(evidence, films)
        _tell_details(cluster, plan, evidence, verdict)
        if options.keep is not None:
            _keep(places, options.keep)
    figures = {
        "seed": options.seed,
        "lessons": verdict.accepted,
        "faults": len(done),
        "done": verdict.done,
        "no_reel": verdict.no_reel,
        "quarantined": verdict.quarantined,
        "lost": len(verdict.lost) + (options.lessons - verdict.accepted),
        "double": len(verdict.double),
        "orphans": len(verdict.orphans),
        "seconds": round(time.monotonic() - started),
    }
    return Report(figures, verdict)


def _stop_and_gather(cluster: Cluster, address: str) -> Evidence:
    stubborn = cluster.stop_workers()
    if stubborn:
        tell(did_not_stop=stubborn)
    deadline = time.monotonic() + 20
    while True:
        cluster.keep_running()
        try:
            return gather(cluster, address, with_keys=True)
        except Exception as error:
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"After the run, database or Valkey did not answer: {type(error).__name__}: {error}."
                ) from error
            time.sleep(0.5)


def _tell_details(cluster: Cluster, plan: Plan, evidence: Evidence, verdict: Verdict) -> None:
    for name in ("lost", "double", "orphans"):
        for finding in getattr(verdict, name):
            tell(**{name: finding})
    missing = {lesson.lesson_id for lesson in plan.lessons} - {receipt.lesson_id for receipt in evidence.receipts}
    tell(
        never_accepted=sorted(missing),
        slowest_enqueue_seconds=max((receipt.took_seconds for receipt in evidence.receipts), default=0),
        ended_by_themselves={part.name: part.own_deaths for part in cluster.parts if part.own_deaths},
        events=dict(Counter(event[3] for event in evidence.events)),
    )


def tell(**facts: object) -> None:
    """One JSON object on stderr, for whoever looks into a run."""
    print(json.dumps(facts), file=sys.stderr, flush=True)  # noqa: T201


def _keep(places: Places, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("logs", "ledger", "disk", "hooks"):
        with suppress(FileNotFoundError):
            shutil.copytree(places.root / name, folder / name, dirs_exist_ok=True)
    for file in places.root.glob("*.json*"):
        shutil.copy(file, folder)
