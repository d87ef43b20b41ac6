"""Stages' runs on both databases: attempts, leases, and what is shown of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.ledger import Ledger, LessonState
from shared.records import StageProgress
from shared.states import ENDS
from tests.ledgers import put_into, sent
from tests.unit.shared.conftest import Clock

WHERE = ("lesson-1", "v1", "decode_segment", 0)


@pytest.fixture(autouse=True)
def _in_work(ledger: Ledger) -> None:
    put_into(ledger, LessonState.PROCESSING)


def test_attempts_count_until_a_run_ends(ledger: Ledger) -> None:
    assert [ledger.runs.started(*WHERE) for _ in range(3)] == [1, 2, 3]
    ledger.runs.finished(*WHERE, seconds=1.5, items=64)
    ledger.runs.started("lesson-1", "v1", "decode_segment", 1)
    progress = ledger.runs.progress("lesson-1", "v1")
    assert progress == {"decode_segment": StageProgress(finished=1, seconds=1.5, items=64, attempts=1, skipped=0)}
    assert ledger.runs.started(*WHERE) == 1
    assert ledger.runs.progress("lesson-1", "v2") == {}


def test_a_run_that_did_no_work_keeps_what_the_one_that_did_took(ledger: Ledger) -> None:
    for seconds, items in ((2.0, 64), (0.001, 0)):
        ledger.runs.started(*WHERE)
        ledger.runs.finished(*WHERE, seconds=seconds, items=items)
    progress = ledger.runs.progress("lesson-1", "v1")["decode_segment"]
    assert (progress.finished, progress.seconds, progress.items) == (1, 2.0, 64)


def test_a_run_that_was_interrupted_counts_as_none(ledger: Ledger) -> None:
    for _ in range(5):
        assert ledger.runs.started(*WHERE) == 1
        ledger.runs.interrupted(*WHERE)
    ledger.runs.interrupted(*WHERE)
    assert ledger.runs.started(*WHERE) == 1


def test_a_segment_that_was_given_up_is_shown_until_it_comes_out_after_all(ledger: Ledger) -> None:
    ledger.runs.started(*WHERE)
    ledger.runs.skipped(*WHERE, "it cannot be read")
    assert ledger.runs.progress("lesson-1", "v1")["decode_segment"].skipped == 1
    ledger.runs.finished(*WHERE, seconds=1, items=1)
    assert ledger.runs.progress("lesson-1", "v1")["decode_segment"].skipped == 0


def test_a_run_keeps_the_lessons_lease(ledger: Ledger, clock: Clock) -> None:
    clock.advance(61)
    generation = sent(ledger).generation
    clock.advance(50)
    assert ledger.runs.started(*WHERE, generation=generation, lease_seconds=60) == 1
    clock.advance(50)
    assert ledger.sending.stalled() == []
    ledger.runs.finished(*WHERE, seconds=50, items=1, generation=generation, lease_seconds=60)
    clock.advance(50)
    assert ledger.sending.stalled() == []
    clock.advance(10)
    assert ledger.sending.stalled() == ["lesson-1"]


def test_an_earlier_sendings_run_counts_and_keeps_no_lease(ledger: Ledger, clock: Clock) -> None:
    clock.advance(61)
    old = sent(ledger).generation
    ledger.runs.started(*WHERE, generation=old)
    clock.advance(61)
    sent(ledger)
    before = ledger.require("lesson-1")
    ledger.runs.finished(*WHERE, seconds=90, items=64, generation=old, lease_seconds=999)
    after = ledger.require("lesson-1")
    assert after.lease_until == before.lease_until
    assert (before.attempts, after.attempts) == (2, 0), "its output is there, and the newer one finds it"
    assert ledger.runs.started(*WHERE, generation=old) is None


@pytest.mark.parametrize("end", sorted(ENDS))
def test_a_run_of_what_has_ended_is_in_vain(ledger: Ledger, end: LessonState) -> None:
    ledger.runs.started(*WHERE)
    ledger.finish("lesson-1", end, None)
    assert ledger.runs.started(*WHERE, lease_seconds=60) is None
    ledger.runs.finished(*WHERE, seconds=1, items=1, lease_seconds=60)
    record = ledger.require("lesson-1")
    assert (record.state, record.lease_until) == (end, None)


def test_a_run_of_nothing_leaves_nothing(ledger: Ledger) -> None:
    nobody = ("nobody", "v1", "decode_segment", 0)
    assert ledger.runs.started(*nobody) is None
    ledger.runs.finished(*nobody, seconds=1, items=1)
    ledger.runs.interrupted(*nobody)
    ledger.runs.skipped(*nobody, "why")
    assert ledger.runs.progress("nobody", "v1") == {}


def test_who_starts_afresh_has_all_attempts_again(ledger: Ledger) -> None:
    for _ in range(3):
        ledger.start_afresh("lesson-1")
        assert ledger.runs.started(*WHERE) == 1


def test_many_runs_at_once_lose_no_count(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as pool:
        attempts = list(pool.map(lambda _: ledger.runs.started(*WHERE, lease_seconds=60), range(80)))
    assert sorted(attempt for attempt in attempts if attempt) == list(range(1, 81))


def test_progress_counts_every_finished_run(ledger: Ledger) -> None:
    for index in range(5):
        ledger.runs.started("lesson-1", "v1", "detect_faces", index)
        ledger.runs.finished("lesson-1", "v1", "detect_faces", index, seconds=0.5, items=10)
    progress = ledger.runs.progress("lesson-1", "v1")["detect_faces"]
    assert (progress.finished, progress.seconds, progress.items, progress.attempts) == (5, 2.5, 50, 0)
