"""The GPU worker takes work only once its children are warm, and leaves when one of them is broken. Loaded by `workers/gpu/tasks.py`."""

from __future__ import annotations

import logging
import time
from typing import Any

from celery import Celery, bootsteps
from celery.exceptions import WorkerShutdown
from celery.worker import state

from shared.settings import load_settings
from workers import children, leaving

POLL_SECONDS = 0.05
WATCH_SECONDS = 0.5

log = logging.getLogger(__name__)


class WarmUp(bootsteps.StartStopStep):  # type: ignore[misc]
    """Between Celery's pool, whose children load their models, and its consumer, which is always the last to start."""

    requires = {"celery.worker.components:Pool"}  # noqa: RUF012  (Celery's own name for it)

    def __init__(self, worker: Any, **options: Any) -> None:
        children.make_folder()
        super().__init__(worker, **options)

    def start(self, worker: Any) -> None:
        """Wait for the children.

        Raises:
            WorkerShutdown: one of them cannot work; the process ends with code 1.
        """
        deadline = time.monotonic() + load_settings().warm_up_seconds
        while len(children.warm_children()) < worker.pool.num_processes:
            state.maybe_shutdown()
            sentence = children.broken() or _dead(worker)
            if sentence is None and time.monotonic() > deadline:
                sentence = (
                    "The models were not ready within SMILEREEL_WARM_UP_SECONDS; look at the device and at the machine's load."
                )
            if sentence is not None:
                log.critical("%s", sentence)
                raise WorkerShutdown(1)
            time.sleep(POLL_SECONDS)
        slowest = max(children.warm_children(), key=lambda warm: warm.load_seconds + warm.warm_seconds)
        log.info("warm on %s: models %.1f s, first batches %.1f s", slowest.device, slowest.load_seconds, slowest.warm_seconds)
        worker.timer.call_repeatedly(WATCH_SECONDS, self._watch, (worker,))

    def stop(self, _worker: Any) -> None:
        """Nothing is held."""

    @staticmethod
    def _watch(worker: Any) -> None:
        sentence = None if leaving.is_ending() else children.broken()
        if sentence is not None:
            leaving.leave_broken(worker.consumer, sentence)


def _dead(worker: Any) -> str | None:
    """A child that the kernel or its driver has ended tells nothing."""
    pool = getattr(worker.pool, "_pool", None)
    for process in getattr(pool, "_pool", []):
        if not process.is_alive():
            return f"A process that loads the models ended with code {process.exitcode}; look at its memory and at the device."
    return None


def install(app: Celery) -> None:
    """Let workers of this app warm up."""
    app.steps["worker"].add(WarmUp)
