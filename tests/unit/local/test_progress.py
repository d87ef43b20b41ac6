"""What an embedded run shows of itself: bars, lines, and attempts and skipped segments in both."""

from __future__ import annotations

import io
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shared.catalogue import STAGES
from shared.ledger import open_ledger
from shared.records import StageProgress
from tests.builders import a_lesson
from workers.local import progress as module
from workers.local.progress import Bars, Lines, make_watcher


def a_record(n_segments: int = 4) -> Any:
    """What a watcher looks at in a lesson's record."""
    return SimpleNamespace(n_segments=n_segments)


def at(finished: int, *, attempts: int = 0, skipped: int = 0, items: int = 0) -> StageProgress:
    return StageProgress(finished=finished, seconds=1.0, items=items, attempts=attempts, skipped=skipped)


class Pace:
    """The clock that lines are paced by."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def pace(monkeypatch: pytest.MonkeyPatch) -> Pace:
    clock = Pace()
    monkeypatch.setattr(module, "time", clock)
    return clock


def line_of(**stages: StageProgress) -> dict[str, str]:
    """The parts of the first line, by stage."""
    stream = io.StringIO()
    Lines(stream).update(a_record(), stages)
    (line,) = stream.getvalue().splitlines()
    return {part.split(" ", 1)[0]: part.split(" ", 1)[1] for part in line.split(", ")}


def test_a_line_tells_every_stage_in_the_order_of_the_work(pace: Pace) -> None:
    parts = line_of(plan_lesson=at(1), decode_segment=at(3, items=60))
    assert list(parts) == list(STAGES)
    assert (parts["plan_lesson"], parts["decode_segment"], parts["detect_faces"]) == ("1/1", "3/4", "0/4")
    assert (parts["pick_moments"], parts["publish_lesson"]) == ("0/1", "0/1"), "of a lesson there is one"


@pytest.mark.parametrize(
    ("attempts", "skipped", "told"),
    [(0, 0, "2/4"), (1, 0, "2/4"), (2, 0, "2/4 (attempt 2)"), (0, 1, "2/4 (1 skipped)"), (3, 2, "2/4 (attempt 3) (2 skipped)")],
)
def test_a_line_tells_of_attempts_and_skipped_segments(pace: Pace, attempts: int, skipped: int, told: str) -> None:
    parts = line_of(detect_faces=at(2, attempts=attempts, skipped=skipped))
    assert parts["detect_faces"] == told
    assert parts["decode_segment"] == "0/4", "of the stage that it happened to only"


def test_a_skip_is_told_though_nothing_else_moves(pace: Pace) -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    for trouble in (at(3), at(3, attempts=2), at(3, attempts=2), at(3, skipped=1)):
        lines.update(a_record(), {"decode_segment": trouble})
        pace.seconds += module.SECONDS_BETWEEN_LINES
    told = [line.split("decode_segment ")[1].split(",")[0] for line in stream.getvalue().splitlines()]
    assert told == ["3/4", "3/4 (attempt 2)", "3/4 (1 skipped)"], "each change once"


def test_lines_keep_their_distance(pace: Pace) -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    for finished in range(4):
        lines.update(a_record(), {"decode_segment": at(finished)})
        pace.seconds += module.SECONDS_BETWEEN_LINES - 0.1
    lines.close()
    assert len(stream.getvalue().splitlines()) == 2


def test_before_the_plan_there_is_nothing_to_tell(pace: Pace) -> None:
    stream = io.StringIO()
    for watcher in (Lines(stream), Bars(stream)):
        watcher.update(a_record(0), {"plan_lesson": at(0, attempts=2)})
        watcher.close()
    assert stream.getvalue() == ""


def test_stages_that_this_release_does_not_know_are_passed_over(pace: Pace) -> None:
    assert list(line_of(listen=at(7, attempts=9, skipped=9))) == list(STAGES)
    stream = io.StringIO()
    bars = Bars(stream)
    bars.update(a_record(), {"listen": at(7)})
    bars.close()
    assert "listen" not in stream.getvalue()


def drawn(*updates: StageProgress, stage: str = "decode_segment") -> str:
    """The stage's bar as it looks last."""
    stream = io.StringIO()
    bars = Bars(stream)
    for update in updates:
        bars.update(a_record(), {stage: update})
    bars.close()
    # A bar is drawn again and again: over itself, and once more when it is closed.
    return [part for part in stream.getvalue().replace("\n", "\r").split("\r") if part.startswith(stage)][-1]


def test_a_bar_counts_segments_and_frames() -> None:
    bar = drawn(at(1, items=64), at(3, items=180))
    assert "3/4" in bar
    assert "180 frames" in bar
    assert "1/1" in drawn(at(1), stage="publish_lesson")


def test_a_bar_never_goes_back() -> None:
    assert "3/4" in drawn(at(3), at(1))


@pytest.mark.parametrize(
    ("trouble", "told"),
    [(at(1, attempts=2), "(attempt 2)"), (at(1, skipped=3), "(3 skipped)"), (at(0, attempts=3), "(attempt 3)")],
)
def test_a_bar_tells_of_trouble_though_nothing_else_moves(trouble: StageProgress, told: str) -> None:
    assert told in drawn(at(trouble.finished), trouble)


def test_a_bar_forgets_an_attempt_that_ended_well() -> None:
    assert "attempt" not in drawn(at(1, attempts=2), at(2))


def test_a_segment_that_was_given_up_is_not_tried_any_more(tmp_path: Path) -> None:
    with closing(open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite3")) as ledger:
        ledger.create_schema()
        ledger.accept(a_lesson())
        for _ in range(3):
            ledger.runs.started("lesson-1", "v1", "decode_segment", 0)
        assert ledger.runs.progress("lesson-1", "v1")["decode_segment"].attempts == 3
        ledger.runs.skipped("lesson-1", "v1", "decode_segment", 0, "it hung")
        told = ledger.runs.progress("lesson-1", "v1")["decode_segment"]
        assert (told.attempts, told.skipped) == (0, 1)
        ledger.runs.started("lesson-1", "v1", "decode_segment", 1)
        ledger.runs.started("lesson-1", "v1", "decode_segment", 1)
        assert ledger.runs.progress("lesson-1", "v1")["decode_segment"].attempts == 2, "another one is"


def test_what_fits_where_stderr_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    assert make_watcher(quiet=True) is None
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(make_watcher(quiet=False), Lines)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert isinstance(make_watcher(quiet=False), Bars)
