"""What a lesson backend calls: light (no torch, OpenCV or numpy), synchronous, one import."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from .catalogue import PLAN_LESSON, ROUTES
from .errors import ConsentMissing
from .ledger import LessonState, open_ledger
from .lesson import Lesson, parse_lesson
from .settings import Settings, load_settings


@dataclass(frozen=True, slots=True)
class Job:
    """The answer to an enqueued lesson: `sent` is False where Redis was away; the ledger keeps the lesson then."""

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
    """
    lesson = lesson if isinstance(lesson, Lesson) else parse_lesson(lesson)
    if not lesson.consent.process:
        raise ConsentMissing(f"Lesson {lesson.lesson_id} may not be processed: consent.process is not true.")
    settings = settings or load_settings()
    with closing(open_ledger(settings.database_url)) as ledger:
        ledger.create_schema()
        created = ledger.accept(lesson)
        record = ledger.require(lesson.lesson_id)
    sent = not record.state.final and send_plan(lesson.lesson_id, settings.redis_url)
    return Job(lesson.lesson_id, record.state, created, sent)


def send_plan(lesson_id: str, redis_url: str) -> bool:
    """Tell the workers about a lesson; whether Redis took the message. Waits at most about a second."""
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
    with suppress(OperationalError, OSError), app.connection_for_write(redis_url) as connection:
        app.send_task(PLAN_LESSON, args=[lesson_id], ignore_result=True, retry=False, connection=connection)
        return True
    return False


def lesson_status(lesson_id: str, *, settings: Settings | None = None) -> LessonState | None:
    """Where the lesson stands, None for an unknown id."""
    with closing(open_ledger((settings or load_settings()).database_url)) as ledger:
        record = ledger.read(lesson_id)
    return record.state if record else None
