"""Where a lesson stands, as the ledger tells it: a row of the lesson table as a value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .accepting import consent_of
from .lesson import Consent, Lesson, parse_lesson
from .states import LessonState
from .tables import LessonRow


@dataclass(frozen=True, slots=True)
class LessonRecord:
    """What the ledger knows of a lesson; `attempts` are the sendings since the last progress, `consent` is that of now."""

    lesson_id: str
    pupil_id: str | None
    document: dict[str, Any]
    consent: Consent
    state: LessonState
    reason: str | None
    work_version: str | None
    n_segments: int
    facts: dict[str, Any]
    revision: int
    bulk: bool
    generation: int
    attempts: int
    lease_until: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def lesson(self) -> Lesson:
        """What was handed in, with the consent of now.

        Raises:
            LessonInvalid: it was written by a release that took other lessons.
        """
        return parse_lesson(self.document).model_copy(update={"consent": self.consent})


def standing_of(row: LessonRow) -> LessonRecord:
    """The row as a value."""
    return LessonRecord(
        lesson_id=row.lesson_id,
        pupil_id=row.pupil_id,
        document=row.document,
        consent=consent_of(row),
        state=LessonState(row.state),
        reason=row.reason,
        work_version=row.work_version,
        n_segments=row.n_segments,
        facts=row.facts,
        revision=row.revision,
        bulk=row.bulk,
        generation=row.generation,
        attempts=row.attempts,
        lease_until=row.lease_until,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
