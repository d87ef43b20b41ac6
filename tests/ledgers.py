"""Looking into a ledger past its own methods, and bringing a lesson into a state."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import select

from shared.ledger import Ledger, LessonState
from shared.sending import Sent
from shared.tables import EventRow, LessonRow, ReelRow
from tests.builders import a_lesson

T = TypeVar("T")


def put_into(ledger: Ledger, state: LessonState, lesson_id: str = "lesson-1") -> None:
    """Accept a lesson and lead it to the state, without a sending."""
    ledger.accept(a_lesson(lesson_id=lesson_id))
    if state is LessonState.ACCEPTED:
        return
    assert ledger.admit(lesson_id, 0, places=1000, lease_seconds=60)
    ledger.planned(lesson_id, "v1", 2, {"n_seconds": 60})
    if state is not LessonState.PROCESSING:
        assert ledger.finish(lesson_id, state, None)


def sent(ledger: Ledger, lesson_id: str = "lesson-1", *, lease_seconds: float = 60, most_attempts: int = 3) -> Sent:
    """Take the lesson, which has to be free."""
    taken = ledger.sending.take(lesson_id, lease_seconds=lease_seconds, most_attempts=most_attempts)
    assert taken is not None
    return taken


def row_of(ledger: Ledger, lesson_id: str = "lesson-1") -> LessonRow:
    """The lesson's row."""
    with ledger.database.reading() as session:
        row = session.get_one(LessonRow, lesson_id)
        session.expunge(row)
        return row


def events_of(ledger: Ledger, lesson_id: str = "lesson-1") -> list[tuple[int, str]]:
    """Round and state of each event."""
    query = select(EventRow.round, EventRow.state).where(EventRow.lesson_id == lesson_id).order_by(EventRow.round)
    with ledger.database.reading() as session:
        return [(number, state) for number, state in session.execute(query)]


def reels_of(ledger: Ledger, lesson_id: str = "lesson-1") -> list[tuple[str, int]]:
    """Version and size of each reel."""
    query = select(ReelRow.work_version, ReelRow.bytes).where(ReelRow.lesson_id == lesson_id)
    with ledger.database.reading() as session:
        return [(version, size) for version, size in session.execute(query)]


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """All calls from threads that begin together."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        barrier.wait(30)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))
