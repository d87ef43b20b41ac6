"""Telling the workers about a lesson: its first message. Called by the client and by the reconciler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .catalogue import LESSON_HEADER, PLAN_LESSON, queue_of
from .sending import Sent
from .settings import Settings

if TYPE_CHECKING:
    from .ledger import Ledger


def send_lesson(ledger: Ledger, lesson_id: str, settings: Settings) -> bool:
    """Tell the workers about a lesson, unless somebody has just done so or works on it; whether Redis took the message."""
    lease, most = settings.lease_seconds, settings.lesson_attempts
    taken = ledger.sending.take(lesson_id, lease_seconds=lease, most_attempts=most)
    if taken is None:
        return False
    with plan_sender(settings.redis_url) as send:
        if send(taken):
            return True
    ledger.sending.not_sent(taken)
    return False


@contextmanager
def plan_sender(redis_url: str) -> Iterator[Callable[[Sent], bool]]:
    """A function that sends a lesson's first message and says whether Redis took it; it waits at most about a second."""
    # Not at the top: a backend that imports the client should not wait for Celery before it enqueues.
    from celery import Celery
    from kombu.exceptions import OperationalError
    from redis.exceptions import RedisError

    app = Celery("smilereel-client", broker=redis_url, set_as_current=False)
    app.conf.update(
        broker_transport_options={
            "socket_timeout": 0.8,
            "socket_connect_timeout": 0.8,
            # Without these kombu sleeps two seconds and tries again: the reconciler's job, not the caller's.
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0,
        },
    )

    def send(sent: Sent) -> bool:
        try:
            app.send_task(
                PLAN_LESSON,
                args=[sent.lesson_id],
                kwargs={"generation": sent.generation},
                queue=queue_of(PLAN_LESSON, bulk=sent.bulk),
                headers={LESSON_HEADER: sent.lesson_id},
                ignore_result=True,
                retry=False,
                connection=connection,
            )
        except (OperationalError, RedisError, OSError):
            return False
        return True

    with app.connection_for_write(redis_url) as connection:
        yield send
