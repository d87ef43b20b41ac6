"""The last line of `smilereel run`: the reel or why there is none, and what was skipped on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.ledger import LessonState
from shared.reel import NoReelReason
from workers.commands import outcome
from workers.commands.outcome import last_line
from workers.local.run import RunResult

REEL = {"frames": 9, "width": 320, "height": 320, "bytes": 507_300}


def a_result(out: Path, *, skipped: int = 0, computed: bool = True, **record: Any) -> RunResult:
    """A run that has left its lesson.json."""
    document = {"bounded_by": "both", "reason": None, "reason_detail": None, "reel": REEL, **record}
    (out / "lesson.json").write_text(json.dumps(document), encoding="utf-8")
    state = LessonState.DONE if document["reel"] else LessonState.NO_REEL
    return RunResult(state, document["reason"], out, computed, skipped)


def test_a_reel(tmp_path: Path) -> None:
    line = last_line(a_result(tmp_path), 12.34)
    assert line == f"{tmp_path / 'reel.gif'}: 9 frames, 320x320, 507 kB, in 12.3 s"


@pytest.mark.parametrize("reason", NoReelReason)
def test_no_reel_names_the_reason_and_explains_it(tmp_path: Path, reason: NoReelReason) -> None:
    line = last_line(a_result(tmp_path, reel=None, reason=str(reason), reason_detail="3 of 9"), 1.0)
    assert line.startswith(f"no reel: {reason}: {reason.explanation} (3 of 9), in 1.0 s")


@pytest.mark.parametrize("reel", [REEL, None])
def test_skipped_segments_are_counted_and_where_to_look_is_said(tmp_path: Path, reel: dict[str, int] | None) -> None:
    reason = None if reel else "no_face"
    line = last_line(a_result(tmp_path, skipped=3, reel=reel, reason=reason), 2.0)
    assert line.endswith(", 3 segments skipped (see lesson.json), in 2.0 s")
    assert "\n" not in line
    assert "segments" not in last_line(a_result(tmp_path, reel=reel, reason=reason), 2.0).removeprefix(str(tmp_path))


def test_what_was_computed_before_still_tells_of_its_skips(tmp_path: Path) -> None:
    line = last_line(a_result(tmp_path, skipped=2, computed=False), 0.2)
    assert line.endswith("2 segments skipped (see lesson.json), computed before")


def test_without_a_teacher_the_line_says_so(tmp_path: Path) -> None:
    line = last_line(a_result(tmp_path, skipped=2, bounded_by="student"), 2.0)
    assert "507 kB (bounded by the student's own times), 2 segments" in line


def test_a_reason_that_nobody_knows_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rain"):
        last_line(a_result(tmp_path, reel=None, reason="rain"), 1.0)


@pytest.mark.parametrize(("record", "code"), [({}, 0), ({"reel": None, "reason": "no_face"}, 3)])
def test_the_line_is_the_last_thing_on_stdout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], record: dict[str, Any], code: int
) -> None:
    result = a_result(tmp_path, skipped=3, **record)
    monkeypatch.setattr(outcome, "run_lesson", lambda *_, **__: result)
    assert outcome.process(object(), tmp_path, lesson_file=None, quiet=True) == code  # type: ignore[arg-type]
    told = capsys.readouterr()
    assert "3 segments skipped" in told.out.splitlines()[-1]
    assert told.err == ""
