"""Leases, generations and attempts on both databases."""

from __future__ import annotations

import time

import pytest

from shared.database import LONGEST_LEASE_SECONDS
from shared.ledger import Ledger, LessonState
from shared.sending import Sent
from shared.states import ENDS
from tests.builders import a_lesson
from tests.ledgers import at_once, put_into, sent
from tests.unit.shared.conftest import Clock


@pytest.fixture(autouse=True)
def _accepted(request: pytest.FixtureRequest) -> None:
    name = "live_ledger" if "live_ledger" in request.fixturenames else "ledger"
    request.getfixturevalue(name).accept(a_lesson())


def take(ledger: Ledger, *, counted: bool = True) -> Sent | None:
    return ledger.sending.take("lesson-1", lease_seconds=60, most_attempts=3, counted=counted)


def test_nobody_else_takes_it_before_the_lease_runs_out(ledger: Ledger, clock: Clock) -> None:
    assert take(ledger) == Sent("lesson-1", 1)
    clock.advance(59.9)
    assert take(ledger) is None
    assert ledger.sending.waiting(10) == []
    clock.advance(0.1)
    assert ledger.sending.waiting(10) == ["lesson-1"]
    assert take(ledger) == Sent("lesson-1", 2)


def test_of_many_who_take_it_at_once_one_gets_it(ledger: Ledger, clock: Clock) -> None:
    for generation in (1, 2, 3):
        taken = at_once([lambda: take(ledger) for _ in range(8)])
        assert [one for one in taken if one] == [Sent("lesson-1", generation)]
        clock.advance(61)


@pytest.mark.parametrize("end", sorted(ENDS))
def test_what_has_ended_is_never_sent(ledger: Ledger, end: LessonState) -> None:
    put_into(ledger, end, "lesson-2")
    assert ledger.sending.take("lesson-2", lease_seconds=60, most_attempts=3) is None
    assert not ledger.sending.renew("lesson-2", 0, 60)
    ledger.sending.renew_waiting(["lesson-2"], 60)
    ledger.sending.rest("lesson-2", 0, seconds=60, reason="late", counted=True)
    record = ledger.require("lesson-2")
    assert (record.state, record.lease_until, record.reason) == (end, None, None)


def test_nobody_takes_what_is_not_there(ledger: Ledger) -> None:
    assert ledger.sending.take("nobody", lease_seconds=60, most_attempts=3) is None
    assert not ledger.sending.renew("nobody", 0, 60)
    ledger.sending.not_sent(Sent("nobody", 1))
    ledger.sending.rest("nobody", 0, seconds=60, reason="late", counted=True)
    ledger.sending.renew_waiting([], 60)


def test_attempts_are_counted_and_spent(ledger: Ledger, clock: Clock) -> None:
    for attempt in (1, 2, 3):
        assert ledger.sending.spent(3) == []
        generation = sent(ledger).generation
        ledger.sending.rest("lesson-1", generation, seconds=5, reason=f"failure {attempt}", counted=True)
        assert ledger.sending.spent(3) == [], "it rests"
        clock.advance(5)
    assert take(ledger) is None, "no attempt is left"
    assert ledger.sending.spent(3) == [("lesson-1", "failure 3")]
    assert ledger.sending.spent(4) == []
    assert take(ledger, counted=False) is not None, "Redis lost the last one"
    assert ledger.require("lesson-1").attempts == 3


def test_only_what_is_spent_is_set_aside_for_it(ledger: Ledger, clock: Clock) -> None:
    def set_aside() -> bool:
        return ledger.finish("lesson-1", LessonState.QUARANTINED, "spent", most_attempts=2)

    assert not set_aside()
    sent(ledger)
    clock.advance(61)
    generation = sent(ledger).generation
    assert not set_aside(), "the last attempt has still a lease"
    clock.advance(61)
    assert ledger.sending.spent(2)
    ledger.runs.started("lesson-1", "v1", "decode_segment", 0, generation=generation)
    ledger.runs.finished("lesson-1", "v1", "decode_segment", 0, seconds=1, items=1)
    assert not set_aside(), "between the look and the move there was progress"
    for _ in range(2):
        sent(ledger)
        clock.advance(61)
    assert set_aside()
    assert ledger.require("lesson-1").state is LessonState.QUARANTINED


def test_a_fault_that_is_nobodys_counts_as_no_attempt(ledger: Ledger, clock: Clock) -> None:
    for _ in range(5):
        generation = sent(ledger).generation
        ledger.sending.rest("lesson-1", generation, seconds=5, reason="the store is away", counted=False)
        clock.advance(5)
    record = ledger.require("lesson-1")
    assert (record.attempts, record.generation, record.reason) == (0, 5, "the store is away")


def test_what_could_not_be_sent_can_be_taken_at_once(ledger: Ledger, clock: Clock) -> None:
    first = sent(ledger)
    ledger.sending.not_sent(first)
    assert ledger.require("lesson-1").attempts == 0
    second = sent(ledger)
    assert second.generation == first.generation + 1
    ledger.sending.not_sent(first)
    assert take(ledger) is None, "an earlier sending gives up nothing of a newer one"
    clock.advance(61)
    uncounted = take(ledger, counted=False)
    assert uncounted is not None
    ledger.sending.not_sent(uncounted)
    assert ledger.require("lesson-1").attempts == 1, "what was not counted is not taken off"


def test_who_works_on_it_keeps_it(ledger: Ledger, clock: Clock) -> None:
    first = sent(ledger)
    clock.advance(50)
    assert ledger.sending.renew("lesson-1", first.generation, 60)
    clock.advance(50)
    assert take(ledger) is None
    clock.advance(10)
    second = sent(ledger)
    assert not ledger.sending.renew("lesson-1", first.generation, 60), "it was sent again since"
    assert ledger.sending.renew("lesson-1", second.generation, 60)
    assert ledger.sending.renew("lesson-1", 0, 60), "no sending in particular"


def test_messages_that_wait_in_a_queue_are_not_sent_again(ledger: Ledger, clock: Clock) -> None:
    put_into(ledger, LessonState.PROCESSING, "lesson-2")
    sent(ledger)
    for _ in range(3):
        clock.advance(59)
        ledger.sending.renew_waiting(["lesson-1", "lesson-2", "nobody"], 60)
    assert take(ledger) is None
    assert ledger.sending.stalled() == []
    clock.advance(60)
    assert ledger.sending.stalled() == ["lesson-2"]


def test_a_clock_that_was_set_back_holds_nothing_up(ledger: Ledger, clock: Clock) -> None:
    sent(ledger)
    clock.advance(-LONGEST_LEASE_SECONDS)
    assert take(ledger) is not None, "no lease could end so late"
    clock.advance(LONGEST_LEASE_SECONDS)
    assert take(ledger) is not None
    clock.advance(-60)
    assert take(ledger) is None, "a small step back makes a lease longer by as much"


def test_no_lease_is_longer_than_the_longest(ledger: Ledger, clock: Clock) -> None:
    ledger.sending.rest("lesson-1", 0, seconds=1e6, reason="long", counted=True)
    assert take(ledger) is None
    clock.advance(LONGEST_LEASE_SECONDS)
    assert take(ledger) is not None


def test_when_redis_has_lost_everything_all_is_sent_again(ledger: Ledger, clock: Clock) -> None:
    put_into(ledger, LessonState.PROCESSING, "lesson-2")
    put_into(ledger, LessonState.DONE, "lesson-3")
    old = sent(ledger)
    assert ledger.sending.everything_lost() == 2
    assert ledger.sending.everything_lost() == 0
    assert ledger.sending.waiting(10) == ["lesson-1"]
    assert ledger.sending.stalled() == ["lesson-2"]
    assert ledger.require("lesson-1").attempts == 1, "a lesson that crashes Redis's host still runs out of attempts"
    assert sent(ledger).generation == old.generation + 1


def test_the_oldest_go_first(ledger: Ledger, clock: Clock) -> None:
    for lesson_id in ("lesson-c", "lesson-b", "lesson-a"):
        clock.advance(1)
        ledger.accept(a_lesson(lesson_id=lesson_id))
    assert ledger.sending.waiting(3) == ["lesson-1", "lesson-c", "lesson-b"]


def test_places_are_taken_by_those_in_work_and_those_on_their_way(ledger: Ledger, clock: Clock) -> None:
    put_into(ledger, LessonState.PROCESSING, "lesson-2")
    put_into(ledger, LessonState.DONE, "lesson-3")
    assert ledger.sending.places_taken() == 1
    sent(ledger)
    assert ledger.sending.places_taken() == 2
    clock.advance(60)
    assert ledger.sending.places_taken() == 1, "in work it is, whether or not somebody works; on its way it is no more"


def test_progress_forgets_the_attempts(ledger: Ledger, clock: Clock) -> None:
    generation = sent(ledger).generation
    ledger.runs.started("lesson-1", "v1", "decode_segment", 0, generation=generation)
    assert ledger.require("lesson-1").attempts == 1
    ledger.runs.finished("lesson-1", "v1", "decode_segment", 0, seconds=1, items=1)
    assert ledger.require("lesson-1").attempts == 0
    clock.advance(61)
    sent(ledger)
    ledger.runs.started("lesson-1", "v1", "decode_segment", 0)
    ledger.runs.finished("lesson-1", "v1", "decode_segment", 0, seconds=1, items=1)
    assert ledger.require("lesson-1").attempts == 1, "done before, it is no progress"


def test_leases_run_out_by_the_databases_own_clock(live_ledger: Ledger) -> None:
    live_ledger.accept(a_lesson())
    first = live_ledger.sending.take("lesson-1", lease_seconds=0.4, most_attempts=3)
    assert first is not None
    assert live_ledger.sending.take("lesson-1", lease_seconds=9, most_attempts=3) is None
    time.sleep(0.5)
    assert live_ledger.sending.take("lesson-1", lease_seconds=9, most_attempts=3) == Sent("lesson-1", 2)
