"""What both rooms' `tasks.py` share: the opened doors (settings, ledger, store) and the frame around each task.

A failure ends in one of four ways: the segment is skipped (its own fault, or attempts spent), the lesson has an end (the input's
fault, or hopeless), the lesson rests and is sent again (a fault that may pass), or nobody is told, since a newer sending has it all.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from time import perf_counter
from typing import Any, Literal, TypeVar

from celery import Task
from celery.exceptions import Ignore, Reject, Retry
from structlog.contextvars import bind_contextvars

from shared.catalogue import stage_of
from shared.errors import (
    DeviceFailed,
    Hopeless,
    InputError,
    LedgerAway,
    ModelError,
    ObjectMissing,
    SmilereelError,
    SourceUnavailable,
    StoreError,
)
from shared.ledger import Ledger, LessonState, open_ledger
from shared.messages import SegmentMessage, SegmentSkipped, dump, load_or_skipped
from shared.settings import Settings, load_settings
from shared.store import Store, store_of
from workers import children
from workers.leases import LeaseKeeper
from workers.retries import AWAY, WAITS

log = logging.getLogger(__name__)

# What may pass by itself: the lesson rests, and no segment is given up for it.
PASSING = (StoreError, LedgerAway, SourceUnavailable)

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
        self.ledger.runs.started(lesson_id, timed.work_version, stage, 0)
        seconds = perf_counter() - started
        self.ledger.runs.finished(lesson_id, timed.work_version, stage, 0, seconds=seconds, items=timed.items)

    def keep_lease(self, lesson_id: str, generation: int) -> LeaseKeeper:
        """The lesson's lease is renewed while this is open."""
        return LeaseKeeper(self.ledger.sending, lesson_id, generation, self.settings.lease_seconds)

    def rest(self, lesson_id: str, generation: int, task_name: str, error: Exception) -> None:
        """The lesson is sent again later; a store or a database that is away costs it no attempt."""
        away = isinstance(error, StoreError | LedgerAway) and not isinstance(error, ObjectMissing)
        stage = stage_of(task_name)
        reason = f"{stage}: {error.message}" if isinstance(error, SmilereelError) else f"{stage} failed: {type(error).__name__}"
        # With the database away nothing can be noted: the lease runs out by itself.
        with suppress(LedgerAway):
            record = self.ledger.read(lesson_id)
            attempts = record.attempts if record else 1
            seconds = AWAY.before(1) if away else WAITS[task_name].before(max(attempts, 1))
            self.ledger.sending.rest(lesson_id, generation, seconds=seconds, reason=reason[:1000], counted=not away)


@cache
def open_doors() -> Doors:
    """This process's doors; opened in the child, never before the fork."""
    settings = load_settings()
    return Doors(settings, open_ledger(settings.database_url), store_of(settings))


def run_segment_stage(task: Task, payload: Any, kind: type[S], work: Callable[[Doors, S], tuple[SegmentMessage, int]]) -> Any:
    """Run one stage of one segment: count its attempts, time it, keep the lesson's lease, and turn a failure into `SegmentSkipped`.

    Args:
        work: returns the message for the next hop and how many frames or faces it handled.

    Raises:
        Ignore: a newer sending has made this one vain.
        Reject: this process' device has failed; the message goes back to the queue, for another worker.
        Retry: Celery tries the stage again.
        StageFailed: the lesson rests, and the reconciler sends it again.
    """
    message = load_or_skipped(payload, kind)
    if isinstance(message, SegmentSkipped):
        return dump(message)
    doors, stage = open_doors(), stage_of(task.name)
    where = (message.lesson_id, message.work_version, stage, message.segment.index)
    # Until the task's end (`logs.py`), so that Celery's last line about it names the lesson too.
    bind_contextvars(lesson_id=message.lesson_id, segment=message.segment.index, generation=message.generation)
    lease = doors.settings.lease_seconds
    attempt = doors.ledger.runs.started(*where, generation=message.generation, lease_seconds=lease)
    if attempt is None:
        raise Ignore
    bind_contextvars(attempt=attempt)
    if attempt > doors.settings.segment_attempts:
        return _skip(doors, message, stage, "ours", f"{stage} ended {attempt - 1} times without a result")
    started = perf_counter()
    try:
        with doors.keep_lease(message.lesson_id, message.generation):
            result, items = work(doors, message)
            seconds = perf_counter() - started
            doors.ledger.runs.finished(*where, seconds=seconds, items=items, generation=message.generation, lease_seconds=lease)
    except (InputError, ModelError) as error:
        # Its message may name a file, and a file may be named after a pupil: on the wire and in the log the class has to do.
        fault: Literal["input", "ours"] = "input" if isinstance(error, InputError) else "ours"
        return _skip(doors, message, stage, fault, (type(error).__doc__ or type(error).__name__).rstrip("."))
    except DeviceFailed as error:
        # Without an attempt counted: the segment is not to blame.
        with suppress(LedgerAway):
            doors.ledger.runs.interrupted(*where)
        children.give_up(error.message)
        raise Reject(type(error).__name__, requeue=True) from None
    except PASSING as error:
        log.warning("lesson %s segment %d: %s rests: %s", message.lesson_id, message.segment.index, stage, type(error).__name__)
        with suppress(LedgerAway):
            doors.ledger.runs.interrupted(*where)
        doors.rest(message.lesson_id, message.generation, task.name, error)
        raise StageFailed(f"Lesson {message.lesson_id} rests: {type(error).__name__}.") from None
    except Exception as error:  # noqa: BLE001  (told below)
        log.error("lesson %s segment %d: %s failed: %s", message.lesson_id, message.segment.index, stage, _where(error))  # noqa: TRY400
        if attempt >= doors.settings.segment_attempts:
            return _skip(doors, message, stage, "ours", f"{stage} failed: {type(error).__name__}")
        seconds = WAITS[task.name].before(attempt)
        doors.ledger.sending.renew(message.lesson_id, message.generation, seconds + lease)
        failed = StageFailed(f"Lesson {message.lesson_id} segment {message.segment.index}: {type(error).__name__}.")
        raise task.retry(exc=failed, countdown=seconds, max_retries=doors.settings.segment_attempts, throw=False) from None
    return dump(result.model_copy(update={"generation": message.generation}))


def _skip(doors: Doors, message: SegmentMessage, stage: str, fault: Literal["input", "ours"], reason: str) -> Any:
    log.warning("lesson %s segment %d skipped at %s: %s", message.lesson_id, message.segment.index, stage, reason)
    doors.ledger.runs.skipped(message.lesson_id, message.work_version, stage, message.segment.index, reason)
    common = message.model_dump(include={"lesson_id", "work_version", "generation", "segment"})
    return dump(SegmentSkipped(**common, stage=stage, fault=fault, reason=reason[:500]))


def run_lesson_stage(task: Task, lesson_id: str, generation: int, work: Callable[[Doors], Any]) -> Any:
    """Run a stage of a whole lesson: a failure gives the lesson an end, or lets it rest until it is sent again.

    Raises:
        Ignore: a newer sending has made this one vain, or the lesson has ended.
        StageFailed: names the lesson and the kind of fault; the ledger has the sentence.
    """
    doors, stage = open_doors(), stage_of(task.name)
    bind_contextvars(lesson_id=lesson_id, generation=generation)
    # Under no version: the plan stage has yet to find it out.
    where = (lesson_id, "", stage, 0)
    attempt = doors.ledger.runs.started(*where, generation=generation, lease_seconds=doors.settings.lease_seconds)
    if attempt is None:
        raise Ignore
    bind_contextvars(attempt=attempt)
    if attempt > doors.settings.lesson_attempts:
        spent = Hopeless(f"{stage} ended {attempt - 1} times without a result; look at the workers' logs.")
        raise _end(doors, lesson_id, generation, spent)
    try:
        with doors.keep_lease(lesson_id, generation):
            result = work(doors)
            doors.ledger.runs.finished(*where, seconds=0.0, items=0, generation=generation)
            return result
    except (Retry, Ignore):
        raise
    except (InputError, Hopeless, ModelError) as error:
        raise _end(doors, lesson_id, generation, error) from None
    except Exception as error:  # noqa: BLE001  (told below; the lesson must not hang)
        log.error("lesson %s: %s failed: %s", lesson_id, stage, _where(error))  # noqa: TRY400
        if isinstance(error, PASSING):
            with suppress(LedgerAway):
                doors.ledger.runs.interrupted(*where)
        doors.rest(lesson_id, generation, task.name, error)
        raise StageFailed(f"Lesson {lesson_id} rests: {type(error).__name__}.") from None


def _end(doors: Doors, lesson_id: str, generation: int, error: SmilereelError) -> StageFailed:
    """Give the lesson the end that the error means; returns what the task raises."""
    state = LessonState.REFUSED if isinstance(error, InputError) else LessonState.QUARANTINED
    doors.ledger.finish(lesson_id, state, error.message[:1000], generation=generation)
    return StageFailed(f"Lesson {lesson_id} {state}: {type(error).__name__}.")


def _where(error: Exception) -> str:
    """The kind of fault and the lines of code that it came through; not its message, which may name a file."""
    return f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}"
