"""Lessons in bulk let fresh ones pass: in the ledger, on both databases, and by the names of their queues."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event

from shared import catalogue
from shared.ledger import Ledger, LessonState
from shared.sending import Sent
from shared.settings import Settings
from tests.builders import a_lesson
from tests.unit.shared.conftest import Clock


def accept(ledger: Ledger, clock: Clock, *names: str) -> None:
    """Those that begin with `b` in bulk."""
    for name in names:
        clock.advance(1)
        assert ledger.accept(a_lesson(lesson_id=name), bulk=name.startswith("b"))


def test_fresh_lessons_are_sent_first_and_bulk_only_so_far(ledger: Ledger, clock: Clock) -> None:
    accept(ledger, clock, "b1", "b2", "f1", "b3", "f2")
    sending = ledger.sending
    assert sending.waiting(10) == ["f1", "f2", "b1", "b2", "b3"]
    assert sending.waiting(4, 1) == ["f1", "f2", "b1"]
    assert sending.waiting(3, 3) == ["f1", "f2", "b1"]
    assert sending.waiting(1, 3) == ["f1"]
    assert sending.waiting(9, 0) == ["f1", "f2"]


def test_what_has_stalled_is_sent_in_the_same_order(ledger: Ledger, clock: Clock) -> None:
    accept(ledger, clock, "b1", "f1")
    for name in ("b1", "f1"):
        assert ledger.admit(name, 0, places=9, lease_seconds=5)
    clock.advance(6)
    assert ledger.sending.stalled() == ["f1", "b1"]


def test_bulk_finds_fewer_places(ledger: Ledger, clock: Clock) -> None:
    accept(ledger, clock, "b1", "b2", "b3", "f1", "f2")

    def admitted(name: str) -> bool:
        return ledger.admit(name, 0, places=3, bulk_places=2, lease_seconds=60)

    assert [admitted(name) for name in ("b1", "b2", "b3")] == [True, True, False]
    assert ledger.require("b3").reason == "waits: all 2 places for bulk are taken"
    assert [admitted(name) for name in ("b1", "f1", "f2")] == [True, True, False], "who has a place keeps it"
    assert ledger.require("f2").reason == "waits: all 3 places are taken"
    assert ledger.sending.places_by_kind() == (1, 2)
    assert ledger.sending.places_taken() == 3
    assert ledger.finish("b1", LessonState.NO_REEL, "too_short")
    assert admitted("f2")
    assert not admitted("b3")


def test_a_sending_says_whether_it_is_in_bulk(ledger: Ledger, clock: Clock) -> None:
    accept(ledger, clock, "b1", "f1")
    take = ledger.sending.take
    assert take("b1", lease_seconds=60, most_attempts=3) == Sent("b1", 1, bulk=True)
    assert take("f1", lease_seconds=60, most_attempts=3) == Sent("f1", 1, bulk=False)


def test_handed_in_again_it_stays_what_it_was_and_anew_it_is_what_is_asked_for(ledger: Ledger, clock: Clock) -> None:
    accept(ledger, clock, "b1")
    assert not ledger.accept(a_lesson(lesson_id="b1"), bulk=False)
    assert ledger.require("b1").bulk
    for asked, becomes in ((None, True), (False, False), (None, False), (True, True)):
        assert ledger.admit("b1", 0, places=1, lease_seconds=60)
        assert ledger.finish("b1", LessonState.NO_REEL, "too_short")
        assert ledger.reopen("b1", anew=True, bulk=asked)
        assert ledger.require("b1").bulk is becomes


def test_the_oldest_are_found_by_an_index_in_their_order(ledger: Ledger, clock: Clock) -> None:
    accept(ledger, clock, "b1", "f1")
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT lesson.lesson_id"):
            asked.append((statement, parameters))

    event.listen(ledger.engine, "before_cursor_execute", note)
    ledger.sending.waiting(10)
    event.remove(ledger.engine, "before_cursor_execute", note)
    assert len(asked) == 2, "fresh ones, then bulk"
    with ledger.engine.begin() as connection:
        postgresql = ledger.engine.dialect.name == "postgresql"
        if postgresql:  # of two rows it would rather read both
            for way in ("enable_seqscan", "enable_sort", "enable_bitmapscan"):
                connection.exec_driver_sql(f"SET LOCAL {way} = off")
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN {'' if postgresql else 'QUERY PLAN '}{statement}", parameters).all()
            assert "ix_lesson_waiting" in str(plan), plan


@pytest.mark.parametrize(("places", "share", "bulk"), [(32, 0.75, 24), (1, 0.75, 1), (2, 0.99, 1), (10, 1.0, 10), (3, 0.01, 1)])
def test_bulks_places(places: int, share: float, bulk: int) -> None:
    assert Settings(lessons_in_work=places, bulk_share=share).bulk_places == bulk


def test_each_room_has_two_queues() -> None:
    assert catalogue.queue_of(catalogue.PLAN_LESSON) == "cpu"
    assert catalogue.queue_of(catalogue.PLAN_LESSON, bulk=True) == "cpu.bulk"
    assert catalogue.queue_of(catalogue.DETECT_FACES) == "gpu"
    assert catalogue.queue_of(catalogue.DETECT_FACES, bulk=True) == "gpu.bulk"
