"""The lesson in figures: who was there for how long, smoothed curves, lanes of on and off. Pure; `page.py` and `charts.py` call it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .reading import LessonData, Second

Span = tuple[float, float]
Curve = Sequence[float | None]
# A curve goes on over so many unseen seconds; over more of them it has a gap.
BRIDGED_SECONDS = 2
TICK_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)


@dataclass(frozen=True, slots=True)
class Presence:
    """Seconds of the lesson in which each holds; they overlap. None: nobody looked for it."""

    child_seen: int
    child_alone: int
    adult_face: int
    parent_shoulder: int | None
    nobody: int
    camera_off: int
    not_looked_at: int


def presence_of(lesson: LessonData) -> Presence | None:
    """Who was there, in seconds; None without per-second data.

    `child_alone` is exactly one face, a child's, and no parent by shoulder; `nobody` neither a face nor a shoulder.
    """
    if lesson.seconds is None:
        return None
    beside = shoulder_seconds(lesson)
    rows = list(enumerate(lesson.seconds))
    return Presence(
        child_seen=sum(bool(row.child_faces) for _, row in rows),
        child_alone=sum(row.faces == 1 and row.child_faces == 1 and second not in beside for second, row in rows),
        adult_face=sum(bool(row.adult_faces) for _, row in rows),
        parent_shoulder=None if lesson.document.parent_shoulder is None else len(beside),
        nobody=sum(row.faces == 0 and second not in beside for second, row in rows),
        camera_off=sum(not row.student_on for _, row in rows),
        not_looked_at=sum(row.student_on and row.faces is None for _, row in rows),
    )


def shoulder_seconds(lesson: LessonData) -> set[int]:
    """The lesson's seconds in which a parent sat beside the child."""
    spans = lesson.spans(lesson.document.parent_shoulder or [])
    return {second for begin, end in spans for second in range(round(begin), round(end))}


def has_smiles(lesson: LessonData) -> bool:
    """Whether any second tells of a smile."""
    return any(second.p_smile is not None for second in lesson.seconds or ())


def smoothed(values: Curve, reach_seconds: int) -> list[float | None]:
    """The mean around each second, nearer ones counting more (triangular weights up to `reach_seconds` away).

    Unseen seconds (None) count for nothing, and stay None but for at most `BRIDGED_SECONDS` in a row between seen ones.
    """
    known = [second for second, value in enumerate(values) if value is not None]
    drawn = set(known)
    for one, other in pairwise(known):
        if other - one <= BRIDGED_SECONDS + 1:
            drawn.update(range(one, other))
    return [_near(values, second, reach_seconds) if second in drawn else None for second in range(len(values))]


def _near(values: Curve, second: int, reach_seconds: int) -> float:
    total = weights = 0.0
    for other in range(max(0, second - reach_seconds), min(len(values), second + reach_seconds + 1)):
        value = values[other]
        if value is not None:
            weight = reach_seconds + 1 - abs(other - second)
            total, weights = total + weight * value, weights + weight
    return total / weights


def thinned(values: Curve, most_points: int) -> list[tuple[float, float | None]]:
    """At most so many points (middle of the seconds it stands for, their mean); None where fewer than half of them have a value."""
    step = max(1, -(-len(values) // most_points))
    points: list[tuple[float, float | None]] = []
    for start in range(0, len(values), step):
        part = values[start : start + step]
        known = [value for value in part if value is not None]
        points.append((start + len(part) / 2, sum(known) / len(known) if known and 2 * len(known) >= len(part) else None))
    return points


def spans_where(seconds: Sequence[Second], holds: Callable[[Second], bool]) -> list[Span]:
    """Where something holds, as half-open spans of lesson seconds."""
    spans: list[Span] = []
    for second, row in enumerate(seconds):
        if not holds(row):
            continue
        if spans and spans[-1][1] == second:
            spans[-1] = (spans[-1][0], second + 1.0)
        else:
            spans.append((float(second), second + 1.0))
    return spans


def on_spans(n_seconds: int, off: Sequence[Span]) -> list[Span]:
    """What is left of the lesson between the spans in which a camera was off."""
    spans, begin = [], 0.0
    for off_from, off_to in sorted(off):
        if off_from > begin:
            spans.append((begin, off_from))
        begin = max(begin, off_to)
    return [*spans, (begin, float(n_seconds))] if begin < n_seconds else spans


def merged(spans: Sequence[Span], least: float, n_seconds: float) -> list[Span]:
    """The spans as they can be seen: none shorter than `least` seconds, none nearer than that to another."""
    seen: list[Span] = []
    for begin, end in sorted(spans):
        wide = (begin, min(max(end, begin + least), n_seconds))
        if seen and wide[0] - seen[-1][1] < least:
            seen[-1] = (seen[-1][0], max(seen[-1][1], wide[1]))
        else:
            seen.append(wide)
    return seen


def ticks(n_seconds: int, most: int) -> list[int]:
    """Round times for an axis, at most so many after 0."""
    step = next((step for step in TICK_STEPS if n_seconds / step <= most), TICK_STEPS[-1])
    return list(range(0, n_seconds + 1, step))


def lesson_time(seconds: float) -> str:
    """Time since the lesson's start: 0:05, 12:30, 1:02:05."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def in_minutes(seconds: float) -> str:
    """Like 12.5 min."""
    return f"{seconds / 60:.1f} min"


def in_words(seconds: float) -> str:
    """Like 6 h, 45 min, or 2 min 4 s."""
    minutes, rest = divmod(round(seconds), 60)
    parts = [(minutes // 60, "h"), (minutes % 60, "min"), (rest, "s")]
    return " ".join(f"{value} {unit}" for value, unit in parts if value) or "0 s"
