"""Which ends of lessons the backend's webhook has been told, and which are to be told (again). `ledger.deliveries`.

Each end is one event under one id (`moves.event_id`). Whoever tries it leases it for a while; where the lease has run out, nobody
does, and it is tried again under the same id: at least once, never under two.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from .database import Database, plain_text
from .tables import EventRow, LessonRow


class Delivery(StrEnum):
    """Where an event stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    UNASKED = "unasked"


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits between tries: `first_seconds`, then `factor` times as long each, at most `longest_seconds`, a quarter up or down.

    With the twelve tries of the default settings the last one is about a day after the first.
    """

    first_seconds: float = 5.0
    factor: float = 3.0
    longest_seconds: float = 6 * 3600.0

    def after(self, attempts: int, wished_seconds: float = 0.0) -> float:
        """Seconds to wait after so many failed tries (1 and up), no shorter than the receiver wished, within the limit."""
        full = min(self.first_seconds * self.factor ** (min(attempts, 40) - 1), self.longest_seconds)
        return max(full * random.uniform(0.75, 1.25), min(wished_seconds, self.longest_seconds))


@dataclass(frozen=True, slots=True)
class Due:
    """An event to be tried now; nobody else will before `until`."""

    event_id: str
    lesson_id: str
    round: int
    state: str
    reason: str | None
    work_version: str | None
    ended_at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Tried:
    """How a try ended: without a fault it was delivered; `final` gives it up at once; `answered`: the receiver said anything."""

    due: Due
    fault: str | None = None
    final: bool = False
    answered: bool = True
    wished_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """An event as an operator sees it."""

    event_id: str
    lesson_id: str
    state: str
    ended_at: datetime
    delivery: Delivery
    attempts: int
    next_try_at: datetime | None
    delivered_at: datetime | None
    fault: str | None


class Deliveries:
    """The events' rows; safe to use from several threads and processes."""

    def __init__(self, database: Database, backoff: Backoff | None = None) -> None:
        self.database = database
        self.backoff = backoff or Backoff()

    def is_due(self) -> bool:
        """Whether there is anything to be tried now."""
        with self.database.reading() as session:
            now = self.database.now(session)
            return any(
                session.execute(select(EventRow.event_id).where(condition).limit(1)).first() is not None
                for condition in (_new(), self._waited(now))
            )

    def claim(self, limit: int, lease_seconds: float) -> list[Due]:
        """Events to be tried now, new ones first, those that wait longest next; leased to the caller."""
        if limit < 1:
            return []
        with self.database.transaction() as session:
            now = self.database.now(session)
            rows: list[EventRow] = []
            # Two plain looks into the index, for one over both would sort the whole backlog at each claim.
            for condition in (_new(), self._waited(now)):
                query = select(EventRow).where(condition).order_by(EventRow.deliver_at).limit(limit - len(rows))
                rows += session.scalars(query.with_for_update(skip_locked=True)) if len(rows) < limit else []
            until = self.database.until(session, lease_seconds)
            reasons = _reasons(session, rows) if rows else {}
            for row in rows:
                row.deliver_at = until
            return [
                Due(
                    row.event_id, row.lesson_id, row.round, row.state, reasons.get(row.event_id), row.work_version, row.created_at, until
                )
                for row in rows
            ]  # fmt: skip

    def record(self, tried: Sequence[Tried], *, most_attempts: int) -> int:
        """Write down how tries ended; how many events were given up.

        A success counts whoever reports it and when; a failure only for as long as its lease is the newest.
        """
        n_dead = 0
        with self.database.transaction() as session:
            now = self.database.now(session)
            # In one order everywhere, so that two who report never wait for each other in a circle.
            for each in sorted(tried, key=lambda one: one.due.event_id):
                row = session.get(EventRow, each.due.event_id, with_for_update=True)
                if row is None or row.delivery == Delivery.DELIVERED:
                    continue  # The lesson was erased meanwhile, or somebody else was quicker.
                if each.fault is None:
                    row.delivery, row.delivered_at, row.deliver_at, row.delivery_fault = Delivery.DELIVERED, now, None, None
                    row.delivery_attempts += 1
                elif row.delivery == Delivery.PENDING and row.deliver_at == each.due.until:
                    n_dead += self._failed(row, each, now, most_attempts)
        return n_dead

    def _failed(self, row: EventRow, tried: Tried, now: datetime, most_attempts: int) -> bool:
        row.delivery_attempts += 1
        row.delivery_fault = plain_text(tried.fault, 200)
        if tried.final or row.delivery_attempts >= most_attempts:
            row.delivery, row.deliver_at = Delivery.DEAD, None
            return True
        row.deliver_at = now + timedelta(seconds=self.backoff.after(row.delivery_attempts, tried.wished_seconds))
        return False

    def redeliver(self, event_id: str) -> bool:
        """Try an event again, under its own id and with all its tries, however it stands; False for an unknown id."""
        return self._again(EventRow.event_id == event_id) > 0

    def redeliver_dead(self) -> int:
        """The same for all that were given up; how many."""
        return self._again(EventRow.delivery == Delivery.DEAD)

    def _again(self, condition: ColumnElement[bool]) -> int:
        anew: dict[str, object] = {"delivery": Delivery.PENDING, "delivery_attempts": 0, "delivered_at": None}
        with self.database.transaction() as session:
            # Due now, and so not new: what is asked for is told, however old it is.
            anew["deliver_at"] = self.database.now(session)
            changed = session.execute(
                update(EventRow).where(condition).values(**anew, delivery_fault=None).returning(EventRow.event_id)
            )
            return len(changed.all())

    def forgo(self, older_than_seconds: float) -> int:
        """There is no webhook: what has waited so long for its first try is never told by itself; how many events."""
        with self.database.transaction() as session:
            ended = EventRow.created_at < self.database.now(session) - timedelta(seconds=older_than_seconds)
            forgone = update(EventRow).where(_new(), EventRow.delivery_attempts == 0, ended).values(delivery=Delivery.UNASKED)
            return len(session.execute(forgone.returning(EventRow.event_id)).all())

    def find(self, states: Collection[Delivery] = (), limit: int = 1000) -> list[DeliveryRecord]:
        """The events that stand so (none given: in any way), the newest first."""
        query = select(EventRow).order_by(EventRow.created_at.desc(), EventRow.event_id).limit(limit)
        if states:
            query = query.where(EventRow.delivery.in_(states))
        with self.database.reading() as session:
            return [_record(row) for row in session.scalars(query)]

    def count(self) -> dict[Delivery, int]:
        """How many events stand how; where there is none it is missing."""
        query = select(EventRow.delivery, func.count()).group_by(EventRow.delivery)
        with self.database.reading() as session:
            return {Delivery(delivery): int(n) for delivery, n in session.execute(query)}

    def _waited(self, now: datetime) -> ColumnElement[bool]:
        # A time that nobody could have set comes from a clock that was set back since.
        far = now + timedelta(seconds=2 * self.backoff.longest_seconds + 600)
        return (EventRow.delivery == Delivery.PENDING) & or_(EventRow.deliver_at <= now, EventRow.deliver_at > far)


def _new() -> ColumnElement[bool]:
    return (EventRow.delivery == Delivery.PENDING) & EventRow.deliver_at.is_(None)


def _reasons(session: Session, rows: Sequence[EventRow]) -> dict[str, str | None]:
    """Of each event the lesson's reason, unless the lesson was opened again since and has another one."""
    query = select(LessonRow.lesson_id, LessonRow.round, LessonRow.state, LessonRow.reason)
    known = session.execute(query.where(LessonRow.lesson_id.in_([row.lesson_id for row in rows])))
    newest = {(lesson_id, number, state): reason for lesson_id, number, state, reason in known}
    return {row.event_id: newest.get((row.lesson_id, row.round, row.state)) for row in rows}


def _record(row: EventRow) -> DeliveryRecord:
    return DeliveryRecord(
        row.event_id, row.lesson_id, row.state, row.created_at, Delivery(row.delivery), row.delivery_attempts,
        row.deliver_at if row.delivery == Delivery.PENDING else None, row.delivered_at, row.delivery_fault,
    )  # fmt: skip
