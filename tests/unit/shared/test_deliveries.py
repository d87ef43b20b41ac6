"""Which ends are due to be told, on both databases: leases, backoff, dead letters, telling again; never two ids for one end."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from shared.deliveries import Backoff, Deliveries, Delivery, Due, Tried
from shared.ledger import Ledger, LessonState, event_id
from tests.builders import a_lesson
from tests.ledgers import at_once, put_into
from tests.unit.shared.conftest import Clock

LEASE = 60.0
DAY = 86_400.0


@pytest.fixture
def deliveries(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Deliveries:
    """With waits of 10, 20, 40 and then 60 seconds, without a draw."""
    monkeypatch.setattr("random.uniform", lambda low, high: 1.0)
    ledger.deliveries.backoff = Backoff(10, 2, 60)
    return ledger.deliveries


def claimed(deliveries: Deliveries) -> Due:
    (due,) = deliveries.claim(10, LEASE)
    return due


def fail(deliveries: Deliveries, due: Due, fault: str = "It answered 500.", *, most: int = 5, **how: object) -> int:
    return deliveries.record([replace(Tried(due, fault), **how)], most_attempts=most)  # type: ignore[arg-type]


@pytest.mark.parametrize("state", [state for state in LessonState if state.final and state is not LessonState.CANCELLED])
def test_an_end_is_due_at_once_under_its_own_id(ledger: Ledger, deliveries: Deliveries, clock: Clock, state: LessonState) -> None:
    assert not deliveries.is_due()
    put_into(ledger, state)
    assert deliveries.is_due()
    due = claimed(deliveries)
    assert (due.event_id, due.lesson_id, due.round, due.state) == (event_id("lesson-1", 1), "lesson-1", 1, state)
    assert (due.work_version, due.reason, due.ended_at) == ("v1", None, clock())


def test_an_open_lesson_has_no_end(ledger: Ledger, deliveries: Deliveries) -> None:
    put_into(ledger, LessonState.PROCESSING)
    assert not deliveries.is_due()
    assert deliveries.claim(10, LEASE) == []


def test_what_somebody_tries_is_nobody_elses_until_the_lease_has_run_out(
    ledger: Ledger, deliveries: Deliveries, clock: Clock
) -> None:
    put_into(ledger, LessonState.DONE)
    first = claimed(deliveries)
    clock.advance(LEASE - 1)
    assert not deliveries.is_due()
    assert deliveries.claim(10, LEASE) == []
    clock.advance(2)
    assert claimed(deliveries).event_id == first.event_id, "whoever had it died; the same id comes again"


def test_delivered_is_delivered(ledger: Ledger, deliveries: Deliveries, clock: Clock) -> None:
    put_into(ledger, LessonState.DONE)
    assert deliveries.record([Tried(claimed(deliveries))], most_attempts=5) == 0
    clock.advance(DAY)
    assert not deliveries.is_due()
    (record,) = deliveries.find()
    assert (record.delivery, record.attempts, record.next_try_at, record.fault) == (Delivery.DELIVERED, 1, None, None)
    assert record.delivered_at == record.ended_at


def test_failures_wait_longer_each_time_and_then_it_is_dead(ledger: Ledger, deliveries: Deliveries, clock: Clock) -> None:
    put_into(ledger, LessonState.DONE)
    waits = []
    for attempt in range(1, 5):
        fail(deliveries, claimed(deliveries))
        (record,) = deliveries.find([Delivery.PENDING])
        assert (record.attempts, record.fault) == (attempt, "It answered 500.")
        assert record.next_try_at is not None
        waits.append((record.next_try_at - clock()).total_seconds())
        clock.advance(waits[-1] - 0.5)
        assert not deliveries.is_due()
        clock.advance(0.5)
    assert waits == [10, 20, 40, 60]
    assert fail(deliveries, claimed(deliveries)) == 1
    assert deliveries.count() == {Delivery.DEAD: 1}
    clock.advance(30 * DAY)
    assert not deliveries.is_due()


def test_a_wish_to_wait_is_heard_within_limits(ledger: Ledger, deliveries: Deliveries, clock: Clock) -> None:
    put_into(ledger, LessonState.DONE)
    for wished, waited in [(0.0, 10), (30.0, 30), (1.0, 40), (1e9, 60)]:
        fail(deliveries, claimed(deliveries), most=10, wished_seconds=wished)
        (record,) = deliveries.find()
        assert record.next_try_at is not None
        assert (record.next_try_at - clock()).total_seconds() == waited
        clock.advance(waited)


def test_gone_is_dead_at_once(ledger: Ledger, deliveries: Deliveries) -> None:
    put_into(ledger, LessonState.DONE)
    assert fail(deliveries, claimed(deliveries), final=True) == 1
    assert deliveries.count() == {Delivery.DEAD: 1}


def test_a_late_failure_does_not_count_and_a_late_success_does(ledger: Ledger, deliveries: Deliveries, clock: Clock) -> None:
    put_into(ledger, LessonState.DONE)
    late = claimed(deliveries)
    clock.advance(LEASE + 1)
    second = claimed(deliveries)
    fail(deliveries, late)
    (record,) = deliveries.find()
    assert (record.attempts, record.next_try_at) == (0, second.until), "the second is still at it"
    fail(deliveries, second, final=True)
    deliveries.record([Tried(late)], most_attempts=5)
    assert deliveries.count() == {Delivery.DELIVERED: 1}, "it was received"
    fail(deliveries, second)
    assert deliveries.count() == {Delivery.DELIVERED: 1}


def test_a_lesson_that_ends_again_is_another_event(ledger: Ledger, deliveries: Deliveries) -> None:
    put_into(ledger, LessonState.DONE)
    deliveries.record([Tried(claimed(deliveries))], most_attempts=5)
    assert ledger.reopen("lesson-1")
    assert ledger.cancel("lesson-1")
    due = claimed(deliveries)
    assert (due.event_id, due.round, due.state) == (event_id("lesson-1", 2), 2, "cancelled")


def test_the_reason_is_that_of_this_end_and_no_other(ledger: Ledger, deliveries: Deliveries, clock: Clock) -> None:
    put_into(ledger, LessonState.PROCESSING)
    ledger.finish("lesson-1", LessonState.NO_REEL, "no_face")
    assert claimed(deliveries).reason == "no_face"
    ledger.reopen("lesson-1")
    ledger.finish("lesson-1", LessonState.QUARANTINED, "anna.mp4 kills")
    clock.advance(LEASE + 1)
    by_round = {due.round: due.reason for due in deliveries.claim(10, LEASE)}
    assert by_round == {1: None, 2: "anna.mp4 kills"}


def test_new_ends_first_then_those_that_wait_longest(ledger: Ledger, deliveries: Deliveries, clock: Clock) -> None:
    for number in range(3):
        put_into(ledger, LessonState.DONE, f"old-{number}")
        fail(deliveries, claimed(deliveries))
        clock.advance(1)
    put_into(ledger, LessonState.DONE, "new")
    clock.advance(60)
    assert [due.lesson_id for due in deliveries.claim(3, LEASE)] == ["new", "old-0", "old-1"]
    assert deliveries.claim(0, LEASE) == []


def test_many_at_once_never_get_the_same(live_ledger: Ledger) -> None:
    for number in range(60):
        live_ledger.accept(a_lesson(lesson_id=f"lesson-{number}"))
        live_ledger.cancel(f"lesson-{number}")
    batches = at_once([partial(live_ledger.deliveries.claim, 10, LEASE)] * 8)
    got = [due.event_id for batch in batches for due in batch]
    assert len(got) == len(set(got)), "no two have one"
    got += [due.event_id for due in live_ledger.deliveries.claim(60, LEASE)]
    assert len(set(got)) == 60


def test_an_erased_lesson_is_told_nobody(ledger: Ledger, deliveries: Deliveries) -> None:
    put_into(ledger, LessonState.DONE)
    due = claimed(deliveries)
    ledger.rights.erase("lesson-1", "operator")
    assert deliveries.record([Tried(due)], most_attempts=5) == 0
    assert deliveries.count() == {}


def test_an_operator_has_it_sent_again_under_the_same_id(ledger: Ledger, deliveries: Deliveries) -> None:
    for name in ("dead", "told", "dead-too"):
        put_into(ledger, LessonState.DONE, name)
        due = claimed(deliveries)
        deliveries.record([Tried(due, None if name == "told" else "Gone.", final=True)], most_attempts=5)
    assert not deliveries.is_due()
    assert deliveries.redeliver(event_id("told", 1))
    due = claimed(deliveries)
    assert due.event_id == event_id("told", 1)
    deliveries.record([Tried(due)], most_attempts=5)
    assert deliveries.redeliver_dead() == 2
    assert {due.lesson_id for due in deliveries.claim(10, LEASE)} == {"dead", "dead-too"}
    assert all(record.attempts == 0 and record.fault is None for record in deliveries.find([Delivery.PENDING]))
    assert not deliveries.redeliver("nothing' OR 1=1 --")


def test_without_a_webhook_an_end_waits_a_day_for_one(ledger: Ledger, deliveries: Deliveries, clock: Clock) -> None:
    put_into(ledger, LessonState.DONE, "tried")
    fail(deliveries, claimed(deliveries))
    put_into(ledger, LessonState.DONE)
    clock.advance(DAY)
    assert deliveries.forgo(DAY) == 0
    clock.advance(1)
    assert deliveries.forgo(DAY) == 1
    assert deliveries.count() == {Delivery.UNASKED: 1, Delivery.PENDING: 1}, "what a webhook was tried with is not forgone"
    assert deliveries.redeliver(event_id("lesson-1", 1)), "but it can be told by hand"


def test_a_clock_that_was_set_back_holds_nothing_up_for_long(ledger: Ledger, deliveries: Deliveries, clock: Clock) -> None:
    put_into(ledger, LessonState.DONE)
    fail(deliveries, claimed(deliveries))
    clock.advance(-DAY)
    assert claimed(deliveries).event_id == event_id("lesson-1", 1)


def test_a_fault_is_kept_as_the_column_can_hold_it(ledger: Ledger, deliveries: Deliveries) -> None:
    put_into(ledger, LessonState.DONE)
    fail(deliveries, claimed(deliveries), "x\0\udcff" * 200)
    (record,) = deliveries.find()
    assert record.fault is not None
    assert len(record.fault) == 200


def test_the_default_waits_reach_about_a_day() -> None:
    draws = [sum(Backoff().after(attempt) for attempt in range(1, 12)) / 3600 for _ in range(200)]
    assert 16 < min(draws) <= max(draws) < 30
    assert len(set(draws)) == len(draws), "what failed together does not come back together"
