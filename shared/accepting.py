"""Writing a lesson's row: in a transaction of the ledger's, or in the backend's own, so that both its rows and ours come or stay away."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.orm import Session

from .database import insert_of
from .errors import LessonConflict, LessonErased
from .lesson import Consent, Lesson
from .states import LessonState
from .tables import LessonRow
from .told_tables import TombstoneRow


def accept(within: Session | Connection, lesson: Lesson, now: datetime, *, bulk: bool = False) -> bool:
    """Write the lesson's row unless it is there; whether it is new.

    Args:
        within: the transaction, which its owner ends.
        lesson: what was handed in.
        now: the time.
        bulk: it may wait behind fresh ones.

    Raises:
        LessonConflict: the id is taken by other content.
        LessonErased: a lesson of this id was erased, and does not come back.
    """
    _refuse_erased(within, lesson.lesson_id)
    dialect = within.get_bind().dialect.name if isinstance(within, Session) else within.dialect.name
    insert = insert_of(dialect)
    content = lesson.content_sha256()
    row = insert(LessonRow).values(
        lesson_id=lesson.lesson_id,
        pupil_id=lesson.pupil_id,
        content_sha256=content,
        document=lesson.model_dump(mode="json"),
        state=LessonState.ACCEPTED,
        n_segments=0,
        facts={},
        bulk=bulk,
        created_at=now,
        updated_at=now,
        **consent_columns(lesson.consent),
    )
    if within.execute(row.on_conflict_do_nothing().returning(LessonRow.lesson_id)).first() is not None:
        # The insert waited for an erasure that was under way when the first look was taken.
        _refuse_erased(within, lesson.lesson_id)
        return True
    known = within.execute(select(LessonRow.content_sha256).where(LessonRow.lesson_id == lesson.lesson_id)).scalar_one_or_none()
    if known != content:
        raise LessonConflict(
            f"Lesson {lesson.lesson_id} was handed in before with other content; give the changed lesson an id of its own."
        )
    return False


def _refuse_erased(within: Session | Connection, lesson_id: str) -> None:
    """Raises LessonErased; a row that was written before goes again, since its transaction may be the caller's to commit."""
    if within.execute(select(TombstoneRow.lesson_id).where(TombstoneRow.lesson_id == lesson_id)).first() is not None:
        within.execute(delete(LessonRow).where(LessonRow.lesson_id == lesson_id))
        raise LessonErased(f"Lesson {lesson_id} was erased; hand a new lesson in under an id of its own.")


def consent_columns(consent: Consent) -> dict[str, Any]:
    """The columns of a lesson's row that say what the family agrees to."""
    return {f"consent_{purpose}": agreed for purpose, agreed in consent.model_dump().items()}


def consent_of(row: LessonRow) -> Consent:
    """What the family agrees to now."""
    return Consent(**{purpose: getattr(row, f"consent_{purpose}") for purpose in Consent.model_fields})
