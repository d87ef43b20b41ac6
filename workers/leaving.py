"""How a worker leaves: at SIGTERM, drained by `smilereel worker drain`, or because its device has failed. Loaded by `app.py`.

However it leaves, it takes nothing more, and what it has begun is finished or goes back to the queue.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from dataclasses import dataclass, field
from typing import Any

from celery.signals import worker_shutting_down
from celery.worker import state
from celery.worker.control import control_command

from shared.settings import load_settings
from workers import children

DRAIN, RESUME = "smilereel_drain", "smilereel_resume"
LOOK_SECONDS = 0.2

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


@dataclass
class Drain:
    """This worker's: which queues it has left, and with which code it ends once nothing is in hand."""

    queues: list[str] = field(default_factory=list)
    exit_code: int | None = None
    timer: Any = None

    def begin(self, consumer: Any, *, exit_code: int | None) -> None:
        """Take nothing more.

        Args:
            consumer: Celery's.
            exit_code: with which the process ends once nothing is in hand; None: it stays.
        """
        if not self.queues:
            self.queues = sorted(consumer.app.amqp.queues.consume_from)
            for name in self.queues:
                consumer.cancel_task_queue(name)
        if exit_code is None:
            return
        # A failed device's code is not taken back by a later drain.
        self.exit_code = max(self.exit_code or 0, exit_code)
        if self.timer is None:
            self.timer = consumer.timer.call_repeatedly(LOOK_SECONDS, self._end_when_idle)

    def _end_when_idle(self) -> None:
        if not in_hand():
            state.should_stop = self.exit_code

    def end(self, consumer: Any) -> bool:
        """Take work again; False where the worker is about to end."""
        if self.exit_code is not None:
            return False
        for name in self.queues:
            consumer.add_task_queue(name)
        self.queues = []
        return True


_drain = Drain()


def is_draining() -> bool:
    """Whether this worker takes no more work."""
    return bool(_drain.queues)


def is_ending() -> bool:
    """Whether it ends once nothing is in hand."""
    return _drain.exit_code is not None


def in_hand() -> int:
    """How many tasks run or are about to; those that wait for their time go back to the queue when the worker ends."""
    return len({*state.reserved_requests, *state.active_requests})


@control_command(args=[("stay", bool)])  # type: ignore[untyped-decorator]
def smilereel_drain(state: Any, stay: bool = False, **_later: Any) -> dict[str, Any]:
    """Take nothing more, finish what is in hand, then end (or stay)."""
    log.warning("drained: no more work is taken%s", "" if stay else "; the worker ends when nothing is in hand")
    state.consumer.call_soon(_drain.begin, state.consumer, exit_code=None if stay else 0)
    return {"ok": "draining"}


@control_command()  # type: ignore[untyped-decorator]
def smilereel_resume(state: Any, **_later: Any) -> dict[str, Any]:
    """Take work again."""
    if _drain.exit_code is not None:
        return {"error": "it is about to end"}
    log.warning("resumed: work is taken again")
    state.consumer.call_soon(_drain.end, state.consumer)
    return {"ok": "resumed"}


def leave_broken(consumer: Any, sentence: str) -> None:
    """A child cannot work any more, nor could another in its place: say so, take nothing more, and end with code 1."""
    log.critical("%s", sentence)
    _drain.begin(consumer, exit_code=1)
    children.tell_stopped()
