"""The ledger: the truth about every lesson, in SQL. Called by the client and by the workers' doors, never by a stage.

`states.py` draws the states and their moves. Here they are carried out; `ledger.sending` says which lesson is to be sent (again),
`ledger.runs` what each stage took, `ledger.duties` who looks after the whole.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import Engine, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from .database import Database, open_database, plain_text
from .duties import Duties
from .errors import LessonConflict, ServiceError
from .lesson import Lesson
from .reel import Reel
from .runs import StageRuns
from .schema import check, ensure_schema
from .sending import Sending, is_spent
from .standing import LessonRecord, standing_of
from .states import OPEN, OPEN_STATES, LessonState, Move, ending
from .tables import EventRow, LessonRow, ReelRow, StageRunRow

__all__ = ["Ledger", "LessonRecord", "LessonState", "event_id", "open_ledger"]


class Ledger:
    """The lessons' rows; safe to use from several threads and processes.

    Every method raises `LedgerAway` where the database cannot be used at the moment, and `SchemaMissing` where it has no tables.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.sending = Sending(database)
        self.runs = StageRuns(database)
        self.duties = Duties(database)

    @property
    def engine(self) -> Engine:
        return self.database.engine

    def close(self) -> None:
        """Give the connections back; the ledger can still be used and opens new ones."""
        self.database.close()

    def create_schema(self) -> None:
        """Make what is not there yet, and bring what is older up to date. Raises what `ensure_schema` raises."""
        ensure_schema(self.database)

    def prepare(self) -> None:
        """Make ready for use: a file of SQLite gets its tables by itself, a server's tables are made by `smilereel migrate` alone.

        Raises:
            SchemaMissing: the server has no tables of this release.
        """
        if self.engine.dialect.name == "sqlite":
            ensure_schema(self.database)
        else:
            check(self.database)

    def accept(self, lesson: Lesson) -> bool:
        """Write the lesson's row; whether it is new.

        Raises:
            LessonConflict: the id is taken by other content.
        """
        try:
            with self.database.transaction() as session:
                now = self.database.now(session)
                session.add(
                    LessonRow(
                        lesson_id=lesson.lesson_id,
                        content_sha256=lesson.content_sha256(),
                        document=lesson.model_dump(mode="json"),
                        state=LessonState.ACCEPTED,
                        created_at=now,
                        updated_at=now,
                    )
                )
            return True
        except IntegrityError:
            with self.database.reading() as session:
                known = session.get(LessonRow, lesson.lesson_id)
                if known is None or known.content_sha256 != lesson.content_sha256():
                    raise LessonConflict(
                        f"Lesson {lesson.lesson_id} was handed in before with other content; give the changed lesson an id of its own."
                    ) from None
            return False

    def read(self, lesson_id: str) -> LessonRecord | None:
        """The lesson's record, None for an unknown id."""
        with self.database.reading() as session:
            row = session.get(LessonRow, lesson_id)
            return None if row is None else standing_of(row)

    def require(self, lesson_id: str) -> LessonRecord:
        """The lesson's record.

        Raises:
            ServiceError: there is none.
        """
        record = self.read(lesson_id)
        if record is None:
            raise ServiceError(f"The ledger knows no lesson {lesson_id}.")
        return record

    def find(self, states: Collection[LessonState] = (), limit: int = 1000) -> list[LessonRecord]:
        """The lessons in these states (none given: in any), the one that changed last first."""
        query = select(LessonRow).order_by(LessonRow.updated_at.desc()).limit(limit)
        if states:
            query = query.where(LessonRow.state.in_(states))
        with self.database.reading() as session:
            return [standing_of(row) for row in session.scalars(query)]

    def count(self) -> dict[LessonState, int]:
        """How many lessons are in each state; a state without any is missing."""
        query = select(LessonRow.state, func.count()).group_by(LessonRow.state)
        with self.database.reading() as session:
            return {LessonState(state): int(n) for state, n in session.execute(query)}

    def admit(self, lesson_id: str, generation: int, *, places: int, lease_seconds: float, full: str | None = None) -> bool:
        """ADMIT, if this is the newest sending and the lesson has a place or one of `places` is free; whether it was.

        A lesson without a place keeps waiting in `accepted`: the reconciler sends it when there is one. Two that ask at the same
        moment on PostgreSQL may both get the last place: the mark is there to stop a flood, not to be exact.

        Args:
            lesson_id: which.
            generation: of the sending that brought it here; 0 for any.
            places: how many lessons may be in work at once.
            lease_seconds: how long the lesson is known to be worked on.
            full: another reason why no new lesson may begin, for whoever asks.
        """
        with self.database.transaction() as session:
            row = session.get(LessonRow, lesson_id, with_for_update=True)
            if row is None or row.state not in OPEN_STATES or not _current(row, generation):
                return False
            if row.state == LessonState.ACCEPTED:
                full = full or (f"all {places} places are taken" if self._taken(session) >= places else None)
                if full:
                    row.lease_until, row.attempts, row.reason = None, 0, f"waits: {full}"
                    return False
            row.state, row.reason, row.updated_at = LessonState.PROCESSING, None, self.database.now(session)
            row.lease_until = self.database.until(session, lease_seconds)
            return True

    @staticmethod
    def _taken(session: Session) -> int:
        query = select(func.count()).where(LessonRow.state == LessonState.PROCESSING)
        return int(session.execute(query).scalar_one())

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
    ) -> bool:
        """Move the lesson to an end, with its event and its reel's row in the same transaction; whether the state allowed it.

        Args:
            lesson_id: whose end it is.
            state: one of the ends.
            reason: why there is no reel, for whoever asks.
            reel: its row, if there is one; a row of the same lesson and version stays as it is.
            generation: refused if a newer sending has been made; 0 speaks for no sending.
            most_attempts: refused unless so many attempts are spent and nobody has a lease on it; 0: however that may be.
        """
        with self.database.transaction() as session:
            row = session.get(LessonRow, lesson_id, with_for_update=True)
            if row is None or (most_attempts and not is_spent(row, most_attempts, self.database.now(session))):
                return False
            row = self._move(session, lesson_id, ending(state), state, generation)
            if row is None:
                return False
            row.reason, row.lease_until = plain_text(reason, 1000), None
            end = {"lesson_id": lesson_id, "work_version": row.work_version, "created_at": row.updated_at}
            if reel is not None:
                self._insert_or_ignore(session, ReelRow, **end, **reel.model_dump())
            name = event_id(lesson_id, row.round)
            self._insert_or_ignore(session, EventRow, **end, event_id=name, round=row.round, state=state)
            return True

    def reopen(self, lesson_id: str) -> bool:
        """OPEN: the lesson is processed again, with all its attempts; whether the state allowed it.

        Counts as a sending, so that a message of the last round that is delivered once more cannot end the new one.
        """
        with self.database.transaction() as session:
            row = self._move(session, lesson_id, OPEN, LessonState.ACCEPTED, 0)
            if row is None:
                return False
            row.reason = None
            row.round += 1
            row.generation += 1
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
        insert = postgresql.insert if self.engine.dialect.name == "postgresql" else sqlite.insert
        session.execute(insert(table).values(**values).on_conflict_do_nothing())


def event_id(lesson_id: str, round_number: int) -> str:
    """The name of the end of a lesson's round: the same however often it is told."""
    return str(uuid5(NAMESPACE_URL, f"smilereel:{lesson_id}:{round_number}"))


def open_ledger(url: str, **engine_options: Any) -> Ledger:
    """The ledger at an SQLAlchemy URL.

    Raises:
        SettingsInvalid: the URL cannot be understood.
    """
    return Ledger(open_database(url, **engine_options))


def _current(row: LessonRow, generation: int) -> bool:
    return generation in {0, row.generation}


def _forget_attempts(session: Session, lesson_id: str) -> None:
    session.execute(update(LessonRow).where(LessonRow.lesson_id == lesson_id).values(attempts=0, lease_until=None))
    session.execute(update(StageRunRow).where(StageRunRow.lesson_id == lesson_id).values(attempts=0, skipped=None))
