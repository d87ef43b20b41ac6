"""The ledger: the truth about every lesson, in SQL. Called by the client and by the workers' doors, never by a stage.

`states.py` draws the states and their moves, `moves.py` carries them out; `ledger.sending` says which lesson is to be sent (again),
`ledger.runs` what each stage took, `ledger.duties` who looks after the whole, `ledger.rights` what the family may ask for,
`ledger.told` what others get to know of a lesson, `ledger.deliveries` which ends the backend has been told, `ledger.audit` who did what.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Engine, func, select

from .accepting import accept
from .audit import Audit
from .database import Database, open_database
from .deliveries import Deliveries
from .duties import Duties
from .errors import ServiceError
from .lesson import Lesson
from .moves import Moves, event_id
from .retention import Retention
from .rights import Rights
from .runs import StageRuns
from .schema import check, ensure_schema
from .sending import Sending
from .standing import LessonRecord, standing_of
from .states import LessonState
from .tables import LessonRow
from .told import Told

__all__ = ["Ledger", "LessonRecord", "LessonState", "event_id", "open_ledger"]


class Ledger(Moves):
    """The lessons' rows; safe to use from several threads and processes.

    Every method raises `LedgerAway` where the database cannot be used at the moment, and `SchemaMissing` where it has no tables.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.sending = Sending(database)
        self.runs = StageRuns(database)
        self.duties = Duties(database)
        self.audit = Audit(database)
        self.rights = Rights(self, self.audit)
        self.told = Told(database)
        self.deliveries = Deliveries(database)
        self.retention = Retention(database)

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

    def accept(self, lesson: Lesson, *, bulk: bool = False) -> bool:
        """Write the lesson's row; whether it is new. In bulk it may wait behind fresh ones.

        Raises:
            LessonConflict: the id is taken by other content.
            LessonErased: a lesson of this id was erased.
        """
        with self.database.transaction() as session:
            return accept(session, lesson, self.database.now(session), bulk=bulk)

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


def open_ledger(url: str, **engine_options: Any) -> Ledger:
    """The ledger at an SQLAlchemy URL.

    Raises:
        SettingsInvalid: the URL cannot be understood.
    """
    return Ledger(open_database(url, **engine_options))
