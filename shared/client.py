"""What a lesson backend calls: light (no torch, OpenCV or numpy), synchronous, one import."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from .catalogue import LESSON_HEADER, PLAN_LESSON, ROUTES
from .errors import ConsentMissing
from .ledger import Ledger, LessonState, open_ledger
from .lesson import Lesson, parse_lesson
from .sending import Sent
from .settings import Settings, load_settings


@dataclass(frozen=True, slots=True)
class Job:
    """The answer to an enqueued lesson: `sent` is False where Redis was away or the lesson is in hand; the ledger keeps it anyhow."""

    lesson_id: str
    state: LessonState
    created: bool
    sent: bool


def enqueue_lesson(lesson: Lesson | Mapping[str, Any] | str, *, settings: Settings | None = None) -> Job:
    """Accept a lesson: write its row, then tell the workers. Returns at once; the same lesson twice gives the same job.

    Raises:
        LessonInvalid: the document cannot be accepted.
        ConsentMissing: `consent.process` is not given.
        LessonConflict: the id is taken by other content.
        SchemaMissing: the database is not SQLite and `smilereel migrate` has not been run on it.
        LedgerAway: the database cannot be reached, and so the lesson was not accepted.
    """
    lesson = lesson if isinstance(lesson, Lesson) else parse_lesson(lesson)
    if not lesson.consent.process:
        raise ConsentMissing(f"Lesson {lesson.lesson_id} may not be processed: consent.process is not true.")
    settings = settings or load_settings()
    with closing(open_ledger(settings.database_url)) as ledger:
        ledger.prepare()
        created = ledger.accept(lesson)
        sent = send_lesson(ledger, lesson.lesson_id, settings)
        record = ledger.require(lesson.lesson_id)
    return Job(lesson.lesson_id, record.state, created, sent)


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
    app = Celery("smilereel-client", broker=redis_url, set_as_current=False)
    app.conf.update(
        task_routes=ROUTES,
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
        with suppress(OperationalError, RedisError, OSError):
            app.send_task(
                PLAN_LESSON,
                args=[sent.lesson_id],
                kwargs={"generation": sent.generation},
                headers={LESSON_HEADER: sent.lesson_id},
                ignore_result=True,
                retry=False,
                connection=connection,
            )
            return True
        return False

    with app.connection_for_write(redis_url) as connection:
        yield send


def lesson_status(lesson_id: str, *, settings: Settings | None = None) -> LessonState | None:
    """Where the lesson stands, None for an unknown id."""
    with closing(open_ledger((settings or load_settings()).database_url)) as ledger:
        record = ledger.read(lesson_id)
    return record.state if record else None
