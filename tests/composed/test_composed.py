"""The composed lesson's truth holds: its schedule for any length, and its files for a short one."""

from __future__ import annotations

import csv
import itertools
import os
from pathlib import Path
from typing import Any, get_args

import av
import pytest

from benchmarks.composed_lessons import Run, summary
from shared.lesson import parse_lesson
from tests.composed import ComposedTruth, Stretch, compose_lesson
from tests.composed.pictures import HERE, labelled_children, rows_of
from tests.composed.score import score_lesson
from tests.composed.truth import SHORTEST_LESSON_SECONDS, SHOULDER_SCENES, Scene, at, schedule, student_gap, teacher_gap
from workers.training.archive import DEFAULT_DATA, Archive
from workers.training.datasets import scene_group
from workers.training.splits import split_of


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
    assert set(scenes) == set(get_args(Scene))
    assert scenes.count("child_smile") >= 14


@pytest.mark.parametrize("seed", range(20))
def test_visits_last_for_ten_to_forty_seconds_and_begin_beside_a_smiling_child(seed: int) -> None:
    rows = schedule(720, seed)
    visits = a_truth(*rows).shoulder_ranges
    assert len(visits) >= 4
    assert all(10 <= end - start <= 40 for start, end in visits)
    first = {start: scene for start, _, scene in rows}
    assert {first[start] for start, _ in visits} == {"child_and_shoulder"}
    assert all(end - start >= 5 for start, end, scene in rows if scene in SHOULDER_SCENES)


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


def test_only_children_of_the_test_side_on_whom_all_labels_agree_are_shown(data: Path) -> None:
    known = {row["file"] for row in Archive(data, "det").rows("images.csv")}
    labels = labelled_children(known)
    assert {split_of(scene_group(file, "aaf", "")) for file in labels} == {"test"}
    unsure = {row["file"] for row in rows_of(HERE / "children.csv") if row["label"] == "unsure"}
    assert not unsure & labels.keys()
    assert set(labels.values()) == {"smile", "neutral"}
    assert min(list(labels.values()).count(label) for label in ("smile", "neutral")) >= 50


def test_all_that_is_listed_is_there(data: Path) -> None:
    scenes, cutouts = Archive(data, "det").rows("images.csv"), Archive(data, "cutouts").rows("cutouts.csv")
    n_faces = {row["file"]: int(row["n_faces"]) for row in scenes}
    adults = {row["file"] for row in cutouts if row["tag"] == "adult"}
    others = rows_of(HERE / "others.csv")
    assert len({row["file"] for row in others}) == len(others)
    assert all(n_faces[row["file"]] == 0 for row in others if row["role"] == "room")
    assert all(n_faces[row["file"]] == 1 for row in others if row["role"] == "adult_smile")
    assert {row["file"] for row in others if row["role"] == "beside"} <= adults


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"det\.tar"):
        compose_lesson(tmp_path / "nowhere", tmp_path / "out")


def a_truth(*rows: tuple[int, int, Scene]) -> ComposedTruth:
    """A truth of these stretches, without disconnects."""
    return ComposedTruth(at(0), at(rows[-1][1]), {"student": (), "teacher": ()}, tuple(Stretch(*row) for row in rows))


def a_record(truth: ComposedTruth, moments: list[int], shoulder: list[tuple[int, int]]) -> dict[str, Any]:
    """A lesson.json that found the bounds, these moments and these ranges."""
    return {
        "starts_at": truth.starts_at.isoformat(),
        "ends_at": truth.ends_at.isoformat(),
        "disconnects": {"student": [], "teacher": []},
        "moments": [{"second": second, "pts_seconds": second + 0.5, "p_smile": None} for second in moments],
        "parent_shoulder": [{"from": at(start).isoformat(), "to": at(end).isoformat()} for start, end in shoulder],
    }


def test_the_score_counts_smiles_adults_and_seconds() -> None:
    truth = a_truth(
        (0, 10, "child_smile"),
        (10, 20, "child_and_shoulder"),
        (20, 30, "shoulder_alone"),
        (30, 40, "child_and_adult"),
        (40, 50, "child_neutral"),
    )
    assert truth.shoulder_ranges == ((10, 30),)
    score = score_lesson(truth, a_record(truth, [3, 15, 45], [(8, 18), (25, 42)]))
    assert (score.moments, score.smiles, score.with_adult, len(score.wrong)) == (3, 1, 1, 2)
    assert (score.shoulder_seconds, score.shoulder_found, score.visits, score.visits_found) == (20, 13, 1, 1)
    # Two seconds before the visit and two of the child alone; an adult with a face in view counts neither way.
    assert (score.false_shoulder_seconds, score.other_seconds) == (4, 20)
    assert (score.bounds_off_seconds, score.disconnects_right) == (0.0, True)


def test_the_score_sees_wrong_bounds_and_disconnects() -> None:
    truth = a_truth((0, 50, "child_neutral"))
    record = a_record(truth, [], [])
    record["starts_at"] = at(2).isoformat()
    record["disconnects"]["teacher"] = [{"from": at(3).isoformat(), "to": at(9).isoformat()}]
    score = score_lesson(truth, record)
    assert (score.bounds_off_seconds, score.disconnects_right) == (2.0, False)


def test_a_lesson_without_a_reel_counts_as_nine_misses() -> None:
    truth = a_truth((0, 10, "child_smile"), (10, 20, "child_and_shoulder"))
    good = score_lesson(truth, a_record(truth, [0, 1, 2, 3, 4, 5, 6, 7, 8], [(10, 20)]))
    none = score_lesson(truth, a_record(truth, [], [(10, 20)]))
    blind = score_lesson(truth, a_record(truth, [0, 1, 2, 3, 4, 5, 6, 7, 8], []))
    adult = score_lesson(truth, a_record(truth, [0, 1, 2, 3, 4, 5, 6, 7, 15], [(10, 20)]))
    reached = [
        summary([Run(seed, 400, 1.0, 2.0, score) for seed, score in enumerate(scores)])["reached"]
        for scores in ([good, good], [good, none], [good, blind], [*([good] * 9), adult])
    ]
    assert reached == [True, False, False, False]


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
