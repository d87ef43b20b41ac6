"""The demo's lesson is what its truth says: looked at through its files, and picture by picture."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from shared.lesson import Consent, Subject, parse_lesson
from workers.demo import DEMO_TRUTH, render_demo_lesson
from workers.demo.camera import Sitter
from workers.demo.portraits import eileen_collins, grace_hopper, shipped_picture
from workers.demo.render import SEED, StudentFrames, student_pose
from workers.demo.room import HEIGHT, WIDTH

MOST_BYTES = 6_000_000


@pytest.fixture(scope="module")
def camera() -> StudentFrames:
    return StudentFrames(np.random.default_rng(SEED))


def seconds_of(event: str) -> list[float]:
    """The middle of each whole second of such stretches."""
    spans = [(s.start, s.end) for s in DEMO_TRUTH.stretches if s.event == event]
    return [second + 0.5 for start, end in spans for second in range(int(start + 0.99), int(end))]


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())


@pytest.mark.slow
def test_files_bear_the_truth_out(tmp_path: Path) -> None:
    heard: list[float] = []
    path = render_demo_lesson(tmp_path / "a folder", heard.append)
    lesson = parse_lesson(path.read_text(encoding="utf-8"))
    assert lesson.lesson_id == "demo"
    assert lesson.subject is Subject.ANYONE
    assert lesson.consent == Consent(process=True, reel=True, analytics=True)
    spans: dict[str, tuple[float, float]] = {}
    for recording in [*lesson.student, *lesson.teacher]:
        with av.open(str(path.parent / recording.uri)) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name == "h264"
            start = (recording.started_at - DEMO_TRUTH.starts_at).total_seconds()
            spans[recording.uri] = (start, start + stream.frames / float(stream.average_rate or 0))
            assert (stream.width, stream.height) == ((320, 240) if recording in lesson.teacher else (640, 480))
    first, second, teacher = spans["student-1.mp4"], spans["student-2.mp4"], spans["teacher.mp4"]
    assert teacher[0] == -6
    assert first[0] == 0
    assert ((first[1], second[0]),) == DEMO_TRUTH.student_disconnects
    assert teacher[1] == DEMO_TRUTH.seconds < second[1]
    assert heard == sorted(heard)
    assert heard[-1] == 1.0
    assert sum(file.stat().st_size for file in path.parent.iterdir()) < MOST_BYTES


def test_the_lesson_lasts_two_minutes_and_no_second_is_left_out() -> None:
    assert 120 <= DEMO_TRUTH.seconds <= 130
    stretches = DEMO_TRUTH.stretches
    assert stretches[0].start == 0
    assert stretches[-1].end == DEMO_TRUTH.seconds
    assert all(earlier.end == later.start for earlier, later in itertools.pairwise(stretches))
    assert len(seconds_of("smile")) >= 60
    with pytest.raises(ValueError, match="no second"):
        DEMO_TRUTH.event_at(DEMO_TRUTH.seconds)


def test_it_is_dark_when_it_should_be(camera: StudentFrames) -> None:
    assert max(camera.at(second).mean() for second in seconds_of("dark")[1:-1]) < 40
    assert min(camera.at(second).mean() for second in seconds_of("smile")) > 90


def test_the_lamp_outshines_everything(camera: StudentFrames) -> None:
    for second in seconds_of("lamp")[1:-1]:
        picture = camera.at(second)
        assert picture[170:200, 500:525].mean() > 225
        assert picture[:, :100].mean() < 0.75 * camera.at(30.5)[:, :100].mean()


def test_the_chair_is_empty_only_when_it_should_be(camera: StudentFrames) -> None:
    chair = camera.at(24.5)
    middle = (slice(100, 460), slice(150, 490))
    assert max(difference(camera.at(second)[middle], chair[middle]) for second in seconds_of("empty")) < 12
    for event in ("smile", "visitor"):
        assert min(difference(camera.at(second)[middle], chair[middle]) for second in seconds_of(event)) > 25


def test_no_two_seconds_look_alike(camera: StudentFrames) -> None:
    middle = (slice(80, 400), slice(150, 490))
    pictures = [camera.at(second)[middle] for second in seconds_of("smile")]
    assert min(difference(one, other) for one, other in itertools.combinations(pictures, 2)) > 3


def test_the_whole_face_stays_in_the_frame() -> None:
    student = Sitter(eileen_collins())
    black, white = np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    for second in seconds_of("smile"):
        pose = student_pose(second)
        # Where black and white backgrounds give the same, the sitter is.
        covered = np.abs(student.into(black, pose).astype(np.int16) - student.into(white, pose)).max(axis=2) < 32
        assert not covered[:8].any(), "the hair touches the upper edge"
        half = 0.5 * 88 * pose.scale
        assert 20 < pose.face_x - half < pose.face_x + half < WIDTH - 20
        assert covered[round(pose.face_y), round(pose.face_x)]


def test_the_same_seed_gives_the_same_pictures() -> None:
    one, other = (StudentFrames(np.random.default_rng(5)) for _ in range(2))
    assert all(np.array_equal(one.at(second), other.at(second)) for second in (3.0, 24.0, 105.0))


@pytest.mark.parametrize("person", [eileen_collins, grace_hopper])
def test_people_are_cut_out_cleanly(person: object) -> None:
    assert callable(person)
    portrait = person()
    alpha = portrait.bgra_premultiplied[..., 3]
    x, y = (round(v) for v in portrait.face_xy)
    assert alpha[y, x] == 255
    assert alpha[2, 2] == 0
    assert 0.3 < (alpha > 127).mean() < 0.8
    assert (portrait.bgra_premultiplied[..., :3] <= alpha[..., None]).all()


def test_a_missing_package_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"portrait-shop: install smilereel\[demo\]"):
        shipped_picture("no_such_module_here", "a.png", "portrait-shop")


def test_the_document_is_stable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.demo.render.encode_video", lambda *_args, **_options: None)
    texts = [render_demo_lesson(tmp_path / name).read_text(encoding="utf-8") for name in ("a", "b")]
    assert texts[0] == texts[1]
    assert [recording["started_at"][-1] for recording in json.loads(texts[0])["student"]] == ["Z", "Z"]
