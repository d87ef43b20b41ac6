"""How far a lesson is, for whoever asks: `lesson_status` of the client, the web page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .catalogue import SEGMENT_TASKS, STAGES, stage_of
from .records import StageProgress
from .states import LessonState

if TYPE_CHECKING:
    from .standing import LessonRecord

_SEGMENT_STAGES = frozenset(stage_of(task) for task in SEGMENT_TASKS)


@dataclass(frozen=True, slots=True)
class LessonStatus:
    """Where a lesson stands.

    `stage` is the furthest that has begun, None before the first; `percent` counts stages of segments, not seconds; `attempts` are the
    sendings since the last progress; `reason` says why there is no reel, why it waits, or why it was set aside.
    """

    lesson_id: str
    state: LessonState
    stage: str | None
    percent: int
    attempts: int
    reason: str | None


def status_of(record: LessonRecord, stages: Mapping[str, StageProgress]) -> LessonStatus:
    """The record in short."""
    begun = [stage for stage in STAGES if stage in stages]
    return LessonStatus(
        lesson_id=record.lesson_id,
        state=record.state,
        stage=begun[-1] if begun else None,
        percent=100 if record.state.final else _percent(record.n_segments, stages),
        attempts=record.attempts,
        reason=record.reason,
    )


def _percent(n_segments: int, stages: Mapping[str, StageProgress]) -> int:
    """At most 99: the last percent is the end."""
    whole = len(STAGES) - len(_SEGMENT_STAGES) + n_segments * len(_SEGMENT_STAGES)
    done = sum(progress.finished + progress.skipped for progress in stages.values())
    return min(99, 100 * done // whole) if n_segments else 0
