"""The composed lesson's truth holds: its schedule for any length, and its files for a short one."""

from __future__ import annotations

import csv
import itertools
import os
from pathlib import Path

import av
import pytest

from shared.lesson import parse_lesson
from tests.composed import compose_lesson
from tests.composed.pictures import HERE
from tests.composed.truth import SHORTEST_LESSON_SECONDS, schedule, student_gap, teacher_gap
from workers.training.archive import DEFAULT_DATA


@pytest.fixture(scope="module")
def data() -> Path:
    if not (DEFAULT_DATA / "det.tar").is_file():
        text = f"the pictures are not at {DEFAULT_DATA}"
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)
    return DEFAULT_DATA


@pytest.mark.parametrize("seconds", [SHORTEST_LESSON_SECONDS, 437, 720, 2700])
@pytest.mark.parametrize("seed", range(5))
def test_the_schedule_leaves_no_second_out(seconds: int, seed: int) -> None:
    rows = schedule(seconds, seed)
    assert rows[0][0] == 0
    assert rows[-1][1] == seconds
    assert all(earlier[1] == later[0] for earlier, later in itertools.pairwise(rows))
    smiles = [end - start for start, end, scene in rows if scene == "child_smile"]
    assert len(smiles) == seconds // 40
    assert 4 <= min(smiles) <= max(smiles) <= 8
    assert [(start, end) for start, end, scene in rows if scene == "off"] == [student_gap(seconds)]
    assert 0 < teacher_gap(seconds)[0] < teacher_gap(seconds)[1] < seconds


def test_twelve_minutes_hold_every_scene_and_enough_smiles() -> None:
    scenes = [scene for _, _, scene in schedule(720, 0)]
    assert set(scenes) == {"child_smile", "child_neutral", "adult_smile", "child_and_adult", "nobody", "dark", "off"}
    assert scenes.count("child_smile") >= 14


def test_a_short_lesson_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 160 seconds"):
        schedule(SHORTEST_LESSON_SECONDS - 1, 0)


def test_over_a_hundred_children_are_labelled() -> None:
    with (HERE / "children.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["file"] for row in rows}) == len(rows)
    assert sum(row["label"] in ("smile", "neutral") for row in rows) >= 100
    assert {row["label"] for row in rows} == {"smile", "neutral", "unsure"}
    assert all(5 <= int(row["age"]) <= 14 for row in rows)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"det\.tar"):
        compose_lesson(tmp_path / "nowhere", tmp_path / "out")


@pytest.mark.slow
def test_files_bear_the_truth_out(data: Path, tmp_path: Path) -> None:
    seconds, fps = SHORTEST_LESSON_SECONDS, 2
    composed = compose_lesson(data, tmp_path, seconds=seconds, fps=fps, seed=3)
    lesson, truth = parse_lesson(composed.path.read_text(encoding="utf-8")), composed.truth
    spans = {}
    for recording in [*lesson.student, *lesson.teacher]:
        with av.open(str(tmp_path / recording.uri)) as container:
            stream = container.streams.video[0]
            start = (recording.started_at - truth.starts_at).total_seconds()
            spans[recording.uri] = (start, start + stream.frames / float(stream.average_rate or 0))
    assert spans["student-1.mp4"][0] == 0
    assert (spans["student-1.mp4"][1], spans["student-2.mp4"][0]) == student_gap(seconds)
    assert spans["teacher-1.mp4"][0] == -40
    assert (spans["teacher-1.mp4"][1], spans["teacher-2.mp4"][0]) == teacher_gap(seconds)
    assert spans["teacher-2.mp4"][1] == seconds < spans["student-2.mp4"][1]
    assert (truth.ends_at - truth.starts_at).total_seconds() == seconds == len(truth.seconds)
    assert truth.stretch_at(0).scene == "child_neutral"
    assert all(stretch.files for stretch in truth.stretches if stretch.scene != "off")
