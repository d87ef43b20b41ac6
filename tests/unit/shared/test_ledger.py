"""The ledger on SQLite: states, conflicts, attempts, and several writers at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.errors import LessonConflict, ServiceError
from shared.ledger import Ledger, LessonState, open_ledger
from shared.reel import Reel
from tests.builders import a_lesson

REEL = Reel(frames=9, width=320, height=320, bytes=500_000)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite3")
    opened.create_schema()
    yield opened
    opened.engine.dispose()


def test_a_lesson_is_accepted_once(ledger: Ledger) -> None:
    assert ledger.accept(a_lesson())
    assert not ledger.accept(a_lesson())
    record = ledger.require("lesson-1")
    assert record.state is LessonState.ACCEPTED
    assert record.lesson == a_lesson()


def test_other_content_under_the_same_id_is_a_conflict(ledger: Ledger) -> None:
    ledger.accept(a_lesson())
    with pytest.raises(LessonConflict, match="lesson-1 was handed in before"):
        ledger.accept(a_lesson(subject="anyone"))


def test_an_unknown_lesson(ledger: Ledger) -> None:
    assert ledger.read("nobody") is None
    with pytest.raises(ServiceError, match="knows no lesson nobody"):
        ledger.require("nobody")


def test_the_way_of_a_lesson(ledger: Ledger) -> None:
    ledger.accept(a_lesson())
    assert ledger.begin("lesson-1", "v1", 3, {"n_seconds": 60})
    assert ledger.begin("lesson-1", "v1", 3, {"n_seconds": 60}), "a plan that is delivered twice begins twice"
    assert ledger.finish("lesson-1", LessonState.DONE, None, REEL)
    assert ledger.require("lesson-1").state is LessonState.DONE
    assert not ledger.finish("lesson-1", LessonState.FAILED, "late"), "what has ended stays as it ended"
    assert not ledger.begin("lesson-1", "v1", 3, {})
    assert ledger.reopen("lesson-1")
    assert not ledger.reopen("lesson-1")


@pytest.mark.parametrize("state", [LessonState.DONE, LessonState.NO_REEL])
def test_no_result_without_processing(ledger: Ledger, state: LessonState) -> None:
    ledger.accept(a_lesson())
    assert not ledger.finish("lesson-1", state, None)
    assert ledger.require("lesson-1").state is LessonState.ACCEPTED


def test_attempts_count_until_a_run_ends(ledger: Ledger) -> None:
    ledger.accept(a_lesson())
    where = ("lesson-1", "v1", "decode_segment", 0)
    assert [ledger.stage_started(*where) for _ in range(3)] == [1, 2, 3]
    ledger.stage_finished(*where, seconds=1.5, items=64)
    ledger.stage_started("lesson-1", "v1", "decode_segment", 1)
    progress = ledger.progress("lesson-1", "v1")["decode_segment"]
    assert (progress.finished, progress.seconds, progress.items, progress.attempts) == (1, 1.5, 64, 1)
    assert ledger.progress("lesson-1", "v2") == {}


def test_who_was_interrupted_often_starts_afresh(ledger: Ledger) -> None:
    ledger.accept(a_lesson())
    for _ in range(3):
        assert ledger.begin("lesson-1", "v1", 1, {})
        assert ledger.stage_started("lesson-1", "v1", "decode_segment", 0) == 1


def test_progress_counts_every_finished_run(ledger: Ledger) -> None:
    ledger.accept(a_lesson())
    for index in range(5):
        ledger.stage_started("lesson-1", "v1", "detect_faces", index)
        ledger.stage_finished("lesson-1", "v1", "detect_faces", index, seconds=0.5, items=10)
    progress = ledger.progress("lesson-1", "v1")["detect_faces"]
    assert (progress.finished, progress.seconds, progress.items, progress.attempts) == (5, 2.5, 50, 0)


def test_writers_at_once_lose_nothing(ledger: Ledger) -> None:
    ledger.accept(a_lesson())
    with ThreadPoolExecutor(8) as pool:
        attempts = list(pool.map(lambda _: ledger.stage_started("lesson-1", "v1", "decode_segment", 0), range(80)))
    assert sorted(attempts) == list(range(1, 81))
