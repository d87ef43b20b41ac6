"""The frame around every task: attempts, leases, skips, rests, and whose fault it was."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery.exceptions import Ignore

from shared.errors import (
    Hopeless,
    LedgerAway,
    LessonInvalid,
    ModelError,
    ObjectMissing,
    RecordingUnreadable,
    ServiceError,
    StoreError,
)
from shared.frame import FramePack
from shared.ledger import LessonState, open_ledger
from shared.messages import FramesDecoded, SegmentMessage, SegmentPlanned, SegmentSkipped, dump, load
from shared.settings import Settings
from shared.store import FolderStore
from tests.builders import a_lesson, a_segment
from workers import doors as module
from workers.doors import Doors, StageFailed, run_lesson_stage, run_segment_stage

PLANNED = SegmentPlanned(lesson_id="lesson-1", work_version="v1", generation=1, segment=a_segment())
DECODED = FramesDecoded(lesson_id="lesson-1", work_version="v1", segment=a_segment(), frames=FramePack(key="k", n_frames=60))
WHERE = ("lesson-1", "v1", "decode_segment", 0)
DECODE, PLAN = "smilereel.cpu.decode_segment", "smilereel.cpu.plan_lesson"


class Again(Exception):
    """Stands for Celery's Retry."""


def a_task(name: str = DECODE) -> Any:
    return SimpleNamespace(name=name, retry=lambda **told: Again(told["exc"]))


@pytest.fixture
def doors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Doors]:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite3")
    ledger.create_schema()
    ledger.accept(a_lesson())
    opened = Doors(Settings(segment_attempts=2, lesson_attempts=3, lease_seconds=1), ledger, FolderStore(tmp_path / "store"))
    assert ledger.sending.take("lesson-1", lease_seconds=1, most_attempts=3) is not None
    monkeypatch.setattr(module, "open_doors", lambda: opened)
    yield opened
    ledger.close()


def decoded(_doors: Doors, _message: SegmentMessage) -> tuple[SegmentMessage, int]:
    return DECODED, 60


def failing(error: Exception) -> Any:
    def work(_doors: Doors, _message: object = None) -> tuple[SegmentMessage, int]:
        raise error

    return work


def resting_seconds(doors: Doors) -> float:
    record = doors.ledger.require("lesson-1")
    assert record.lease_until is not None
    return record.lease_until.timestamp() - time.time()


def test_a_stage_hands_on_its_message_of_the_same_sending_and_notes_its_time(doors: Doors) -> None:
    handed_on = run_segment_stage(a_task(), dump(PLANNED), SegmentPlanned, decoded)
    assert handed_on == {**dump(DECODED), "generation": 1}
    progress = doors.ledger.runs.progress("lesson-1", "v1")["decode_segment"]
    assert (progress.finished, progress.items, progress.attempts) == (1, 60, 0)


def test_the_lease_lives_as_long_as_the_work(doors: Doors) -> None:
    def slow(_doors: Doors, _message: SegmentMessage) -> tuple[SegmentMessage, int]:
        time.sleep(1.6)
        assert resting_seconds(doors) > 0.2, "renewed while the stage works"
        assert doors.ledger.sending.take("lesson-1", lease_seconds=1, most_attempts=9) is None
        return DECODED, 60

    run_segment_stage(a_task(), dump(PLANNED), SegmentPlanned, slow)


@pytest.mark.parametrize("run", [run_segment_stage, run_lesson_stage], ids=["segment", "lesson"])
def test_an_earlier_sending_is_dropped(doors: Doors, run: Any) -> None:
    doors.ledger.start_afresh("lesson-1")
    assert doors.ledger.sending.take("lesson-1", lease_seconds=1, most_attempts=3) is not None  # generation 2
    work = failing(AssertionError("it must not begin"))
    arguments = (
        (a_task(), dump(PLANNED), SegmentPlanned, work) if run is run_segment_stage else (a_task(PLAN), "lesson-1", 1, work)
    )
    with pytest.raises(Ignore):
        run(*arguments)


def test_what_comes_after_the_end_is_dropped(doors: Doors) -> None:
    assert doors.ledger.finish("lesson-1", LessonState.REFUSED, "r")
    with pytest.raises(Ignore):
        run_segment_stage(a_task(), dump(PLANNED), SegmentPlanned, failing(AssertionError("it must not begin")))


@pytest.mark.parametrize(
    ("error", "fault"), [(RecordingUnreadable("The recording is gone."), "input"), (ModelError("Weights are missing."), "ours")]
)
def test_a_known_fault_skips_the_segment_at_once(doors: Doors, error: Exception, fault: str) -> None:
    skipped = load(run_segment_stage(a_task(), dump(PLANNED), SegmentPlanned, failing(error)), SegmentSkipped)
    assert (skipped.fault, skipped.stage, skipped.generation) == (fault, "decode_segment", 1)
    assert skipped.reason == (type(error).__doc__ or "").rstrip("."), "a file's name has no place on the wire"
    assert doors.ledger.runs.progress("lesson-1", "v1")["decode_segment"].skipped == 1


def test_an_unknown_fault_is_tried_again_and_then_skipped(doors: Doors) -> None:
    work = failing(OSError("masha-ivanova.mp4"))
    with pytest.raises(Again) as again:
        run_segment_stage(a_task(), dump(PLANNED), SegmentPlanned, work)
    shown = "".join(traceback.format_exception(again.value))
    assert "Lesson lesson-1 segment 0: OSError" in shown
    assert "masha" not in shown, "Celery's log, Flower and the result backend get to see it"
    assert resting_seconds(doors) > 1, "the lease covers the wait"
    skipped = load(run_segment_stage(a_task(), dump(PLANNED), SegmentPlanned, work), SegmentSkipped)
    assert (skipped.fault, skipped.reason) == ("ours", "decode_segment failed: OSError")


def test_a_segment_that_kills_its_process_is_not_begun_for_ever(doors: Doors) -> None:
    for _ in range(doors.settings.segment_attempts):
        doors.ledger.runs.started(*WHERE)  # began and never came back
    skipped = load(run_segment_stage(a_task(), dump(PLANNED), SegmentPlanned, decoded), SegmentSkipped)
    assert skipped.reason == "decode_segment ended 2 times without a result"


@pytest.mark.parametrize("error", [StoreError("The store is full."), LedgerAway("The database is away.")])
def test_a_store_that_is_away_costs_nobody_an_attempt(doors: Doors, error: ServiceError) -> None:
    for _ in range(4):
        with pytest.raises(StageFailed, match=r"^Lesson lesson-1 rests: \w+\.$"):
            run_segment_stage(a_task(), dump(PLANNED), SegmentPlanned, failing(error))
    record = doors.ledger.require("lesson-1")
    assert (record.attempts, record.reason) == (0, f"decode_segment: {error.message}")
    assert 1 < resting_seconds(doors) < 5
    assert doors.ledger.runs.progress("lesson-1", "v1")["decode_segment"].attempts == 0


def test_a_lost_intermediate_sends_the_lesson_again_and_counts(doors: Doors) -> None:
    with pytest.raises(StageFailed):
        run_segment_stage(a_task(), dump(PLANNED), SegmentPlanned, failing(ObjectMissing("There are no frames.")))
    record = doors.ledger.require("lesson-1")
    assert (record.state, record.attempts) == (LessonState.ACCEPTED, 1)


def test_a_skipped_segment_is_handed_on_untouched(doors: Doors) -> None:
    skipped = SegmentSkipped(
        lesson_id="lesson-1", work_version="v1", segment=a_segment(), stage="decode_segment", fault="input", reason="r"
    )
    assert run_segment_stage(a_task(), dump(skipped), SegmentPlanned, decoded) == dump(skipped)
    assert doors.ledger.runs.progress("lesson-1", "v1") == {}


@pytest.mark.parametrize(
    ("error", "state", "said"),
    [
        (LessonInvalid("Too long."), LessonState.REFUSED, "Too long."),
        (Hopeless("Every segment failed."), LessonState.QUARANTINED, "Every segment failed."),
    ],
)
def test_a_failure_that_cannot_pass_is_the_lessons_end(doors: Doors, error: Exception, state: LessonState, said: str) -> None:
    with pytest.raises(StageFailed, match=r"^Lesson lesson-1 (refused|quarantined): \w+\.$"):
        run_lesson_stage(a_task(PLAN), "lesson-1", 1, failing(error))
    record = doors.ledger.require("lesson-1")
    assert (record.state, record.reason) == (state, said)


@pytest.mark.parametrize(
    ("error", "said", "attempts"),
    [
        (KeyError("x"), "plan_lesson failed: KeyError", 1),
        (StoreError("The store is full."), "plan_lesson: The store is full.", 0),
    ],
)
def test_a_failure_that_may_pass_lets_the_lesson_rest(doors: Doors, error: Exception, said: str, attempts: int) -> None:
    with pytest.raises(StageFailed, match=r"^Lesson lesson-1 rests: \w+\.$"):
        run_lesson_stage(a_task(PLAN), "lesson-1", 1, failing(error))
    record = doors.ledger.require("lesson-1")
    assert (record.state, record.reason, record.attempts) == (LessonState.ACCEPTED, said, attempts)
    assert resting_seconds(doors) > 0.5


def test_a_stage_that_kills_its_process_sets_the_lesson_aside(doors: Doors) -> None:
    for _ in range(doors.settings.lesson_attempts):
        doors.ledger.runs.started("lesson-1", "", "plan_lesson", 0)
    with pytest.raises(StageFailed, match="quarantined"):
        run_lesson_stage(a_task(PLAN), "lesson-1", 1, failing(AssertionError("it must not begin")))
    assert "plan_lesson ended 3 times without a result" in (doors.ledger.require("lesson-1").reason or "")
