"""Who runs the reconciler: beat's task, or a timer of the CPU worker's own process, which no full queue can hold up."""

from __future__ import annotations

import logging
import os
import threading
from functools import cache

from celery.signals import worker_ready, worker_shutting_down
from sqlalchemy import NullPool

from shared.errors import SmilereelError
from shared.ledger import open_ledger
from shared.settings import load_settings
from workers.app import app
from workers.reconciler import Reconciler

# A tick takes far less, unless a database or Redis hangs.
MOST_FORK_WAIT_SECONDS = 30.0

log = logging.getLogger(__name__)


@cache
def _reconciler() -> Reconciler:
    settings = load_settings()
    # No connection outlives a tick: this process forks new children at any time, and they must inherit none.
    ledger = open_ledger(settings.database_url, poolclass=NullPool)
    return Reconciler(settings, ledger, app)


def reconcile_once() -> None:
    """One tick, where somebody else decides when."""
    _reconciler().tick()


class Timer:
    """Ticks in a thread until it is told to end; what goes wrong is logged, and tried again at the next tick.

    The process forks the pool's children whenever one has died. A child that is forked in the middle of a tick would inherit locks
    (of SQLite, of kombu) that nobody will ever open for it, and hang at its first task: so forks wait for the tick's end.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ticking = threading.Lock()
        self._fork_waits = False
        os.register_at_fork(before=self._before_fork, after_in_parent=self._after_fork, after_in_child=self._after_fork)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="reconciler")

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ended.set()

    def _before_fork(self) -> None:
        self._fork_waits = self._ticking.acquire(timeout=MOST_FORK_WAIT_SECONDS)
        if not self._fork_waits:
            log.error("the reconciler hangs; a new child may hang with it")

    def _after_fork(self) -> None:
        if self._fork_waits:
            self._ticking.release()

    def _run(self) -> None:
        while not self._ended.wait(self._seconds):
            try:
                with self._ticking:
                    reconcile_once()
            except SmilereelError as error:
                log.warning("the reconciler waits: %s", error.message)
            except Exception:
                log.exception("the reconciler stumbled")


def start_with_worker() -> None:
    """Let the worker that this module is loaded into tick once it is ready, if the settings say so."""
    settings = load_settings()
    if not settings.reconcile_in_worker:
        return
    timer = Timer(settings.reconcile_seconds)
    worker_ready.connect(lambda **_: timer.start(), weak=False)
    worker_shutting_down.connect(lambda **_: timer.end(), weak=False)
