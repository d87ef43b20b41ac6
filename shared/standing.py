"""Where a lesson stands, as the ledger tells it: a row of the lesson table as a value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .lesson import Lesson, parse_lesson
from .states import LessonState
from .tables import LessonRow


@dataclass(frozen=True, slots=True)
class LessonRecord:
    """What the ledger knows of a lesson; `attempts` are the sendings since the last progress."""

    lesson: Lesson
    state: LessonState
    reason: str | None
    work_version: str | None
    n_segments: int
    facts: dict[str, Any]
    generation: int
    attempts: int
    lease_until: datetime | None
    created_at: datetime
    updated_at: datetime


def standing_of(row: LessonRow) -> LessonRecord:
    """The row as a value."""
    return LessonRecord(
        lesson=parse_lesson(row.document),
        state=LessonState(row.state),
        reason=row.reason,
        work_version=row.work_version,
        n_segments=row.n_segments,
        facts=row.facts,
        generation=row.generation,
        attempts=row.attempts,
        lease_until=row.lease_until,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
