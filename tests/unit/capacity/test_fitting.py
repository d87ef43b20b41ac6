"""Lines through measured times, from a stopwatch's records and from a ledger."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks.scaling_loads import gaps_of
from benchmarks.scaling_run import Figures
from shared.ledger import Ledger, open_ledger
from shared.tables import LessonRow, StageRunRow
from tests.unit.capacity.builders import a_fit
from workers.capacity import stopwatch
from workers.capacity.fitting import Watched, fit_ledger, gap_of, line_of, read_stopwatch, stages_of
from workers.capacity.service import LESSON_STAGES, ROOM_OF, SEGMENT_STAGES, CapacityInvalid, load_fit


def test_line_is_found_in_noise() -> None:
    rng = random.Random(1)
    points = [(float(x), (0.5 + 0.02 * x) * rng.gauss(1, 0.1)) for x in range(10, 210)]
    line = line_of(points)
    assert line.seconds == pytest.approx(0.5, rel=0.15)
    assert line.seconds_per_frame == pytest.approx(0.02, rel=0.1)
    assert line.spread == pytest.approx(0.1, rel=0.2)


@pytest.mark.parametrize(
    ("points", "seconds", "per_frame"),
    [
        ([(10, 2.0), (10, 4.0)], 3.0, 0.0),
        ([(10, 3.0), (20, 1.0)], 2.0, 0.0),
        ([(10, 0.5), (20, 2.0), (30, 3.5)], 0.0, 10.0 * (0.5 + 4.0 + 10.5) / 1400),
    ],
    ids=["all as long", "falling", "below zero"],
)
def test_line_never_goes_below_zero(points: list[tuple[float, float]], seconds: float, per_frame: float) -> None:
    line = line_of(points)
    assert [line.seconds, line.seconds_per_frame] == pytest.approx([seconds, per_frame], rel=1e-6)


def watched(stage: str, lesson: str, began: float, ended: float, frames: int | None = 10, worker: int = 1) -> Watched:
    return Watched(stage, ROOM_OF[stage], worker, lesson, frames, began, ended)


def test_gap_is_the_usual_one_of_a_worker_that_had_work() -> None:
    times = [(0.0, 1.0), (1.02, 2.0), (2.02, 3.0), (3.02, 4.0), (9.0, 10.0)]
    tasks = [watched("detect_faces", "a", *time) for time in times] + [watched("detect_faces", "a", 1.005, 1.01, worker=2)]
    assert gap_of(tasks, "gpu") == pytest.approx(0.02)
    assert gap_of(tasks, "cpu") == 0.0


def test_the_gap_is_the_busier_rooms() -> None:
    """The other room's short gaps are waits for work, and would make every prediction too long."""
    busy = [watched("decode_segment", "a", number, number + 0.99) for number in range(9)]
    idle = [watched("detect_faces", "a", number, number + 0.8, worker=2) for number in range(9)]
    run = Figures(cpu=1, gpu=1, lessons=1, seconds=9.0, done=1, watched=sorted(busy + idle, key=lambda task: task.began))
    assert gaps_of([run]) == pytest.approx({"cpu": 0.01, "gpu": 0.01})


def test_stages_of_whole_lessons_go_by_the_lessons_frames() -> None:
    tasks = []
    for number, segments in enumerate([1, 2, 4]):
        lesson = f"lesson-{number}"
        tasks += [watched(stage, lesson, 0, 1) for stage in SEGMENT_STAGES for _ in range(segments)]
        tasks += [watched(stage, lesson, 0, 1 + 0.1 * 10 * segments, frames=None) for stage in LESSON_STAGES]
    line = stages_of(tasks)["pick_moments"]
    assert [line.seconds, line.seconds_per_frame] == pytest.approx([1.0, 0.1])


def test_too_few_runs_are_told() -> None:
    with pytest.raises(CapacityInvalid, match="fewer than 3 finished runs of decode_segment in the run"):
        stages_of([watched("detect_faces", "a", 0, 1)])


def test_stopwatch_writes_a_line_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(stopwatch.FOLDER, str(tmp_path))

    class Task:
        name = "smilereel.gpu.detect_faces"

    message = {"lesson_id": "a", "segment": {"index": 0, "start_second": 64, "end_second": 100}}
    stopwatch._begin(task=Task(), args=[message], kwargs={})
    stopwatch._count("put", 7)
    stopwatch._end()
    Task.name = "smilereel.cpu.sweep_store"
    stopwatch._begin(task=Task(), args=[], kwargs={})
    stopwatch._end()
    (task,) = read_stopwatch(tmp_path)
    assert (task.stage, task.room, task.lesson, task.frames) == ("detect_faces", "gpu", "a", 36)
    assert (task.puts, task.put_bytes, task.gets) == (1, 7, 0)
    assert task.seconds >= 0


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite3")
    made.create_schema()
    return made


def fill(ledger: Ledger, lessons: int, **detect: Any) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    with ledger.database.transaction() as session:
        for number in range(lessons):
            lesson_id, frames = f"lesson-{number}", 20 + 10 * number
            session.add(
                LessonRow(
                    lesson_id=lesson_id, content_sha256="0" * 64, document={}, state="done", n_segments=1, facts={}, created_at=at,
                    updated_at=at,
                )
            )  # fmt: skip
            session.flush()
            for stage in (*SEGMENT_STAGES, *LESSON_STAGES):
                run = {"seconds": 0.5 + 0.1 * frames, "items": frames, "finished": True, "segment_index": 0}
                run |= detect if stage == "detect_faces" else {}
                session.add(StageRunRow(lesson_id=lesson_id, work_version="v", stage=stage, **run))
                session.add(
                    StageRunRow(lesson_id=lesson_id, work_version="", stage=stage, segment_index=0, finished=True, seconds=9)
                )


def test_a_ledgers_runs_become_a_fit(ledger: Ledger) -> None:
    fill(ledger, 5)
    base = a_fit().model_copy(update={"unchanged_seconds": 0.25})
    fit = fit_ledger(ledger, base, "here")
    for stage in (*SEGMENT_STAGES, *LESSON_STAGES):
        assert fit.stages[stage].seconds == pytest.approx(0.75), stage
        assert fit.stages[stage].seconds_per_frame == pytest.approx(0.1), stage
    assert (fit.where, fit.loads) == ("here", base.loads)


def test_a_ledger_without_runs_is_told(ledger: Ledger) -> None:
    fill(ledger, 5, finished=False)
    with pytest.raises(CapacityInvalid, match="fewer than 3 finished runs"):
        fit_ledger(ledger, a_fit(), "here")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "cannot be used"),
        ("{}", "Field required"),
        (json.dumps({**a_fit().model_dump(), "stages": {}}), "says nothing about plan_lesson"),
        (json.dumps({**a_fit().model_dump(), "gap_seconds": {"cpu": 1}}), "name cpu and gpu"),
        (json.dumps({**a_fit().model_dump(), "unchanged_seconds": -1}), "unchanged_seconds"),
        (None, "cannot be read: No such file"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_a_fit_that_cannot_be_used_is_told(tmp_path: Path, content: str | bytes | None, says: str) -> None:
    path = tmp_path / "fit.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CapacityInvalid, match=says):
        load_fit(path)


def test_a_fit_survives_its_file(tmp_path: Path) -> None:
    (tmp_path / "fit.json").write_text(a_fit().model_dump_json())
    assert load_fit(tmp_path / "fit.json") == a_fit()
