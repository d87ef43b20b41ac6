"""The moves of `states.py` carried out: each is one transaction that checks the state it leaves. What the ledger is built on."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from .database import Database, insert_of, plain_text
from .reel import NoReelReason, Reel
from .sending import is_spent
from .states import CANCEL, OPEN, OPEN_STATES, PUBLISH, WITHDRAW, LessonState, Move, ending
from .tables import EventRow, LessonRow, ReelRow, StageRunRow


class Moves:
    """A lesson's way from state to state; safe to use from several threads and processes."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def admit(
        self,
        lesson_id: str,
        generation: int,
        *,
        places: int,
        lease_seconds: float,
        bulk_places: int | None = None,
        full: str | None = None,
    ) -> bool:
        """ADMIT, if this is the newest sending and the lesson has a place or one of `places` is free; whether it was.

        A lesson without a place keeps waiting in `accepted`: the reconciler sends it when there is one. Two that ask at the same
        moment on PostgreSQL may both get the last place: the mark is there to stop a flood, not to be exact.

        Args:
            lesson_id: which.
            generation: of the sending that brought it here; 0 for any.
            places: how many lessons may be in work at once.
            bulk_places: how many of those may be in bulk; None for all.
            lease_seconds: how long the lesson is known to be worked on.
            full: another reason why no new lesson may begin, for whoever asks.
        """
        with self.database.transaction() as session:
            row = session.get(LessonRow, lesson_id, with_for_update=True)
            if row is None or row.state not in OPEN_STATES or not _current(row, generation):
                return False
            if row.state == LessonState.ACCEPTED:
                full = full or _no_place(session, places, bulk_places if row.bulk else None)
                if full:
                    row.lease_until, row.attempts, row.reason = None, 0, f"waits: {full}"
                    return False
            row.state, row.reason, row.updated_at = LessonState.PROCESSING, None, self.database.now(session)
            row.lease_until = self.database.until(session, lease_seconds)
            return True

    def planned(self, lesson_id: str, work_version: str, n_segments: int, facts: dict[str, Any], *, generation: int = 0) -> None:
        """Note what the plan found out; not if a newer sending has been made."""
        with self.database.transaction() as session:
            row = session.get(LessonRow, lesson_id, with_for_update=True)
            if row is not None and row.state == LessonState.PROCESSING and _current(row, generation):
                row.work_version, row.n_segments, row.facts = work_version, n_segments, facts

    def finish(
        self,
        lesson_id: str,
        state: LessonState,
        reason: str | None,
        *,
        reel: Reel | None = None,
        generation: int = 0,
        most_attempts: int = 0,
        needs_approval: bool = False,
    ) -> bool:
        """Move the lesson to an end, with its event and its reel's row in the same transaction; whether the state allowed it.

        Args:
            lesson_id: whose end it is.
            state: one of the ends.
            reason: why there is no reel, for whoever asks.
            reel: its row, if there is one; a row of the same lesson and version stays as it is.
            generation: refused if a newer sending has been made; 0 speaks for no sending.
            needs_approval: nobody finds the reel before a person has approved it.
            most_attempts: refused unless so many attempts are spent and nobody has a lease on it; 0: however that may be.
        """
        with self.database.transaction() as session:
            row = session.get(LessonRow, lesson_id, with_for_update=True)
            if row is None or (most_attempts and not is_spent(row, most_attempts, self.database.now(session))):
                return False
            if reel is not None and not row.consent_reel:  # withdrawn meanwhile
                state, reason, reel = LessonState.NO_REEL, NoReelReason.NO_CONSENT, None
            if self._move(session, lesson_id, ending(state), state, generation) is None:
                return False
            row.keeps = "all"
            if state in PUBLISH.enters:
                self._supersede(session, row, reel, needs_approval)
            self._end(session, row, reason)
            return True

    def cancel(self, lesson_id: str) -> bool:
        """CANCEL: whoever works on it stops at the next segment; whether the state allowed it."""
        with self.database.transaction() as session:
            row = self._move(session, lesson_id, CANCEL, LessonState.CANCELLED, 0)
            if row is None:
                return False
            self._end(session, row, "cancelled by the backend")
            return True

    def withdraw(self, session: Session, row: LessonRow) -> bool:
        """WITHDRAW, in a transaction that goes on: the family no longer agrees to any processing; whether the state allowed it."""
        session.execute(delete(ReelRow).where(ReelRow.lesson_id == row.lesson_id))
        was_told = row.state not in OPEN_STATES
        if self._move(session, row.lesson_id, WITHDRAW, LessonState.CANCELLED, 0) is None:
            return False
        row.round += was_told  # that was another end
        self._end(session, row, "consent was withdrawn")
        return True

    def _supersede(self, session: Session, row: LessonRow, reel: Reel | None, needs_approval: bool) -> None:
        """This version's reel is the lesson's only one from now on; a row of this version stays as it is."""
        others = delete(ReelRow).where(ReelRow.lesson_id == row.lesson_id)
        if reel is None:
            session.execute(others)
            return
        session.execute(others.where(ReelRow.work_version != row.work_version))
        made = {"lesson_id": row.lesson_id, "work_version": row.work_version, "created_at": row.updated_at}
        self._insert_or_ignore(session, ReelRow, **made, **reel.model_dump(), needs_approval=needs_approval)

    def _end(self, session: Session, row: LessonRow, reason: str | None) -> None:
        row.reason, row.lease_until = plain_text(reason, 1000), None
        told = {"lesson_id": row.lesson_id, "work_version": row.work_version, "created_at": row.updated_at}
        name = event_id(row.lesson_id, row.round)
        self._insert_or_ignore(session, EventRow, **told, event_id=name, round=row.round, state=row.state)

    def reopen(self, lesson_id: str, *, anew: bool = False, bulk: bool | None = None) -> bool:
        """OPEN: the lesson is processed again, with all its attempts; whether the state and the family's consent allowed it.

        Args:
            lesson_id: which.
            anew: from the beginning, with nothing of what was made before; its reel stays until there is a new one.
            bulk: whether it may wait behind fresh ones this time; None: as it was handed in.

        Counts as a sending, so that a message of the last round that is delivered once more cannot end the new one.
        """
        with self.database.transaction() as session:
            row = session.get(LessonRow, lesson_id, with_for_update=True)
            if row is None or not row.consent_process or self._move(session, lesson_id, OPEN, LessonState.ACCEPTED, 0) is None:
                return False
            row.reason = None
            row.round += 1
            row.generation += 1
            row.bulk = row.bulk if bulk is None else bulk
            if anew:
                row.revision, row.n_segments = row.revision + 1, 0
            _forget_attempts(session, lesson_id)
            return True

    def start_afresh(self, lesson_id: str) -> None:
        """Forget the attempts: whoever was interrupted, or has mended a fault of ours, has them all again."""
        with self.database.transaction() as session:
            _forget_attempts(session, lesson_id)

    def _move(self, session: Session, lesson_id: str, move: Move, state: LessonState, generation: int) -> LessonRow | None:
        row = session.get(LessonRow, lesson_id, with_for_update=True)
        if row is None or row.state not in move.leaves or not _current(row, generation):
            return None
        row.state, row.updated_at = state, self.database.now(session)
        return row

    def _insert_or_ignore(self, session: Session, table: type[ReelRow | EventRow], **values: Any) -> None:
        insert = insert_of(self.database.engine.dialect.name)
        session.execute(insert(table).values(**values).on_conflict_do_nothing())


def event_id(lesson_id: str, round_number: int) -> str:
    """The name of the end of a lesson's round: the same however often it is told."""
    return str(uuid5(NAMESPACE_URL, f"smilereel:{lesson_id}:{round_number}"))


def _no_place(session: Session, places: int, bulk_places: int | None) -> str | None:
    """Why a lesson cannot begin; None if it can. `bulk_places` is given for a lesson in bulk."""
    in_work = select(func.count()).where(LessonRow.state == LessonState.PROCESSING)
    if int(session.execute(in_work).scalar_one()) >= places:
        return f"all {places} places are taken"
    if bulk_places is not None and int(session.execute(in_work.where(LessonRow.bulk)).scalar_one()) >= bulk_places:
        return f"all {bulk_places} places for bulk are taken"
    return None


def _current(row: LessonRow, generation: int) -> bool:
    return generation in {0, row.generation}


def _forget_attempts(session: Session, lesson_id: str) -> None:
    session.execute(update(LessonRow).where(LessonRow.lesson_id == lesson_id).values(attempts=0, lease_until=None))
    session.execute(update(StageRunRow).where(StageRunRow.lesson_id == lesson_id).values(attempts=0, skipped=None))
