"""When each camera was on: the lesson's bounds, disconnects and reconnects, from intervals alone.

Comes in: the spans of both sides' recordings. Goes out: the lesson's span and what is missing inside it. Called by the plan stage.
Intervals are half-open and in seconds on one common clock (whichever; the plan stage uses POSIX time).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .errors import NoCommonTime


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """A half-open span `[start, end)` in seconds.

    Raises:
        ValueError: it does not end after its start.
    """

    start: float
    end: float

    def __post_init__(self) -> None:
        if not self.end > self.start:
            raise ValueError(f"an interval ends after its start, not [{self.start}, {self.end})")

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Connection:
    """A lesson's span and the gaps of each side inside it."""

    lesson: Interval
    student_gaps: tuple[Interval, ...]
    teacher_gaps: tuple[Interval, ...]


def merge(intervals: Iterable[Interval], tolerance_seconds: float) -> list[Interval]:
    """The spans in which a camera was on: overlaps are one, and so are neighbours less than the tolerance apart."""
    merged: list[Interval] = []
    for interval in sorted(intervals):
        if merged and interval.start - merged[-1].end < max(tolerance_seconds, 1e-9):
            merged[-1] = Interval(merged[-1].start, max(merged[-1].end, interval.end))
        else:
            merged.append(interval)
    return merged


def intersect(one: Sequence[Interval], other: Sequence[Interval]) -> list[Interval]:
    """Where both are on; each argument is sorted and free of overlaps."""
    both: list[Interval] = []
    for a in one:
        for b in other:
            start, end = max(a.start, b.start), min(a.end, b.end)
            if end > start:
                both.append(Interval(start, end))
    return sorted(both)


def gaps_inside(spans: Sequence[Interval], lesson: Interval) -> tuple[Interval, ...]:
    """The parts of the lesson that no span covers; `spans` is sorted and free of overlaps."""
    gaps: list[Interval] = []
    covered_until = lesson.start
    for span in spans:
        if span.start > covered_until and covered_until < lesson.end:
            gaps.append(Interval(covered_until, min(span.start, lesson.end)))
        covered_until = max(covered_until, span.end)
    if covered_until < lesson.end:
        gaps.append(Interval(covered_until, lesson.end))
    return tuple(gaps)


def connect(student: Sequence[Interval], teacher: Sequence[Interval], *, tolerance_seconds: float = 2.0) -> Connection:
    """Find the lesson: it starts when both cameras are on for the first time and ends when either goes off for good.

    Without any teacher's span the student's own times bound the lesson. A gap shorter than the tolerance is none.

    Raises:
        NoCommonTime: the cameras were never on together.
        ValueError: the student has no span at all.
    """
    if not student:
        raise ValueError("a lesson needs a span of the student's camera")
    student_on = merge(student, tolerance_seconds)
    teacher_on = merge(teacher, tolerance_seconds) or [Interval(student_on[0].start, student_on[-1].end)]
    together = intersect(student_on, teacher_on)
    if not together:
        raise NoCommonTime(
            "The student's and the teacher's cameras were never on together, so there is no lesson; check the recordings' started_at."
        )
    lesson = Interval(together[0].start, min(student_on[-1].end, teacher_on[-1].end))
    return Connection(lesson, gaps_inside(student_on, lesson), gaps_inside(teacher_on, lesson))


def seconds_on(spans: Sequence[Interval], lesson: Interval, n_seconds: int) -> list[bool]:
    """For each second of the lesson whether the camera was on for at least half of it; `spans` free of overlaps."""
    on = []
    for second in range(n_seconds):
        start, end = lesson.start + second, min(lesson.start + second + 1, lesson.end)
        covered = sum(max(0.0, min(end, span.end) - max(start, span.start)) for span in spans)
        on.append(covered >= (end - start) / 2)
    return on
