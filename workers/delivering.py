"""Tells the backend's webhook of all lessons' ends that are due: the reconciler asks for it (`ask`), a CPU worker does it (`tell`)."""

from __future__ import annotations

import logging
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from shared.catalogue import CPU_QUEUE, DELIVER
from shared.deliveries import Deliveries, Tried
from shared.errors import SettingsInvalid
from shared.ledger import Ledger
from shared.settings import Settings
from workers.addresses import Resolver, resolve_name
from workers.webhooks import Hook, deliver, hook_of

if TYPE_CHECKING:
    from celery import Celery

# Held from the asking to the end of the telling. It only saves work: two that tell at once share what is due.
DUTY = "webhook"
# A request may wait in the queue behind lessons; after so long another is sent.
ASK_SECONDS = 300.0
EXPIRES_SECONDS = 6 * 3600.0
# With so many tries at once, one that hangs holds up nobody but itself.
THREADS = 16
# Longer than a try takes, the name service included.
LEASE_SECONDS = 60.0
# After that long a worker's process is given back to the lessons; the reconciler asks again.
RUN_SECONDS = 20.0
# A receiver that says nothing at all would else hold a process most of the time.
PAUSE_SECONDS = 60.0
# What ended while there was no webhook is told if one is set within a day.
FORGO_SECONDS = 86_400.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """What a run did; `silent`: nobody was there to be told, so it is not worth while to go on."""

    delivered: int = 0
    failed: int = 0
    dead: int = 0
    silent: bool = False


def ask(settings: Settings, ledger: Ledger, app: Celery, connection: Any) -> None:
    """Ask a CPU worker to tell, if anything is due and nobody was asked yet; raises what Redis raises."""
    if not settings.webhook_url or not ledger.deliveries.is_due():
        return
    holder = uuid4().hex
    if not ledger.duties.hold(DUTY, holder, ASK_SECONDS):
        return
    try:
        app.send_task(
            DELIVER, kwargs={"holder": holder}, queue=CPU_QUEUE, expires=EXPIRES_SECONDS, ignore_result=True, retry=False,
            connection=connection,
        )  # fmt: skip
    except Exception:
        ledger.duties.drop(DUTY)
        raise


def tell(settings: Settings, ledger: Ledger, holder: str) -> Told:
    """Tell what is due for a while.

    Raises:
        LedgerAway: the database is; what was told meanwhile is told once more, under the same ids.
    """
    # Whoever was asked tells, even if its request has waited so long that another was sent.
    ledger.duties.drop(DUTY)
    ledger.duties.hold(DUTY, holder, LEASE_SECONDS)
    try:
        hook = hook_of(settings)
    except SettingsInvalid as error:
        log.error("no webhook is sent: %s", error.message)  # noqa: TRY400
        hook = None
    told = drain(ledger.deliveries, hook, most_attempts=settings.webhook_attempts) if hook else Told(silent=True)
    if told.silent:
        ledger.duties.hold(DUTY, holder, PAUSE_SECONDS)
    else:
        ledger.duties.drop(DUTY)
    if told.failed:
        log.warning("webhook: %d delivered, %d failed, %d given up", told.delivered, told.failed, told.dead)
    return told


def drain(
    deliveries: Deliveries,
    hook: Hook,
    *,
    most_attempts: int,
    threads: int = THREADS,
    lease_seconds: float = LEASE_SECONDS,
    run_seconds: float = RUN_SECONDS,
    resolve: Resolver = resolve_name,
) -> Told:
    """Try what is due, several at once, until nothing is, the time is up or the receiver has fallen silent.

    Each is claimed only when it can be tried at once, so that a lease never runs out in a queue.
    """
    ends_at, n_silent, delivered, failed, dead = monotonic() + run_seconds, 0, 0, 0, 0
    running: set[Future[Tried]] = set()
    with ThreadPoolExecutor(threads, thread_name_prefix="webhook") as pool:
        while True:
            if monotonic() < ends_at and n_silent < threads:
                claimed = deliveries.claim(threads - len(running), lease_seconds)
                running.update(pool.submit(deliver, hook, due, resolve) for due in claimed)
            if not running:
                return Told(delivered, failed, dead, silent=n_silent >= threads)
            done, running = wait(running, return_when=FIRST_COMPLETED)
            tried = [future.result() for future in done]
            dead += deliveries.record(tried, most_attempts=most_attempts)
            delivered += sum(each.fault is None for each in tried)
            failed += sum(each.fault is not None for each in tried)
            n_silent = 0 if any(each.answered for each in tried) else n_silent + len(tried)
