"""The ledger on both databases: conflicts, places, generations, ends, and several writers at once."""

from __future__ import annotations

import multiprocessing
import time
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from shared.errors import LessonConflict, ServiceError
from shared.ledger import Ledger, LessonState, event_id, open_ledger
from shared.reel import Reel
from shared.states import ENDS
from tests.builders import a_lesson
from tests.ledgers import at_once, events_of, put_into, reels_of, row_of, sent
from tests.unit.shared.conftest import Clock

REEL = Reel(frames=9, width=320, height=320, bytes=500_000)


def test_a_lesson_is_accepted_once(ledger: Ledger, clock: Clock) -> None:
    assert ledger.accept(a_lesson())
    clock.advance(5)
    assert not ledger.accept(a_lesson())
    record = ledger.require("lesson-1")
    assert record.state is LessonState.ACCEPTED
    assert record.lesson == a_lesson()
    assert (record.generation, record.attempts, record.lease_until) == (0, 0, None)
    assert record.created_at == clock.time - timedelta(seconds=5)


def test_other_content_under_the_same_id_is_a_conflict(ledger: Ledger) -> None:
    ledger.accept(a_lesson())
    with pytest.raises(LessonConflict, match="lesson-1 was handed in before"):
        ledger.accept(a_lesson(subject="anyone"))


def test_accepted_by_many_at_once_it_is_new_to_one(ledger: Ledger) -> None:
    assert sorted(at_once([lambda: ledger.accept(a_lesson()) for _ in range(8)])) == [False] * 7 + [True]


def test_an_unknown_lesson(ledger: Ledger) -> None:
    assert ledger.read("nobody") is None
    with pytest.raises(ServiceError, match="knows no lesson nobody"):
        ledger.require("nobody")
    assert not ledger.admit("nobody", 0, places=9, lease_seconds=60)
    assert not ledger.finish("nobody", LessonState.REFUSED, "why")
    assert not ledger.reopen("nobody")
    ledger.planned("nobody", "v1", 1, {})
    ledger.start_afresh("nobody")


def test_no_end_is_no_place_to_finish(ledger: Ledger) -> None:
    put_into(ledger, LessonState.PROCESSING)
    with pytest.raises(ValueError, match="accepted is no end"):
        ledger.finish("lesson-1", LessonState.ACCEPTED, None)


def test_find_and_count(ledger: Ledger, clock: Clock) -> None:
    for state in LessonState:
        clock.advance(1)
        put_into(ledger, state, f"lesson-{state}")
    assert ledger.count() == dict.fromkeys(LessonState, 1)
    assert [record.state for record in ledger.find()] == list(reversed(LessonState))
    found = ledger.find({LessonState.DONE, LessonState.QUARANTINED})
    assert [record.state for record in found] == [LessonState.QUARANTINED, LessonState.DONE]
    assert len(ledger.find(limit=2)) == 2


def test_beyond_the_mark_a_lesson_waits_and_those_in_work_go_on(ledger: Ledger) -> None:
    for number in (1, 2, 3):
        ledger.accept(a_lesson(lesson_id=f"lesson-{number}"))
    generations = {number: sent(ledger, f"lesson-{number}").generation for number in (1, 2, 3)}
    admitted = [ledger.admit(f"lesson-{n}", generations[n], places=2, lease_seconds=60) for n in (1, 2, 3)]
    assert admitted == [True, True, False]
    waiting = ledger.require("lesson-3")
    assert waiting.state is LessonState.ACCEPTED
    assert (waiting.attempts, waiting.lease_until) == (0, None), "waiting costs no attempt"
    assert waiting.reason == "waits: all 2 places are taken"
    assert ledger.admit("lesson-1", generations[1], places=0, lease_seconds=60), "who has a place keeps it"
    assert ledger.sending.waiting(10) == ["lesson-3"]
    assert ledger.finish("lesson-1", LessonState.NO_REEL, "no_smiles")
    assert ledger.admit("lesson-3", sent(ledger, "lesson-3").generation, places=2, lease_seconds=60)
    assert ledger.require("lesson-3").reason is None


def test_a_plan_is_noted_for_lessons_in_work_alone(ledger: Ledger) -> None:
    ledger.accept(a_lesson())
    ledger.planned("lesson-1", "v1", 3, {"n_seconds": 60})
    assert ledger.require("lesson-1").n_segments == 0
    ledger.admit("lesson-1", 0, places=1, lease_seconds=60)
    ledger.planned("lesson-1", "v1", 3, {"n_seconds": 60})
    record = ledger.require("lesson-1")
    assert (record.work_version, record.n_segments, record.facts) == ("v1", 3, {"n_seconds": 60})


@pytest.mark.parametrize("end", sorted(ENDS))
def test_an_earlier_sending_ends_nothing(ledger: Ledger, clock: Clock, end: LessonState) -> None:
    put_into(ledger, LessonState.PROCESSING)
    clock.advance(61)
    old = sent(ledger, lease_seconds=10)
    clock.advance(11)
    new = sent(ledger)
    before = ledger.require("lesson-1")
    assert not ledger.finish("lesson-1", end, "late", generation=old.generation)
    assert ledger.require("lesson-1") == before
    assert events_of(ledger) == []
    assert ledger.finish("lesson-1", end, "in time", generation=new.generation)


def test_an_earlier_sending_is_refused_everywhere(ledger: Ledger, clock: Clock) -> None:
    put_into(ledger, LessonState.PROCESSING)
    clock.advance(61)
    old = sent(ledger, lease_seconds=10).generation
    clock.advance(11)
    sent(ledger)
    before = ledger.require("lesson-1")
    assert not ledger.admit("lesson-1", old, places=9, lease_seconds=999)
    ledger.planned("lesson-1", "v0", 9, {}, generation=old)
    assert not ledger.sending.renew("lesson-1", old, 999)
    ledger.sending.rest("lesson-1", old, seconds=999, reason="late", counted=False)
    assert ledger.runs.started("lesson-1", "v1", "decode_segment", 0, generation=old, lease_seconds=999) is None
    assert ledger.require("lesson-1") == before
    assert ledger.runs.progress("lesson-1", "v1") == {}


def test_a_message_of_the_last_round_cannot_end_the_next(ledger: Ledger) -> None:
    ledger.accept(a_lesson())
    first = sent(ledger).generation
    ledger.admit("lesson-1", first, places=1, lease_seconds=60)
    ledger.planned("lesson-1", "v1", 1, {}, generation=first)
    assert ledger.finish("lesson-1", LessonState.DONE, None, reel=REEL, generation=first)
    assert ledger.reopen("lesson-1")
    assert not ledger.admit("lesson-1", first, places=1, lease_seconds=60), "its plan is delivered once more"
    second = sent(ledger).generation
    assert ledger.admit("lesson-1", second, places=1, lease_seconds=60)
    assert not ledger.finish("lesson-1", LessonState.DONE, None, reel=REEL, generation=first)
    assert ledger.finish("lesson-1", LessonState.NO_REEL, "no_smiles", generation=second)
    assert events_of(ledger) == [(1, "done"), (2, "no_reel")]
    assert event_id("lesson-1", 1) != event_id("lesson-1", 2)


def test_a_reel_of_the_same_version_stays_as_it_is(ledger: Ledger) -> None:
    put_into(ledger, LessonState.PROCESSING)
    ledger.finish("lesson-1", LessonState.DONE, None, reel=REEL)
    ledger.reopen("lesson-1")
    ledger.admit("lesson-1", 0, places=1, lease_seconds=60)
    assert ledger.finish("lesson-1", LessonState.DONE, None, reel=REEL.model_copy(update={"bytes": 1}))
    assert reels_of(ledger) == [("v1", 500_000)]
    ledger.reopen("lesson-1")
    ledger.admit("lesson-1", 0, places=1, lease_seconds=60)
    ledger.planned("lesson-1", "v2", 2, {})
    ledger.finish("lesson-1", LessonState.DONE, None, reel=REEL)
    assert reels_of(ledger) == [("v2", 500_000)], "the older one stayed until there was a newer"


def test_reopened_it_has_all_its_attempts(ledger: Ledger) -> None:
    put_into(ledger, LessonState.PROCESSING)
    ledger.start_afresh("lesson-1")
    sent(ledger)
    ledger.runs.started("lesson-1", "v1", "decode_segment", 0)
    ledger.runs.skipped("lesson-1", "v1", "decode_segment", 0, "it broke")
    ledger.finish("lesson-1", LessonState.QUARANTINED, "spent")
    assert ledger.require("lesson-1").attempts == 1
    assert ledger.reopen("lesson-1")
    assert ledger.require("lesson-1").attempts == 0
    progress = ledger.runs.progress("lesson-1", "v1")["decode_segment"]
    assert (progress.attempts, progress.skipped) == (0, 0)


@pytest.mark.parametrize(
    "reason", ["x" * 5000, "a\0b", "half \ud800 a character", "ж" * 1001], ids=["long", "nul", "half", "wide"]
)
def test_a_reason_of_any_kind_can_be_kept(ledger: Ledger, reason: str) -> None:
    ledger.accept(a_lesson())
    ledger.sending.rest("lesson-1", 0, seconds=1, reason=reason, counted=True)
    ledger.runs.started("lesson-1", "v1", "decode_segment", 0)
    ledger.runs.skipped("lesson-1", "v1", "decode_segment", 0, reason)
    assert ledger.finish("lesson-1", LessonState.QUARANTINED, reason)
    kept = ledger.require("lesson-1").reason
    assert kept is not None
    assert 0 < len(kept) <= 1000
    assert "\0" not in kept


def test_ended_by_many_at_once_there_is_one_event_and_one_reel(ledger: Ledger) -> None:
    for lesson_id in ("lesson-1", "lesson-2", "lesson-3", "lesson-4"):
        put_into(ledger, LessonState.PROCESSING, lesson_id)
        reels = [REEL.model_copy(update={"bytes": size}) for size in range(4)]
        done = [partial(ledger.finish, lesson_id, LessonState.DONE, None, reel=reel) for reel in reels]
        others = [partial(ledger.finish, lesson_id, end, "why") for end in sorted(ENDS)]
        assert sorted(at_once([*done, *others])) == [False] * (len(done) + len(others) - 1) + [True]
        state = ledger.require(lesson_id).state
        assert events_of(ledger, lesson_id) == [(1, state)]
        assert len(reels_of(ledger, lesson_id)) <= (state is LessonState.DONE)


def _finish(url: str, barrier: Any, outcomes: Any, ids: list[str]) -> None:
    ledger, ended = open_ledger(url), []
    for lesson_id in ids:
        barrier.wait(60)
        ended.append(ledger.finish(lesson_id, LessonState.DONE, None, reel=REEL))
    outcomes.put(ended)


def test_ended_by_two_processes_at_once_there_is_one_event_and_one_reel(ledger: Ledger, ledger_url: str) -> None:
    ids = [f"lesson-{number}" for number in range(10)]
    for lesson_id in ids:
        put_into(ledger, LessonState.PROCESSING, lesson_id)
    ledger.close()
    context = multiprocessing.get_context("fork")
    barrier, outcomes = context.Barrier(2), context.Queue()
    processes = [context.Process(target=_finish, args=(ledger_url, barrier, outcomes, ids)) for _ in range(2)]
    for process in processes:
        process.start()
    first, second = outcomes.get(timeout=90), outcomes.get(timeout=90)
    for process in processes:
        process.join(10)
    assert [a + b for a, b in zip(first, second, strict=True)] == [1] * len(ids)
    assert all(events_of(ledger, lesson_id) == [(1, "done")] for lesson_id in ids)
    assert all(len(reels_of(ledger, lesson_id)) == 1 for lesson_id in ids)


def _write(url: str, seconds: float, number: int, outcomes: Any) -> None:
    ledger, written, until = open_ledger(url), 0, time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            ledger.runs.started("lesson-0", "v1", "decode_segment", 0, lease_seconds=60)
            ledger.accept(a_lesson(lesson_id=f"lesson-{number}-{written}"))
            ledger.sending.stalled()
            written += 1
        outcomes.put(written)
    except Exception as error:  # noqa: BLE001  (told to the parent)
        outcomes.put(repr(error))


def test_processes_that_write_all_the_time_neither_fail_nor_lose(ledger: Ledger, ledger_url: str) -> None:
    put_into(ledger, LessonState.PROCESSING, "lesson-0")
    ledger.close()
    context = multiprocessing.get_context("fork")
    outcomes = context.Queue()
    processes = [context.Process(target=_write, args=(ledger_url, 2, number, outcomes)) for number in (1, 2, 3, 4)]
    for process in processes:
        process.start()
    written = [outcomes.get(timeout=90) for _ in processes]
    for process in processes:
        process.join(10)
    assert all(isinstance(n, int) and n > 0 for n in written), written
    assert sum(ledger.count().values()) == 1 + sum(written)
    assert ledger.runs.progress("lesson-0", "v1")["decode_segment"].attempts == sum(written)


def test_the_row_counts_the_rounds(ledger: Ledger) -> None:
    put_into(ledger, LessonState.REFUSED)
    assert row_of(ledger).round == 1
    ledger.reopen("lesson-1")
    assert row_of(ledger).round == 2
