"""What each stage of each segment took, and how often it was begun without coming to an end. `ledger.runs`."""

from __future__ import annotations

from sqlalchemy import Integer, case, cast, func, select

from .database import Database, plain_text
from .records import StageProgress
from .states import OPEN_STATES
from .tables import LessonRow, StageRunRow


class StageRuns:
    """Rows of stages; safe to use from several threads and processes."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def started(
        self,
        lesson_id: str,
        work_version: str,
        stage: str,
        segment_index: int,
        *,
        generation: int = 0,
        lease_seconds: float = 0.0,
    ) -> int | None:
        """Note that a run begins and renew the lesson's lease; how many have begun since one ended, this one included.

        None where the run is in vain: the lesson has ended, is gone, or was sent again under a newer generation.
        """
        with self.database.transaction() as session:
            lesson = session.get(LessonRow, lesson_id, with_for_update=True)
            if lesson is None or lesson.state not in OPEN_STATES or generation not in {0, lesson.generation}:
                return None
            if lease_seconds:
                lesson.lease_until = self.database.until(session, lease_seconds)
            row = session.get(StageRunRow, (lesson_id, work_version, stage, segment_index))
            if row is None:
                row = StageRunRow(
                    lesson_id=lesson_id, work_version=work_version, stage=stage, segment_index=segment_index, attempts=0
                )
                session.add(row)
            row.attempts += 1
            return row.attempts

    def finished(
        self,
        lesson_id: str,
        work_version: str,
        stage: str,
        segment_index: int,
        *,
        seconds: float,
        items: int,
        generation: int = 0,
        lease_seconds: float = 0.0,
    ) -> None:
        """Note that a run has ended; a memoised one that did no work keeps the seconds of the one that did.

        The first end of a run is progress, whichever sending made it: it forgets the lesson's attempts. The newest sending's lease
        is renewed, for the way to the next stage.
        """
        with self.database.transaction() as session:
            # The lesson's row first, as in `started`: two locks in one order never wait for each other.
            lesson = session.get(LessonRow, lesson_id, with_for_update=True)
            row = session.get(StageRunRow, (lesson_id, work_version, stage, segment_index))
            if lesson is None or row is None:
                return
            if lesson.state in OPEN_STATES and lease_seconds and generation in {0, lesson.generation}:
                lesson.lease_until = self.database.until(session, lease_seconds)
            if not row.finished:
                lesson.attempts = 0
            row.finished, row.attempts, row.skipped = True, 0, None
            row.seconds = max(row.seconds, seconds)
            row.items = max(row.items, items)

    def interrupted(self, lesson_id: str, work_version: str, stage: str, segment_index: int) -> None:
        """The run ended through no fault of its own (a store or a database that was away): it counts as no attempt."""
        with self.database.transaction() as session:
            row = session.get(StageRunRow, (lesson_id, work_version, stage, segment_index), with_for_update=True)
            if row is not None:
                row.attempts = max(row.attempts - 1, 0)

    def skipped(self, lesson_id: str, work_version: str, stage: str, segment_index: int, reason: str) -> None:
        """The lesson goes on without this segment."""
        with self.database.transaction() as session:
            row = session.get(StageRunRow, (lesson_id, work_version, stage, segment_index), with_for_update=True)
            if row is not None:
                row.skipped = plain_text(reason, 500)

    def progress(self, lesson_id: str, work_version: str) -> dict[str, StageProgress]:
        """For each stage that began, how far it is."""
        query = (
            select(
                StageRunRow.stage,
                func.sum(cast(StageRunRow.finished, Integer)),
                func.sum(StageRunRow.seconds),
                func.sum(StageRunRow.items),
                func.max(case((StageRunRow.skipped.is_(None), StageRunRow.attempts), else_=0)),
                func.count(StageRunRow.skipped),
            )
            .where(StageRunRow.lesson_id == lesson_id, StageRunRow.work_version == work_version)
            .group_by(StageRunRow.stage)
        )
        with self.database.reading() as session:
            return {
                stage: StageProgress(finished=int(n), seconds=float(s), items=int(i), attempts=int(a), skipped=int(k))
                for stage, n, s, i, a, k in session.execute(query)
            }
