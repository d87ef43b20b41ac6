"""The composed lesson's schedule: what the student's camera shows when. Numbers in, no pixels; `compose.py` plays it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Literal

Scene = Literal["child_smile", "child_neutral", "adult_smile", "child_and_adult", "nobody", "dark", "off"]

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
    next of neutral child, adult alone smiling, smiling child with an adult beside, empty room, dark. The block of the student's gap ends
    with `off`. The last block is as long as what is left.

    Raises:
        ValueError: the lesson is too short for both gaps and every scene to find room.
    """
    if seconds < SHORTEST_LESSON_SECONDS:
        raise ValueError(f"a composed lesson needs at least {SHORTEST_LESSON_SECONDS} seconds, not {seconds}")
    lot = random.Random(seed)
    gap_start, gap_end = student_gap(seconds)
    fillers: cycle[Scene] = cycle(["adult_smile", "child_neutral", "child_and_adult", "nobody", "child_neutral", "dark"])
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
        else:
            filler_end = min(end, smile_end + lot.randint(8, 12))
            rows += [(smile_end, filler_end, next(fillers)), (filler_end, end, "child_neutral")]
    return [row for row in rows if row[1] > row[0]]
