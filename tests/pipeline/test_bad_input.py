"""`smilereel run` on what cannot be processed: one sentence, exit 2, nothing half-made; and what one bad part among good ones does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.builders import lesson_document
from tests.media import truncate, write_audio_only, write_video

pytestmark = [pytest.mark.redis]
AT = "2026-11-20T10:00:00Z"


def smilereel(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workers", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120, check=False)


def assert_refused(done: subprocess.CompletedProcess[str], said: str, out: Path) -> None:
    assert done.returncode == 2, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("smilereel: ")
    assert said in last
    assert "Traceback" not in done.stderr
    assert not out.exists(), "something half-made was left"


def lesson_file(folder: Path, **changes: Any) -> Path:
    path = folder / "LESSON.json"
    path.write_text(json.dumps(lesson_document(**changes)))
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"consent": {"process": False, "reel": True}}, "consent.process"),
        ({"consent": {}}, "consent.process"),
        ({"surprise": 1}, "surprise"),
        ({"student": [{"uri": "s.mp4", "started_at": "2026-11-20T10:00:00"}]}, "timezone"),
        ({"student": [{"uri": "http://127.0.0.1:1/s.mp4", "started_at": AT}]}, "'http' is not allowed"),
        ({"student": [{"uri": "gone.mp4", "started_at": AT}]}, "does not exist"),
    ],
)
def test_a_lesson_that_is_refused_before_anything_starts(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    write_video(tmp_path / "student.mp4", seconds=2)
    write_video(tmp_path / "teacher.mp4", seconds=2)
    out = tmp_path / "out"
    assert_refused(smilereel("run", str(lesson_file(tmp_path, **changes)), "--out", str(out), cwd=tmp_path), said, out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "There is no lesson"),
        (["gone.json"], "cannot be read"),
        (["--student", "http://127.0.0.1:1/s.mp4"], "'http' is not allowed"),
        (["--student", "gone.mp4"], "does not exist"),
        (["--student", "s.mp4@2026-11-20T10:00:00"], "timezone"),
        (["--student", "s.mp4", "--student", "s.mp4"], "needs its start time"),
        (["--student", f"s.mp4@{AT}", "--teacher", "s.mp4"], "needs its start time"),
        (["--student", "s.mp4@2026-11-20T11:00:00Z", "--student", f"s.mp4@{AT}"], "wrong order"),
    ],
)
def test_a_command_line_that_is_refused(arguments: list[str], said: str, tmp_path: Path) -> None:
    write_video(tmp_path / "s.mp4", seconds=2)
    out = tmp_path / "out"
    assert_refused(smilereel("run", *arguments, "--out", str(out), cwd=tmp_path), said, out)


def test_an_output_that_would_overwrite_an_input(tmp_path: Path) -> None:
    recording = write_video(tmp_path / "s.mp4", seconds=2)
    clash = tmp_path / "lesson.json"
    clash.write_text(json.dumps(lesson_document(student=[{"uri": "s.mp4", "started_at": AT}], teacher=[])))
    before = clash.read_bytes()
    done = smilereel("run", str(clash), "--out", str(tmp_path), cwd=tmp_path)
    assert (done.returncode, "would overwrite an input" in done.stderr) == (2, True)
    assert clash.read_bytes() == before
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "reel.gif").symlink_to(recording)
    done = smilereel("run", "--student", str(recording), "--out", str(tmp_path / "out"), cwd=tmp_path)
    assert (done.returncode, "would overwrite an input" in done.stderr) == (2, True)


def test_an_output_folder_that_cannot_be_written(tmp_path: Path) -> None:
    write_video(tmp_path / "s.mp4", seconds=2)
    (tmp_path / "file").write_text("in the way")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        done = smilereel("run", "--student", "s.mp4", "--out", str(out), cwd=tmp_path)
        assert (done.returncode, "cannot be written" in done.stderr) == (2, True), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("student", "teacher", "said"),
    [
        (f"text.mp4@{AT}", f"good.mp4@{AT}", "text.mp4"),
        (f"sound.mp4@{AT}", f"good.mp4@{AT}", "holds no video"),
        (f"good.mp4@{AT}", "good.mp4@2026-11-20T12:00:00Z", "never on together"),
    ],
)
def test_recordings_that_are_refused_once_they_are_read(student: str, teacher: str, said: str, tmp_path: Path) -> None:
    write_video(tmp_path / "good.mp4", seconds=10)
    write_audio_only(tmp_path / "sound.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    out = tmp_path / "out"
    assert_refused(smilereel("run", "--student", student, "--teacher", teacher, "--out", str(out), cwd=tmp_path), said, out)


@pytest.mark.slow
def test_one_bad_recording_among_several_is_told_and_the_rest_used(tmp_path: Path) -> None:
    write_video(tmp_path / "good.mp4", seconds=10)
    truncate(write_video(tmp_path / "cut.mp4", seconds=10))
    out = tmp_path / "out"
    recordings = ["--student", f"cut.mp4@{AT}", "--student", "good.mp4@2026-11-20T10:00:20Z", "--teacher", f"good.mp4@{AT}"]
    recordings += ["--teacher", "good.mp4@2026-11-20T10:00:20Z"]
    done = smilereel("run", *recordings, "--out", str(out), "--quiet", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    assert "no_face" in done.stdout
    record = json.loads((out / "lesson.json").read_text())
    assert (record["status"], record["reason"], record["starts_at"]) == ("no_reel", "no_face", "2026-11-20T10:00:20Z")
    (skipped,) = record["skipped"]
    assert (skipped["side"], skipped["recording"]) == ("student", 0)
    assert "cut.mp4" in skipped["reason"]


@pytest.mark.slow
def test_a_lesson_without_a_reel_is_processed_and_says_why(tmp_path: Path) -> None:
    write_video(tmp_path / "student.mp4", seconds=5)
    write_video(tmp_path / "teacher.mp4", seconds=5)
    done = smilereel("run", str(lesson_file(tmp_path)), "--out", str(tmp_path / "out"), cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "too_short" in done.stdout.splitlines()[-1]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".smilereel", "lesson.json", "seconds.csv"]
    assert len((tmp_path / "out" / "seconds.csv").read_text().splitlines()) == 6
