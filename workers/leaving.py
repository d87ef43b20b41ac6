"""A worker that is asked to end (SIGTERM) finishes what it has begun, or hands it back when its grace is over. Loaded by `app.py`."""

from __future__ import annotations

import logging
import os
import signal
import threading

from celery.signals import worker_shutting_down

from shared.settings import load_settings

log = logging.getLogger(__name__)


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def hand_back_in_time(how: str = "", **_: object) -> None:
    """After the grace, Celery's cold shutdown: running tasks are cancelled and their messages go back to the queue.

    Celery's own soft shutdown sleeps the whole grace even where the task ends sooner, and its warm one waits for ever.
    """
    if how != "Warm":
        return
    grace = load_settings().shutdown_grace_seconds

    def end() -> None:
        log.warning("the grace of %.0f seconds is over; what runs is handed back", grace)
        os.kill(os.getpid(), signal.SIGQUIT)

    timer = threading.Timer(grace, end)
    timer.daemon = True
    timer.start()
