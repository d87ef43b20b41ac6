"""A composed 12-minute lesson of children whom no model has seen: bounds, disconnects and nine children's smiles, all known."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from shared.ledger import LessonState
from tests.composed import ComposedLesson, compose_lesson
from workers.local.run import RunResult, run_lesson
from workers.local.source import read_lesson_file
from workers.training.archive import DEFAULT_DATA

pytestmark = [pytest.mark.redis, pytest.mark.slow, pytest.mark.quality]


@dataclass
class Processed:
    """The composed lesson and what was made of it."""

    lesson: ComposedLesson
    result: RunResult
    record: dict[str, Any]
    seconds: list[dict[str, str]]


@pytest.fixture(scope="module")
def processed(tmp_path_factory: pytest.TempPathFactory) -> Processed:
    if not (DEFAULT_DATA / "det.tar").is_file():
        if os.environ.get("CI") == "true":
            pytest.fail("the labelled pictures are missing")
        pytest.skip("the labelled pictures are not beside the project")
    folder = tmp_path_factory.mktemp("composed")
    lesson = compose_lesson(DEFAULT_DATA, folder)
    out = folder / "out"
    result = run_lesson(read_lesson_file(lesson.path), out)
    record = json.loads((out / "lesson.json").read_text())
    return Processed(lesson, result, record, list(csv.DictReader(io.StringIO((out / "seconds.csv").read_text()))))


def off_by(text: str, truth: datetime) -> float:
    return abs((datetime.fromisoformat(text) - truth).total_seconds())


def test_bounds_within_a_second_and_a_half(processed: Processed) -> None:
    truth = processed.lesson.truth
    assert off_by(processed.record["starts_at"], truth.starts_at) < 1.5
    assert off_by(processed.record["ends_at"], truth.ends_at) < 1.5


def test_the_right_disconnects(processed: Processed) -> None:
    for side, gaps in processed.lesson.truth.disconnects.items():
        found = processed.record["disconnects"][side]
        assert len(found) == len(gaps), side
        for gap, (start, end) in zip(found, gaps, strict=True):
            assert off_by(gap["from"], start) < 1.5
            assert off_by(gap["to"], end) < 1.5


def test_nine_moments_that_are_childrens_smiles_none_with_an_adult(processed: Processed) -> None:
    assert processed.result.state is LessonState.DONE
    scenes = [processed.lesson.truth.stretch_at(moment["pts_seconds"]).scene for moment in processed.record["moments"]]
    assert Counter(scenes) == {"child_smile": 9}


def test_who_was_there_second_by_second(processed: Processed) -> None:
    truth = processed.lesson.truth.seconds
    assert len(processed.seconds) == len(truth)
    faces = {"child_smile": "1", "child_neutral": "1", "adult_smile": "1", "child_and_adult": "2", "nobody": "0", "off": ""}
    known = [(row, scene) for row, scene in zip(processed.seconds, truth, strict=True) if scene in faces]
    right = sum(row["faces"] == faces[scene] for row, scene in known)
    assert right / len(known) >= 0.97
