"""Which lessons are to be sent to the workers, first or again: leases, generations and attempts. `ledger.sending`.

A lesson is sent by a message that may get lost. Whoever works on it, or knows that its messages wait in a queue, renews its lease;
where the lease has run out, nobody does, and it is sent again under the next generation, so that what is left of the earlier one is
dropped wherever it turns up. Progress forgets the attempts; K attempts without progress set the lesson aside.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select, update

from .database import LONGEST_LEASE_SECONDS, Database, plain_text
from .states import OPEN_STATES, LessonState
from .tables import TRIED, WAITING, LessonRow


@dataclass(frozen=True, slots=True)
class Sent:
    """A lesson that the caller has to send now, under this generation; nobody else will before the lease has run out."""

    lesson_id: str
    generation: int
    counted: bool = True
    bulk: bool = False


class Sending:
    """Leases on lessons; safe to use from several threads and processes."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def take(self, lesson_id: str, *, lease_seconds: float, most_attempts: int, counted: bool = True) -> Sent | None:
        """Take the lesson to send it, if it is open, nobody has a live lease on it, and attempts are left.

        Args:
            lesson_id: which.
            lease_seconds: how long nobody else may take it.
            most_attempts: with so many sendings since the last progress it is left, to be set aside.
            counted: whether this sending counts as an attempt; not where Redis is known to have lost the last one.
        """
        with self.database.transaction() as session:
            now = self.database.now(session)
            row = session.scalars(
                select(LessonRow)
                .where(LessonRow.lesson_id == lesson_id, LessonRow.state.in_(OPEN_STATES), _unleased(now))
                .with_for_update(skip_locked=True)
            ).one_or_none()
            if row is None or (counted and row.attempts >= most_attempts):
                return None
            row.generation += 1
            row.attempts += counted
            row.lease_until = self.database.until(session, lease_seconds)
            return Sent(lesson_id, row.generation, counted, row.bulk)

    def not_sent(self, sent: Sent) -> None:
        """The message could not be sent: it counts as no attempt, and the lesson can be taken at once."""
        with self.database.transaction() as session:
            row = session.get(LessonRow, sent.lesson_id, with_for_update=True)
            if row is not None and row.generation == sent.generation:
                row.lease_until, row.attempts = None, max(row.attempts - sent.counted, 0)

    def renew(self, lesson_id: str, generation: int, lease_seconds: float) -> bool:
        """Somebody works on it; False where a newer sending has been made or the lesson has ended."""
        with self.database.transaction() as session:
            until = self.database.until(session, lease_seconds)
            renewed = session.execute(
                update(LessonRow)
                .where(
                    LessonRow.lesson_id == lesson_id,
                    LessonRow.state.in_(OPEN_STATES),
                    LessonRow.generation == generation if generation else LessonRow.generation >= 0,
                )
                .values(lease_until=until)
                .returning(LessonRow.lesson_id)
            ).first()
            return renewed is not None

    def rest(self, lesson_id: str, generation: int, *, seconds: float, reason: str, counted: bool) -> None:
        """A failure that may pass: the lesson is sent again after so many seconds; counted as an attempt or not."""
        with self.database.transaction() as session:
            row = session.get(LessonRow, lesson_id, with_for_update=True)
            if row is None or row.state not in OPEN_STATES or generation not in {0, row.generation}:
                return
            row.reason = plain_text(reason, 1000)
            row.lease_until = self.database.until(session, seconds)
            if not counted:
                row.attempts = max(row.attempts - 1, 0)

    def renew_waiting(self, lesson_ids: Collection[str], lease_seconds: float) -> None:
        """These lessons' messages wait in a queue."""
        if not lesson_ids:
            return
        with self.database.transaction() as session:
            until = self.database.until(session, lease_seconds)
            session.execute(
                update(LessonRow)
                .where(LessonRow.lesson_id.in_(lesson_ids), LessonRow.state.in_(OPEN_STATES))
                .values(lease_until=until)
            )

    def everything_lost(self) -> int:
        """Redis has lost its messages: no lease on a lesson in work means anything any more. How many were in work."""
        with self.database.transaction() as session:
            lost = session.execute(
                update(LessonRow)
                .where(LessonRow.state.in_(OPEN_STATES), LessonRow.lease_until.is_not(None))
                .values(lease_until=None)
                .returning(LessonRow.lesson_id)
            )
            return len(lost.all())

    def stalled(self, limit: int = 1000) -> list[str]:
        """Lessons in work whose lease has run out: fresh ones before those in bulk, of each the longest waiting first."""
        return self._due(LessonRow.state == LessonState.PROCESSING, limit)

    def waiting(self, limit: int, bulk_limit: int | None = None) -> list[str]:
        """Accepted lessons that nobody has a lease on: fresh ones before those in bulk, of each the oldest first.

        Args:
            limit: at most so many.
            bulk_limit: at most so many of them in bulk; None for any.
        """
        fresh = self._due(and_(WAITING, ~LessonRow.bulk), limit)
        left = limit - len(fresh) if bulk_limit is None else min(limit - len(fresh), bulk_limit)
        return fresh + (self._due(and_(WAITING, LessonRow.bulk), left) if left > 0 else [])

    def spent(self, most_attempts: int) -> list[tuple[str, str | None]]:
        """Lessons without a lease and without attempts left, each with the reason of its last failure."""
        with self.database.reading() as session:
            rows = session.execute(
                select(LessonRow.lesson_id, LessonRow.reason).where(
                    TRIED,
                    LessonRow.attempts >= most_attempts,
                    LessonRow.state.in_(OPEN_STATES),
                    _unleased(self.database.now(session)),
                )
            )
            return [(lesson_id, reason) for lesson_id, reason in rows]

    def places_taken(self) -> int:
        """Lessons in work, and accepted ones that were sent and not yet planned."""
        return sum(self.places_by_kind())

    def places_by_kind(self) -> tuple[int, int]:
        """The same, of fresh lessons and of those in bulk."""
        with self.database.reading() as session:
            sent = and_(LessonRow.state == LessonState.ACCEPTED, ~_unleased(self.database.now(session)))
            query = select(LessonRow.bulk, func.count()).where(or_(LessonRow.state == LessonState.PROCESSING, sent))
            taken = {bool(bulk): int(n) for bulk, n in session.execute(query.group_by(LessonRow.bulk))}
            return taken.get(False, 0), taken.get(True, 0)

    def _due(self, condition: ColumnElement[bool], limit: int) -> list[str]:
        with self.database.reading() as session:
            query = select(LessonRow.lesson_id).where(condition, _unleased(self.database.now(session)))
            return list(session.scalars(query.order_by(LessonRow.bulk, LessonRow.created_at, LessonRow.lesson_id).limit(limit)))


def _unleased(now: datetime) -> ColumnElement[bool]:
    until = LessonRow.lease_until
    return or_(until.is_(None), until <= now, until > now + timedelta(seconds=LONGEST_LEASE_SECONDS))


def is_spent(row: LessonRow, most_attempts: int, now: datetime) -> bool:
    """Whether nobody has a lease on the lesson and no attempt is left."""
    until = row.lease_until
    free = until is None or until <= now or until > now + timedelta(seconds=LONGEST_LEASE_SECONDS)
    return free and row.attempts >= most_attempts
