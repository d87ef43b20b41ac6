"""The ledger: the truth about every lesson, in SQL. Called by the client and by the workers' doors, never by a stage.

    accepted ──plan──> processing ──publish──> done | no_reel
       │                   │
       └──────> refused (the input is at fault) | failed (we are)
    done, no_reel, refused, failed ──reopen──> accepted

Each move is one transaction that checks the state it leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, Integer, cast, create_engine, delete, event, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from .errors import LessonConflict, ServiceError
from .lesson import Lesson, parse_lesson
from .records import StageProgress
from .reel import Reel
from .tables import Base, LessonRow, ReelRow, StageRunRow


class LessonState(StrEnum):
    """Where a lesson stands."""

    ACCEPTED = "accepted"
    PROCESSING = "processing"
    DONE = "done"
    NO_REEL = "no_reel"
    REFUSED = "refused"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        return self not in {LessonState.ACCEPTED, LessonState.PROCESSING}


_LEAVES = {
    LessonState.ACCEPTED: {LessonState.DONE, LessonState.NO_REEL, LessonState.REFUSED, LessonState.FAILED},
    LessonState.PROCESSING: {LessonState.ACCEPTED, LessonState.PROCESSING},
    LessonState.DONE: {LessonState.PROCESSING},
    LessonState.NO_REEL: {LessonState.PROCESSING},
    LessonState.REFUSED: {LessonState.ACCEPTED, LessonState.PROCESSING},
    LessonState.FAILED: {LessonState.ACCEPTED, LessonState.PROCESSING},
}


@dataclass(frozen=True, slots=True)
class LessonRecord:
    """What the ledger knows of a lesson."""

    lesson: Lesson
    state: LessonState
    reason: str | None
    work_version: str | None
    n_segments: int
    facts: dict[str, Any]


class Ledger:
    """The lessons' rows; safe to use from several threads and processes."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def close(self) -> None:
        """Give the connections back; the ledger can still be used and opens new ones."""
        self.engine.dispose()

    def create_schema(self) -> None:
        """Make what is not there yet."""
        Base.metadata.create_all(self.engine)

    def accept(self, lesson: Lesson) -> bool:
        """Write the lesson's row; whether it is new.

        Raises:
            LessonConflict: the id is taken by other content.
        """
        row = LessonRow(
            lesson_id=lesson.lesson_id,
            content_sha256=lesson.content_sha256(),
            document=lesson.model_dump(mode="json"),
            state=LessonState.ACCEPTED,
            created_at=datetime.now(UTC),
            updated_at=datetime.now(UTC),
        )
        try:
            with Session(self.engine) as session, session.begin():
                session.add(row)
            return True
        except IntegrityError:
            with Session(self.engine) as session:
                known = session.get(LessonRow, lesson.lesson_id)
                if known is None or known.content_sha256 != lesson.content_sha256():
                    raise LessonConflict(
                        f"Lesson {lesson.lesson_id} was handed in before with other content; give the changed lesson an id of its own."
                    ) from None
            return False

    def read(self, lesson_id: str) -> LessonRecord | None:
        """The lesson's record, None for an unknown id."""
        with Session(self.engine) as session:
            row = session.get(LessonRow, lesson_id)
            if row is None:
                return None
            return LessonRecord(
                parse_lesson(row.document), LessonState(row.state), row.reason, row.work_version, row.n_segments, row.facts
            )

    def require(self, lesson_id: str) -> LessonRecord:
        """The lesson's record.

        Raises:
            ServiceError: there is none.
        """
        record = self.read(lesson_id)
        if record is None:
            raise ServiceError(f"The ledger knows no lesson {lesson_id}.")
        return record

    def begin(self, lesson_id: str, work_version: str, n_segments: int, facts: dict[str, Any]) -> bool:
        """accepted -> processing, with what the plan found out; whether the state allowed it.

        Attempts count from here: whoever was interrupted, or has mended a fault of ours, starts afresh.
        """
        moved = self._move(
            lesson_id, LessonState.PROCESSING, work_version=work_version, n_segments=n_segments, facts=facts, reason=None
        )
        if moved:
            with Session(self.engine) as session, session.begin():
                session.execute(update(StageRunRow).where(StageRunRow.lesson_id == lesson_id).values(attempts=0))
        return moved

    def finish(self, lesson_id: str, state: LessonState, reason: str | None, reel: Reel | None = None) -> bool:
        """Move the lesson to a final state; the reel's row is written in the same transaction. Whether the state allowed it."""
        return self._move(lesson_id, state, reel=reel, reason=reason)

    def reopen(self, lesson_id: str) -> bool:
        """A final state -> accepted, so that the lesson is processed again; whether the state allowed it."""
        return self._move(lesson_id, LessonState.ACCEPTED, reason=None)

    def _move(self, lesson_id: str, state: LessonState, *, reel: Reel | None = None, **values: Any) -> bool:
        with Session(self.engine) as session, session.begin():
            moved = session.execute(
                update(LessonRow)
                .where(LessonRow.lesson_id == lesson_id, LessonRow.state.in_(_LEAVES[state]))
                .values(state=state, updated_at=datetime.now(UTC), **values)
                .returning(LessonRow.work_version)
            ).first()
            if moved is not None and reel is not None:
                session.execute(delete(ReelRow).where(ReelRow.lesson_id == lesson_id, ReelRow.work_version == moved[0]))
                session.add(
                    ReelRow(lesson_id=lesson_id, work_version=moved[0], created_at=datetime.now(UTC), **reel.model_dump())
                )
            return moved is not None

    def stage_started(self, lesson_id: str, work_version: str, stage: str, segment_index: int) -> int:
        """Note that a run begins; how many have begun, this one included."""
        with Session(self.engine) as session, session.begin():
            row = session.get(StageRunRow, (lesson_id, work_version, stage, segment_index))
            if row is None:
                row = StageRunRow(
                    lesson_id=lesson_id, work_version=work_version, stage=stage, segment_index=segment_index, attempts=0
                )
                session.add(row)
            row.attempts += 1
            return row.attempts

    def stage_finished(
        self, lesson_id: str, work_version: str, stage: str, segment_index: int, *, seconds: float, items: int
    ) -> None:
        """Note that a run has ended; a memoised one that did no work keeps the seconds of the one that did."""
        with Session(self.engine) as session, session.begin():
            row = session.get(StageRunRow, (lesson_id, work_version, stage, segment_index))
            if row is not None:
                row.finished, row.attempts = True, 0
                row.seconds = max(row.seconds, seconds)
                row.items = max(row.items, items)

    def progress(self, lesson_id: str, work_version: str) -> dict[str, StageProgress]:
        """For each stage that began, how far it is."""
        query = (
            select(
                StageRunRow.stage,
                func.sum(cast(StageRunRow.finished, Integer)),
                func.sum(StageRunRow.seconds),
                func.sum(StageRunRow.items),
                func.max(StageRunRow.attempts),
            )
            .where(StageRunRow.lesson_id == lesson_id, StageRunRow.work_version == work_version)
            .group_by(StageRunRow.stage)
        )
        with Session(self.engine) as session:
            return {
                stage: StageProgress(finished=int(n), seconds=float(s), items=int(i), attempts=int(a))
                for stage, n, s, i, a in session.execute(query)
            }


def open_ledger(url: str) -> Ledger:
    """The ledger at an SQLAlchemy URL. On SQLite: WAL, a busy timeout, and transactions that take the write lock at once."""
    engine = create_engine(url, pool_pre_ping=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return Ledger(engine)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own deferred BEGIN makes a read-then-write transaction fail when another process writes in between.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout=20000")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
