"""A fault of ours: the whole run says so in one sentence, and its log says what it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import ServiceError
from shared.ledger import LessonState
from tests.media import write_video
from workers.local.run import run_lesson
from workers.local.source import lesson_of_recordings

pytestmark = [pytest.mark.redis, pytest.mark.slow]


def test_frames_that_a_stopped_worker_left_are_swept(tmp_path: Path) -> None:
    recording = write_video(tmp_path / "me.mp4", seconds=3)
    lesson = lesson_of_recordings([str(recording)], [])
    left = tmp_path / "out" / ".smilereel" / "store" / "work" / lesson.lesson_id / "0123456789abcdef" / "frames.zip"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"pictures of an earlier run")
    scores = tmp_path / "out" / ".smilereel" / "store" / "lessons" / lesson.lesson_id / "0123456789abcdef" / "seconds.csv"
    scores.parent.mkdir(parents=True)
    scores.write_bytes(b"smile scores of other settings")
    assert run_lesson(lesson, tmp_path / "out").state is LessonState.NO_REEL
    assert not left.exists()
    assert not scores.exists()


def test_a_device_that_is_not_there_ends_the_run_as_our_fault(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    from shared.settings import Settings

    recording = write_video(tmp_path / "me.mp4", seconds=10)
    lesson = lesson_of_recordings([str(recording)], [])
    with pytest.raises(ServiceError, match=r"The process gpu ended with code 1 \(.*DEVICE.*\); its log is"):
        run_lesson(lesson, tmp_path / "out", settings=Settings(device="cuda"))
    assert not (tmp_path / "out" / "lesson.json").exists()
    assert "cuda" in (tmp_path / "out" / ".smilereel" / "log" / "gpu.log").read_text()
