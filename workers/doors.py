"""What both rooms' `tasks.py` share: the opened doors (settings, ledger, store) and the frame around each task."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from time import perf_counter
from typing import Any, Literal, TypeVar

from celery import Task
from celery.exceptions import Retry

from shared.catalogue import stage_of
from shared.errors import InputError, ModelError, SmilereelError
from shared.ledger import Ledger, LessonState, open_ledger
from shared.messages import SegmentMessage, SegmentSkipped, dump, load_or_skipped
from shared.settings import Settings, load_settings
from shared.store import Store, open_store

log = logging.getLogger(__name__)

S = TypeVar("S", bound=SegmentMessage)


class StageFailed(Exception):
    """What Celery, its logs and Flower get to see of a lesson's failure: ids and kinds, no file names."""


@dataclass(slots=True)
class Timed:
    """What a stage tells of itself while it is timed."""

    work_version: str
    items: int = 0


@dataclass(frozen=True, slots=True)
class Doors:
    """The outside world of a worker process."""

    settings: Settings
    ledger: Ledger
    store: Store

    @contextmanager
    def timed(self, lesson_id: str, task_name: str, work_version: str = "") -> Iterator[Timed]:
        """Note in the ledger what a stage of a whole lesson took, if it ends well."""
        stage, started = stage_of(task_name), perf_counter()
        timed = Timed(work_version)
        yield timed
        self.ledger.stage_started(lesson_id, timed.work_version, stage, 0)
        seconds = perf_counter() - started
        self.ledger.stage_finished(lesson_id, timed.work_version, stage, 0, seconds=seconds, items=timed.items)


@cache
def open_doors() -> Doors:
    """This process's doors; opened in the child, never before the fork."""
    settings = load_settings()
    return Doors(settings, open_ledger(settings.database_url), open_store(settings.store_url))


def run_segment_stage(task: Task, payload: Any, kind: type[S], work: Callable[[Doors, S], tuple[SegmentMessage, int]]) -> Any:
    """Run one stage of one segment: count its attempts, time it, and turn a failure into `SegmentSkipped`.

    Args:
        work: returns the message for the next hop and how many frames or faces it handled.
    """
    message = load_or_skipped(payload, kind)
    if isinstance(message, SegmentSkipped):
        return dump(message)
    doors = open_doors()
    stage = stage_of(task.name)
    where = (message.lesson_id, message.work_version, stage, message.segment.index)
    attempt = doors.ledger.stage_started(*where)
    if attempt > doors.settings.segment_attempts:
        return _skip(message, stage, "ours", f"{stage} ended {attempt - 1} times without a result")
    started = perf_counter()
    try:
        result, items = work(doors, message)
    except (InputError, ModelError) as error:
        # Its message may name a file, and a file may be named after a pupil: on the wire and in the log the class has to do.
        fault: Literal["input", "ours"] = "input" if isinstance(error, InputError) else "ours"
        return _skip(message, stage, fault, (type(error).__doc__ or type(error).__name__).rstrip("."))
    except Exception as error:
        log.exception("lesson %s segment %d: %s failed", message.lesson_id, message.segment.index, stage)
        if attempt >= doors.settings.segment_attempts:
            return _skip(message, stage, "ours", f"{stage} failed: {type(error).__name__}")
        raise task.retry(exc=error, countdown=attempt, max_retries=doors.settings.segment_attempts) from error
    doors.ledger.stage_finished(*where, seconds=perf_counter() - started, items=items)
    return dump(result)


def _skip(message: SegmentMessage, stage: str, fault: Literal["input", "ours"], reason: str) -> Any:
    log.warning("lesson %s segment %d skipped at %s: %s", message.lesson_id, message.segment.index, stage, reason)
    skipped = SegmentSkipped(
        lesson_id=message.lesson_id,
        work_version=message.work_version,
        segment=message.segment,
        stage=stage,
        fault=fault,
        reason=reason[:500],
    )
    return dump(skipped)


def run_lesson_stage(task: Task, lesson_id: str, work: Callable[[Doors], Any]) -> Any:
    """Run a stage of a whole lesson: a failure moves the lesson to a final state, so that nobody waits for it.

    Raises:
        StageFailed: names the lesson and the kind of fault; the ledger has the sentence.
    """
    doors = open_doors()
    try:
        return work(doors)
    except Retry:
        raise
    except SmilereelError as error:
        state = LessonState.REFUSED if isinstance(error, InputError) else LessonState.FAILED
        doors.ledger.finish(lesson_id, state, error.message[:1000])
        raise StageFailed(f"Lesson {lesson_id} {state}: {type(error).__name__}.") from None
    except Exception as error:
        log.exception("lesson %s: %s failed", lesson_id, task.name)
        reason = f"{task.name} failed: {type(error).__name__}: {error}"
        doors.ledger.finish(lesson_id, LessonState.FAILED, reason[:1000])
        raise StageFailed(f"Lesson {lesson_id} failed: {type(error).__name__}.") from None
