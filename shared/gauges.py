"""What the ledger tells an endpoint of metrics: counts and ages, each from an index and bounded, however many lessons there are.

Called by `workers/watching`; nothing here names a lesson, a pupil or a file to others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, and_, case, cast, func, literal, select
from sqlalchemy.orm import Session

from .database import Database
from .deliveries import Delivery
from .states import LessonState
from .tables import WAITING, DutyRow, EventRow, LessonRow, StageRunRow

# Of so many lessons in work the segments are looked at, and so many of the oldest waiting ones are asked for their age.
MOST_LESSONS_IN_WORK = 1000
OLDEST_WAITING = 200
UNTOLD = (Delivery.PENDING, Delivery.DEAD)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the lessons stand now; a line is "fresh" or "bulk", ages are in seconds and 0 where nobody waits."""

    lessons: Mapping[LessonState, int]
    open_lessons: Mapping[tuple[LessonState, str], int]
    oldest_seconds: Mapping[str, float]
    sent_again: int
    most_attempts: int
    begun: Mapping[str, int]
    repeats: Mapping[str, int]
    untold: Mapping[Delivery, int]
    duty_lease_seconds: Mapping[str, float]
    duty_notes: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class End:
    """A lesson has ended once more; `seconds` since it was handed in, None for one that was opened again."""

    event_id: str
    state: str
    ended_at: datetime
    sendings: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class StageSum:
    """What one stage took in several lessons: `within` counts its runs by the first bound (in seconds) that they stay below."""

    stage: str
    runs: int
    seconds: float
    items: int
    batch_places: int
    skipped: int
    within: tuple[int, ...]


class Gauges:
    """Reads beside whoever writes; safe to use from several threads. Raises `LedgerAway` and `SchemaMissing` as the ledger does."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def standing(self) -> Standing:
        """All that is counted anew at each look."""
        with self.database.reading() as session:
            now = self.database.now(session)
            open_lessons = dict(_open_lessons(session))
            sent_again, most_attempts = _attempts(session)
            begun, repeats = _segments(session)
            duties = list(session.scalars(select(DutyRow)))
            return Standing(
                lessons=_by_state(session),
                open_lessons=open_lessons,
                oldest_seconds={line: _oldest_seconds(session, now, bulk=bulk) for line, bulk in _LINES.items()},
                sent_again=sent_again,
                most_attempts=most_attempts,
                begun=begun,
                repeats=repeats,
                untold=_untold(session),
                duty_lease_seconds={row.name: (row.lease_until - now).total_seconds() for row in duties},
                duty_notes={row.name: dict(row.note) for row in duties},
            )

    def now(self) -> datetime:
        """The database's time."""
        with self.database.reading() as session:
            return self.database.now(session)

    def ended_since(self, since: datetime, limit: int) -> list[End]:
        """Ends after this time, the earliest first."""
        query = (
            select(
                EventRow.event_id, EventRow.state, EventRow.created_at, EventRow.round, LessonRow.generation, LessonRow.created_at
            )
            .join(LessonRow, LessonRow.lesson_id == EventRow.lesson_id)
            .where(EventRow.created_at > since)
            .order_by(EventRow.created_at)
            .limit(limit)
        )
        with self.database.reading() as session:
            return [
                End(name, state, ended_at, sendings, (ended_at - handed_in_at).total_seconds() if round_number == 1 else None)
                for name, state, ended_at, round_number, sendings, handed_in_at in session.execute(query)
            ]

    def stages_of(self, event_ids: Sequence[str], bounds: Sequence[float], batches: Mapping[str, int]) -> list[StageSum]:
        """What the stages of the lessons of these ends took.

        Args:
            event_ids: of the ends, no more than a few thousand.
            bounds: of the buckets, in seconds, rising; one more bucket takes what is above the last.
            batches: how many items of a stage go through a model at once, by stage; others have no batches.
        """
        row = StageRunRow
        done = row.finished.is_(True)
        # Each run stands in the first bucket that it fits into.
        bucket = case(*((row.seconds <= bound, number) for number, bound in enumerate(bounds)), else_=len(bounds))
        counted = [func.sum(case((and_(done, bucket == number), 1), else_=0)) for number in range(len(bounds) + 1)]
        query = (
            select(
                row.stage,
                func.sum(case((done, row.seconds), else_=0.0)),
                func.sum(case((done, row.items), else_=0)),
                func.sum(case((done, _places(batches)), else_=0)),
                func.count(row.skipped),
                *counted,
            )
            .join(EventRow, and_(EventRow.lesson_id == row.lesson_id, EventRow.work_version == row.work_version))
            .where(EventRow.event_id.in_(event_ids))
            .group_by(row.stage)
        )
        with self.database.reading() as session:
            return [
                StageSum(stage, sum(within), float(seconds), int(items), int(places), int(skipped), tuple(map(int, within)))
                for stage, seconds, items, places, skipped, *within in session.execute(query)
            ]


_LINES = {"fresh": False, "bulk": True}


def _line(bulk: bool) -> str:
    return "bulk" if bulk else "fresh"


def _by_state(session: Session) -> dict[LessonState, int]:
    query = select(LessonRow.state, func.count()).group_by(LessonRow.state)
    found = {LessonState(state): int(n) for state, n in session.execute(query)}
    return {state: found.get(state, 0) for state in LessonState}


def _open_lessons(session: Session) -> dict[tuple[LessonState, str], int]:
    counts = {(state, line): 0 for state in (LessonState.ACCEPTED, LessonState.PROCESSING) for line in _LINES}
    for state, condition in ((LessonState.ACCEPTED, WAITING), (LessonState.PROCESSING, _in_work())):
        query = select(LessonRow.bulk, func.count()).where(condition).group_by(LessonRow.bulk)
        counts |= {(state, _line(bulk)): int(n) for bulk, n in session.execute(query)}
    return counts


def _in_work() -> ColumnElement[bool]:
    return LessonRow.state == LessonState.PROCESSING


def _oldest_seconds(session: Session, now: datetime, *, bulk: bool) -> float:
    """How long the oldest open lesson of a line has been so; one that was opened again counts from then on."""
    columns = (LessonRow.round, LessonRow.created_at, LessonRow.updated_at)
    # Not "= bulk": then PostgreSQL orders by the index on `created_at`, and walks through all that has ended before.
    line = LessonRow.bulk >= literal(value=True) if bulk else LessonRow.bulk <= literal(value=False)
    in_order = (LessonRow.bulk, LessonRow.created_at, LessonRow.lesson_id)
    waiting = select(*columns).where(WAITING, line).order_by(*in_order)
    in_work = select(*columns).where(_in_work(), line)
    rows = [*session.execute(waiting.limit(OLDEST_WAITING)), *session.execute(in_work)]
    since = [created_at if round_number == 1 else updated_at for round_number, created_at, updated_at in rows]
    return max((now - min(since)).total_seconds(), 0.0) if since else 0.0


def _attempts(session: Session) -> tuple[int, int]:
    """Of the lessons that were sent and have not ended: how many were sent again without progress, and how often at most."""
    again, most = 0, 0
    sent_and_waiting = and_(LessonRow.state == LessonState.ACCEPTED, LessonRow.lease_until.is_not(None))
    for condition in (_in_work(), sent_and_waiting):
        query = select(func.sum(cast(LessonRow.attempts > 1, Integer)), func.max(LessonRow.attempts)).where(condition)
        n, attempts = session.execute(query).one()
        again, most = again + int(n or 0), max(most, int(attempts or 0))
    return again, most


def _segments(session: Session) -> tuple[dict[str, int], dict[str, int]]:
    """Of lessons in work, by stage: segments that were begun and have no result yet, and how often such were begun again."""
    some = select(LessonRow.lesson_id, LessonRow.work_version).where(_in_work()).limit(MOST_LESSONS_IN_WORK).subquery()
    unfinished = and_(StageRunRow.finished.is_(False), StageRunRow.skipped.is_(None), StageRunRow.attempts > 0)
    query = (
        select(StageRunRow.stage, func.count(), func.sum(StageRunRow.attempts - 1))
        .join(some, and_(some.c.lesson_id == StageRunRow.lesson_id, StageRunRow.work_version.in_([some.c.work_version, ""])))
        .where(unfinished)
        .group_by(StageRunRow.stage)
    )
    rows = [(stage, int(n), int(repeats or 0)) for stage, n, repeats in session.execute(query)]
    return {stage: n for stage, n, _ in rows}, {stage: repeats for stage, _, repeats in rows}


def _untold(session: Session) -> dict[Delivery, int]:
    query = select(EventRow.delivery, func.count()).where(EventRow.delivery.in_(UNTOLD)).group_by(EventRow.delivery)
    found = {Delivery(delivery): int(n) for delivery, n in session.execute(query)}
    return {delivery: found.get(delivery, 0) for delivery in UNTOLD}


def _places(batches: Mapping[str, int]) -> ColumnElement[int]:
    """The places of the batches that the items fill, the last one of each run perhaps in part."""
    items = StageRunRow.items
    whens = [(StageRunRow.stage == stage, (items + (size - 1)) // size * size) for stage, size in batches.items()]
    return case(*whens, else_=0) if whens else cast(0, Integer)
