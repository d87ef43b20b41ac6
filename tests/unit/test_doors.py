"""The frame around every task: attempts, skips, and whose fault it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shared.errors import LessonInvalid, ModelError, RecordingUnreadable, ServiceError
from shared.frame import FramePack
from shared.ledger import LessonState, open_ledger
from shared.messages import FramesDecoded, SegmentMessage, SegmentPlanned, SegmentSkipped, dump, load
from shared.settings import Settings
from shared.store import FolderStore
from tests.builders import a_lesson, a_segment
from workers import doors as module
from workers.doors import Doors, StageFailed, run_lesson_stage, run_segment_stage

PLANNED = SegmentPlanned(lesson_id="lesson-1", work_version="v1", segment=a_segment())
DECODED = FramesDecoded(lesson_id="lesson-1", work_version="v1", segment=a_segment(), frames=FramePack(key="k", n_frames=60))


class Again(Exception):
    """Stands for Celery's Retry."""


def a_task(name: str = "smilereel.cpu.decode_segment") -> Any:
    return SimpleNamespace(name=name, retry=lambda **_: Again())


@pytest.fixture
def doors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Doors]:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite3")
    ledger.create_schema()
    ledger.accept(a_lesson())
    opened = Doors(Settings(segment_attempts=2), ledger, FolderStore(tmp_path / "store"))
    monkeypatch.setattr(module, "open_doors", lambda: opened)
    yield opened
    ledger.engine.dispose()


def decoded(_doors: Doors, _message: SegmentMessage) -> tuple[SegmentMessage, int]:
    return DECODED, 60


def failing(error: Exception) -> Any:
    def work(_doors: Doors, _message: SegmentMessage) -> tuple[SegmentMessage, int]:
        raise error

    return work


def test_a_stage_hands_on_its_message_and_notes_its_time(doors: Doors) -> None:
    assert run_segment_stage(a_task(), dump(PLANNED), SegmentPlanned, decoded) == dump(DECODED)
    progress = doors.ledger.progress("lesson-1", "v1")["decode_segment"]
    assert (progress.finished, progress.items, progress.attempts) == (1, 60, 0)


@pytest.mark.parametrize(
    ("error", "fault"), [(RecordingUnreadable("The recording is gone."), "input"), (ModelError("Weights are missing."), "ours")]
)
def test_a_known_fault_skips_the_segment_at_once(doors: Doors, error: Exception, fault: str) -> None:
    skipped = load(run_segment_stage(a_task(), dump(PLANNED), SegmentPlanned, failing(error)), SegmentSkipped)
    assert (skipped.fault, skipped.stage, skipped.reason) == (fault, "decode_segment", (type(error).__doc__ or "").rstrip("."))
    assert str(error) not in skipped.reason, "a file's name has no place on the wire"


def test_an_unknown_fault_is_tried_again_and_then_skipped(doors: Doors) -> None:
    work = failing(OSError("flaky"))
    with pytest.raises(Again):
        run_segment_stage(a_task(), dump(PLANNED), SegmentPlanned, work)
    skipped = load(run_segment_stage(a_task(), dump(PLANNED), SegmentPlanned, work), SegmentSkipped)
    assert (skipped.fault, skipped.reason) == ("ours", "decode_segment failed: OSError")


def test_a_segment_that_kills_its_process_is_not_begun_for_ever(doors: Doors) -> None:
    for _ in range(doors.settings.segment_attempts):
        doors.ledger.stage_started("lesson-1", "v1", "decode_segment", 0)  # began and never came back
    skipped = load(run_segment_stage(a_task(), dump(PLANNED), SegmentPlanned, decoded), SegmentSkipped)
    assert skipped.reason == "decode_segment ended 2 times without a result"


def test_a_skipped_segment_is_handed_on_untouched(doors: Doors) -> None:
    skipped = SegmentSkipped(
        lesson_id="lesson-1", work_version="v1", segment=a_segment(), stage="decode_segment", fault="input", reason="r"
    )
    assert run_segment_stage(a_task(), dump(skipped), SegmentPlanned, decoded) == dump(skipped)
    assert doors.ledger.progress("lesson-1", "v1") == {}


@pytest.mark.parametrize(
    ("error", "state", "said"),
    [
        (LessonInvalid("Too long."), LessonState.REFUSED, "Too long."),
        (ServiceError("Every segment failed."), LessonState.FAILED, "Every segment failed."),
        (KeyError("x"), LessonState.FAILED, "smilereel.cpu.plan_lesson failed: KeyError: 'x'"),
    ],
)
def test_a_lessons_failure_is_its_end(doors: Doors, error: Exception, state: LessonState, said: str) -> None:
    def work(_doors: Doors) -> None:
        raise error

    with pytest.raises(StageFailed, match=r"^Lesson lesson-1 (refused|failed): \w+\.$"):
        run_lesson_stage(a_task("smilereel.cpu.plan_lesson"), "lesson-1", work)
    record = doors.ledger.require("lesson-1")
    assert (record.state, record.reason) == (state, said)
