"""From measured tasks to a fit: a straight line over the frames for each stage. Called by `smilereel simulate --fit` and the benchmark."""

from __future__ import annotations

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from shared.catalogue import STAGES
from shared.ledger import Ledger
from shared.tables import StageRunRow
from workers.capacity.service import LESSON_STAGES, SEGMENT_STAGES, CapacityInvalid, Fit, StageTimes

# A worker that waits longer has found its queue empty.
LONGEST_GAP_SECONDS = 0.25
FEWEST_RUNS = 3
_COUNTS_FRAMES = "detect_faces"


@dataclass(frozen=True, slots=True)
class Watched:
    """A task as `stopwatch.py` wrote it down; `frames` is None for a stage of a whole lesson."""

    stage: str
    room: str
    worker: int
    lesson: str
    frames: int | None
    began: float
    ended: float
    puts: int = 0
    gets: int = 0
    put_bytes: int = 0
    get_bytes: int = 0

    @property
    def seconds(self) -> float:
        return self.ended - self.began


def read_stopwatch(folder: Path) -> list[Watched]:
    """All tasks of a run, by their beginnings."""
    lines = [line for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]
    return sorted((Watched(**json.loads(line)) for line in lines), key=lambda task: task.began)


def line_of(points: Sequence[tuple[float, float]]) -> StageTimes:
    """The straight line through (frames, seconds), nowhere below zero. Where all have as many frames it is flat."""
    frames, seconds = [x for x, _ in points], [y for _, y in points]
    slope, fixed = 0.0, statistics.fmean(seconds)
    if len(set(frames)) > 1:
        slope, fixed = statistics.linear_regression(frames, seconds)
        if slope < 0:
            slope, fixed = 0.0, statistics.fmean(seconds)
        elif fixed < 0:
            slope, fixed = sum(x * y for x, y in points) / sum(x * x for x in frames), 0.0
    off = [y / line - 1 for x, y in points if (line := fixed + slope * x) > 0]
    spread = math.sqrt(statistics.fmean(part * part for part in off)) if off else 0.0
    return StageTimes(seconds=fixed, seconds_per_frame=slope, spread=min(spread, 3.0), runs=len(points))


def stages_of(tasks: Iterable[Watched]) -> dict[str, StageTimes]:
    """The line of each stage, of watched tasks.

    Raises:
        CapacityInvalid: a stage is missing.
    """
    tasks = list(tasks)
    frames_of_lesson: dict[str, int] = defaultdict(int)
    for task in tasks:
        if task.stage == _COUNTS_FRAMES:
            frames_of_lesson[task.lesson] += task.frames or 0
    points: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for task in tasks:
        points[task.stage].append((task.frames or frames_of_lesson[task.lesson], task.seconds))
    return _lines(points, "the run")


def gap_of(tasks: Iterable[Watched], room: str) -> float:
    """The usual time from one task's end to the next one's start in the same worker, where the next one was there already."""
    ended: dict[int, float] = {}
    gaps = []
    for task in tasks:
        if task.room == room:
            if task.worker in ended and 0 <= (gap := task.began - ended[task.worker]) < LONGEST_GAP_SECONDS:
                gaps.append(gap)
            ended[task.worker] = task.ended
    return statistics.median(gaps) if gaps else 0.0


def fit_ledger(ledger: Ledger, base: Fit, where: str) -> Fit:
    """The base's fit with the seconds per stage of a ledger's own runs in place of its own.

    The ledger times a stage's work alone; what the worker does around it (queue, ledger, the next message) is the base's
    `unchanged_seconds`.

    Raises:
        CapacityInvalid: the ledger holds too few finished runs of a stage.
        LedgerAway, SchemaMissing: the ledger cannot be read.
    """
    query = select(
        StageRunRow.lesson_id, StageRunRow.work_version, StageRunRow.stage, StageRunRow.seconds, StageRunRow.items,
        StageRunRow.segment_index,
    ).where(StageRunRow.finished, StageRunRow.work_version != "", StageRunRow.seconds > 0)  # fmt: skip
    with ledger.database.reading() as session:
        rows = session.execute(query).all()
    frames_of_segment = {(*row[:2], row.segment_index): row.items for row in rows if row.stage == _COUNTS_FRAMES}
    frames_of_lesson: dict[tuple[str, str], int] = defaultdict(int)
    for (lesson_id, version, _), frames in frames_of_segment.items():
        frames_of_lesson[lesson_id, version] += frames
    points: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        lesson = (row.lesson_id, row.work_version)
        frames = (
            frames_of_lesson[lesson] if row.stage in LESSON_STAGES else frames_of_segment.get((*lesson, row.segment_index), 0)
        )
        if frames:
            points[row.stage].append((frames, row.seconds + base.unchanged_seconds))
    return base.model_copy(update={"stages": _lines(points, "the ledger"), "where": where, "command": "smilereel simulate --fit"})


def _lines(points: dict[str, list[tuple[float, float]]], source: str) -> dict[str, StageTimes]:
    few = [stage for stage in (*SEGMENT_STAGES, *LESSON_STAGES) if len(points.get(stage, ())) < FEWEST_RUNS]
    if few:
        raise CapacityInvalid(
            f"There are fewer than {FEWEST_RUNS} finished runs of {few[0]} in {source}; let it process at least {FEWEST_RUNS} lessons."
        )
    return {stage: line_of(points[stage]) for stage in STAGES}
