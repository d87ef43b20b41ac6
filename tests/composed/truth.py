"""The composed lesson's schedule: what the student's camera shows when. Numbers in, no pixels; `compose.py` plays it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Literal

Scene = Literal[
    "child_smile",
    "child_neutral",
    "adult_smile",
    "child_and_adult",
    "nobody",
    "dark",
    "off",
    "child_and_shoulder",
    "neutral_and_shoulder",
    "shoulder_alone",
    "neutral_and_thing",
]
# An adult sits there without a face in view: beside a smiling child, beside a child with a neutral face, and alone.
SHOULDER_SCENES: tuple[Scene, ...] = ("child_and_shoulder", "neutral_and_shoulder", "shoulder_alone")
ADULT_SCENES: tuple[Scene, ...] = ("adult_smile", "child_and_adult", *SHOULDER_SCENES)
VISIT_SECONDS = (10, 40)

TEACHER_STARTS_AT = datetime(2026, 11, 20, 15, 0, 0, tzinfo=UTC)
STUDENT_JOINS_AFTER_SECONDS = 40
STUDENT_STAYS_ON_SECONDS = 12
STUDENT_GAP_SECONDS = 15
TEACHER_GAP_SECONDS = 8
BLOCK_SECONDS = 40
SHORTEST_LESSON_SECONDS = 4 * BLOCK_SECONDS


@dataclass(frozen=True)
class Stretch:
    """Lesson seconds `[start, end)` with one scene; `files` are the pictures shown (in the data's own names)."""

    start: int
    end: int
    scene: Scene
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class ComposedTruth:
    """Lesson bounds on the clock, each side's disconnects as (from, to), and the stretches, which leave no second out."""

    starts_at: datetime
    ends_at: datetime
    disconnects: dict[str, tuple[tuple[datetime, datetime], ...]]
    stretches: tuple[Stretch, ...]

    @property
    def seconds(self) -> tuple[Scene, ...]:
        """The scene of each lesson second; scenes change on full seconds only."""
        return tuple(stretch.scene for stretch in self.stretches for _ in range(stretch.start, stretch.end))

    @property
    def shoulder_ranges(self) -> tuple[tuple[int, int], ...]:
        """The lesson seconds `[start, end)` of each visit of an adult without a face in view."""
        ranges: list[tuple[int, int]] = []
        for stretch in self.stretches:
            if stretch.scene not in SHOULDER_SCENES:
                continue
            if ranges and ranges[-1][1] == stretch.start:
                ranges[-1] = (ranges[-1][0], stretch.end)
            else:
                ranges.append((stretch.start, stretch.end))
        return tuple(ranges)

    def stretch_at(self, pts_seconds: float) -> Stretch:
        """What is shown at a time counted from the lesson's start.

        Raises:
            ValueError: the time lies outside the lesson.
        """
        for stretch in self.stretches:
            if stretch.start <= pts_seconds < stretch.end:
                return stretch
        raise ValueError(f"the composed lesson has no second {pts_seconds}")


def at(second: float) -> datetime:
    """The clock at a lesson second."""
    return TEACHER_STARTS_AT + timedelta(seconds=STUDENT_JOINS_AFTER_SECONDS + second)


def student_gap(seconds: int) -> tuple[int, int]:
    """The lesson seconds between which the student is disconnected: the end of the block about two fifths in."""
    end = (seconds * 2 // 5 // BLOCK_SECONDS + 1) * BLOCK_SECONDS
    return end - STUDENT_GAP_SECONDS, end


def teacher_gap(seconds: int) -> tuple[int, int]:
    """The lesson seconds between which the teacher is disconnected, about seven tenths in; the student's camera goes on."""
    start = seconds * 7 // 10
    return start, start + TEACHER_GAP_SECONDS


def schedule(seconds: int, seed: int) -> list[tuple[int, int, Scene]]:
    """(start, end, scene) rows that cover `[0, seconds)` without a gap.

    The lesson is cut into blocks of 40 s. A block is: a neutral child, a smiling child for 4-8 s (the start drawn by lot), then the
    next of the fillers: an adult alone smiling, a visit (an adult without a face in view for 10-40 s, the child smiling, then with a
    neutral face or away), a smiling child with an adult's face beside, a thing at the side, an empty room, the dark. The block of the
    student's gap ends with `off`. The last block is as long as what is left.

    Raises:
        ValueError: the lesson is too short for both gaps and every scene to find room.
    """
    if seconds < SHORTEST_LESSON_SECONDS:
        raise ValueError(f"a composed lesson needs at least {SHORTEST_LESSON_SECONDS} seconds, not {seconds}")
    lot = random.Random(seed)
    gap_start, gap_end = student_gap(seconds)
    fillers: cycle[Scene] = cycle(
        ["adult_smile", "child_and_shoulder", "child_and_adult", "neutral_and_thing", "nobody", "child_and_shoulder", "dark"]
    )
    rows: list[tuple[int, int, Scene]] = []
    blocks = seconds // BLOCK_SECONDS
    for block in range(blocks):
        start = block * BLOCK_SECONDS
        end = seconds if block == blocks - 1 else start + BLOCK_SECONDS
        smile_start = start + lot.randint(5, 14)
        smile_end = smile_start + lot.randint(4, 8)
        rows += [(start, smile_start, "child_neutral"), (smile_start, smile_end, "child_smile")]
        if end == gap_end:
            rows += [(smile_end, gap_start, "child_neutral"), (gap_start, gap_end, "off")]
            continue
        filler = next(fillers)
        filling = (
            _visit(smile_end, end, lot) if filler in SHOULDER_SCENES else [(smile_end, smile_end + lot.randint(8, 12), filler)]
        )
        rows += [*filling, (filling[-1][1], end, "child_neutral")]
    return [row for row in rows if row[1] > row[0]]


def _visit(start: int, latest_end: int, lot: random.Random) -> list[tuple[int, int, Scene]]:
    """An adult comes while the child smiles and stays over parts of at least 5 s in which the child does this or that."""
    end = start + lot.randint(VISIT_SECONDS[0], min(VISIT_SECONDS[1], latest_end - start))
    scenes = cycle(["child_and_shoulder", *lot.sample(SHOULDER_SCENES, k=len(SHOULDER_SCENES))])
    cuts = [start]
    while end - cuts[-1] >= 10:
        cuts.append(cuts[-1] + lot.randint(5, min(9, end - cuts[-1] - 5)))
    return [(first, last, next(scenes)) for first, last in zip(cuts, [*cuts[1:], end], strict=True)]
