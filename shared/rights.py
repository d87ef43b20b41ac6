"""What a family may ask for: other consent, and to be forgotten. `ledger.rights`; the client calls it, the sweep clears the store."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from .accepting import consent_columns
from .audit import Audit, Subject
from .errors import LessonUnknown
from .lesson import Consent
from .moves import Moves
from .tables import Base, LessonRow, ReelRow, StageRunRow
from .told_tables import GapRow, PresenceRow, SecondRow, TombstoneRow

_AT_ONCE = 500


class Rights:
    """Consent and erasure; safe to use from several threads and processes."""

    def __init__(self, moves: Moves, audit: Audit) -> None:
        self._moves, self._audit = moves, audit
        self._database = moves.database

    def change_consent(self, lesson_id: str, consent: Consent, actor: str) -> None:
        """The family agrees to this from now on; what it no longer agrees to stops, and its rows go.

        Raises:
            LessonUnknown: no lesson has this id.
        """
        with self._database.transaction() as session:
            row = session.get(LessonRow, lesson_id, with_for_update=True)
            if row is None:
                raise LessonUnknown(f"The ledger knows no lesson {lesson_id}.")
            for column, agreed in consent_columns(consent).items():
                setattr(row, column, agreed)
            agreed_to = [purpose for purpose, agreed in consent.model_dump().items() if agreed]
            self._audit.note(session, actor, "consent", "lesson", lesson_id, f"agreed: {', '.join(agreed_to) or 'nothing'}")
            gone: list[type[Base]] = [] if consent.analytics else [SecondRow]
            if not consent.reel:
                gone.append(ReelRow)
            if not consent.process:
                self._moves.withdraw(session, row)
                gone = [SecondRow, GapRow, PresenceRow, StageRunRow, ReelRow]
                row.starts_at, row.ends_at, row.facts = None, None, {}
            for table in gone:
                session.execute(delete(table).where(table.__table__.c.lesson_id == lesson_id))

    def approve_reel(self, lesson_id: str, work_version: str, actor: str) -> bool:
        """Somebody looked at the reel of this version and lets it be shown; False where it is another by now, or was approved before."""
        with self._database.transaction() as session:
            this = (ReelRow.lesson_id == lesson_id, ReelRow.work_version == work_version, ReelRow.approved_at.is_(None))
            values = {"approved_at": self._database.now(session), "approved_by": actor}
            if session.execute(update(ReelRow).where(*this).values(**values).returning(ReelRow.lesson_id)).first() is None:
                return False
            self._audit.note(session, actor, "approve", "lesson", lesson_id, f"version {work_version}")
            return True

    def erase(self, lesson_id: str, actor: str) -> bool:
        """Remove the lesson's rows and leave a mark, so that nothing of it comes back; False where that was done before.

        Raises:
            LessonUnknown: there never was a lesson of this id.
        """
        with self._database.transaction() as session:
            # The row first: whoever comes second waits for it, and then finds the mark.
            if session.get(LessonRow, lesson_id, with_for_update=True) is None:
                if session.get(TombstoneRow, lesson_id) is not None:
                    return False
                raise LessonUnknown(f"The ledger knows no lesson {lesson_id}.")
            self._bury(session, [lesson_id], actor, "lesson", lesson_id)
            return True

    def lessons_of(self, pupil_id: str) -> list[str]:
        """Ids of a pupil's lessons."""
        with self._database.reading() as session:
            query = select(LessonRow.lesson_id).where(LessonRow.pupil_id == pupil_id)
            return sorted(session.scalars(query))

    def erase_pupil(self, pupil_id: str, actor: str) -> list[str]:
        """The same for all lessons of a pupil; their ids."""
        with self._database.transaction() as session:
            query = select(LessonRow.lesson_id).where(LessonRow.pupil_id == pupil_id).with_for_update()
            lesson_ids = sorted(session.scalars(query))
            self._bury(session, lesson_ids, actor, "pupil", pupil_id)
            return lesson_ids

    def _bury(self, session: Session, lesson_ids: Collection[str], actor: str, subject: Subject, subject_id: str) -> None:
        now = self._database.now(session)
        for lesson_id in lesson_ids:
            session.execute(delete(LessonRow).where(LessonRow.lesson_id == lesson_id))
            session.merge(TombstoneRow(lesson_id=lesson_id, erased_at=now, cleared_at=None))
        self._audit.note(session, actor, "erase", subject, subject_id, f"lessons: {len(lesson_ids)}")

    def unburied(self, lesson_ids: Collection[str]) -> list[str]:
        """Which of these have no mark of an erasure; there may be very many."""
        ordered, found = sorted(lesson_ids), []
        for start in range(0, len(ordered), _AT_ONCE):
            some = ordered[start : start + _AT_ONCE]
            erased = self.are_erased(some)
            found += [lesson_id for lesson_id in some if lesson_id not in erased]
        return found

    def bury_again(self, lesson_ids: Collection[str], actor: str) -> None:
        """Erase lessons of which the database knows no longer that they were erased, and whose rows it may have lost."""
        with self._database.transaction() as session:
            for lesson_id in sorted(lesson_ids):
                self._bury(session, [lesson_id], actor, "lesson", lesson_id)

    def are_erased(self, lesson_ids: Collection[str]) -> set[str]:
        """Which of these were erased."""
        with self._database.reading() as session:
            return set(session.scalars(select(TombstoneRow.lesson_id).where(TombstoneRow.lesson_id.in_(lesson_ids))))

    def to_clear(self, limit: int = 1000) -> list[str]:
        """Erased lessons of which messages and files of the workers may still lie about."""
        query = select(TombstoneRow.lesson_id).where(TombstoneRow.cleared_at.is_(None)).order_by(TombstoneRow.erased_at)
        with self._database.reading() as session:
            return list(session.scalars(query.limit(limit)))

    def cleared(self, lesson_ids: Collection[str], quiet_seconds: float) -> None:
        """Of those of these lessons that were erased so long ago nothing lies about any more.

        Their rows are looked for once more: a backend's own long transaction may have handed one in that it could not see erased.
        """
        with self._database.transaction() as session:
            now = self._database.now(session)
            session.execute(delete(LessonRow).where(LessonRow.lesson_id.in_(lesson_ids)))
            old = [TombstoneRow.lesson_id.in_(lesson_ids), TombstoneRow.erased_at <= now - timedelta(seconds=quiet_seconds)]
            session.execute(update(TombstoneRow).where(*old).values(cleared_at=now))
