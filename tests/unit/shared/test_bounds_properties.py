"""Lesson bounds, gaps and segments for any recordings: whatever the cameras did, the numbers fit together."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.connection import Connection, Interval, connect
from shared.errors import NoCommonTime
from shared.lesson import Side
from shared.records import LessonPlan
from tests.builders import STARTS_AT, a_lesson
from workers.cpu.plan import Measured, PlanLimits, make_plan

T0 = STARTS_AT.timestamp()
UNHURRIED = settings(deadline=None)

# Whole seconds meet exactly, sixteenths lie between them, and milliseconds are as a browser writes them.
units = st.sampled_from((1.0, 1 / 16, 1e-3))


@st.composite
def spans(draw: st.DrawFn, most_seconds: int = 300) -> list[Interval]:
    """The recordings of one side, in any order; they may touch, overlap and lie inside each other."""
    unit = draw(units)
    most = int(most_seconds / unit)
    pairs = draw(st.lists(st.tuples(st.integers(0, most), st.integers(1, most // 2)), min_size=1, max_size=5))
    return [Interval(T0 + start * unit, T0 + (start + length) * unit) for start, length in pairs]


tolerances = st.sampled_from((0.0, 0.5, 2.0, 30.0))


def connected(student: list[Interval], teacher: list[Interval], tolerance: float = 2.0) -> Connection:
    try:
        return connect(student, teacher, tolerance_seconds=tolerance)
    except NoCommonTime:
        assume(False)
        raise


def length_of_union(intervals: list[Interval], inside: Interval) -> Fraction:
    """Seconds of `inside` that any of these covers, counted without rounding."""
    total, until = Fraction(0), Fraction(inside.start)
    for interval in sorted(intervals):
        start, end = max(Fraction(interval.start), until), min(Fraction(interval.end), Fraction(inside.end))
        if end > start:
            total, until = total + (end - start), end
    return total


@UNHURRIED
@given(student=spans(), teacher=spans() | st.just([]), tolerance=tolerances)
def test_the_lesson_lies_inside_both_sides(student: list[Interval], teacher: list[Interval], tolerance: float) -> None:
    lesson = connected(student, teacher, tolerance).lesson
    assert lesson.start < lesson.end
    for side in (student, teacher or student):
        assert min(span.start for span in side) <= lesson.start
        assert lesson.end <= max(span.end for span in side)


@UNHURRIED
@given(student=spans(), teacher=spans(), tolerance=tolerances)
def test_cameras_that_were_on_together_have_a_lesson_and_only_those(
    student: list[Interval], teacher: list[Interval], tolerance: float
) -> None:
    together = [(max(s.start, t.start), min(s.end, t.end)) for s in student for t in teacher]
    begins = [start for start, end in together if start < end]
    try:
        lesson = connect(student, teacher, tolerance_seconds=tolerance).lesson
    except NoCommonTime:
        assert not begins
        return
    if begins:
        assert lesson.start <= min(begins)
        assert lesson.end >= max(end for start, end in together if start < end)
    if tolerance == 0.0:
        assert lesson.start == min(begins)


@UNHURRIED
@given(student=spans(), teacher=spans() | st.just([]), tolerance=tolerances)
def test_gaps_and_spans_tile_the_lesson(student: list[Interval], teacher: list[Interval], tolerance: float) -> None:
    connection = connected(student, teacher, tolerance)
    lesson = connection.lesson
    for side, gaps in ((student, connection.student_gaps), (teacher or student, connection.teacher_gaps)):
        if side is student and not teacher and gaps is connection.teacher_gaps:
            assert gaps == ()
            continue
        assert list(gaps) == sorted(gaps)
        assert all(lesson.start <= gap.start < gap.end <= lesson.end for gap in gaps)
        assert all(earlier.end < later.start for earlier, later in zip(gaps, gaps[1:], strict=False))
        assert length_of_union([*side, *gaps], lesson) == length_of_union(side, lesson) + length_of_union(list(gaps), lesson)
        # What neither covers is shorter than the tolerance, piece by piece.
        off = _holes([*side, *gaps], lesson)
        assert all(end - start < max(tolerance, 1e-9) for start, end in off)


def _holes(intervals: list[Interval], inside: Interval) -> list[tuple[Fraction, Fraction]]:
    holes, until = [], Fraction(inside.start)
    for interval in sorted(intervals):
        start = min(Fraction(interval.start), Fraction(inside.end))
        if start > until:
            holes.append((until, start))
        until = max(until, Fraction(interval.end))
    return [*holes, (until, Fraction(inside.end))] if until < inside.end else holes


@UNHURRIED
@given(student=spans(), teacher=spans() | st.just([]), tolerance=tolerances, data=st.data())
def test_the_order_of_recordings_does_not_matter(
    student: list[Interval], teacher: list[Interval], tolerance: float, data: st.DataObject
) -> None:
    connection = connected(student, teacher, tolerance)
    shuffled = data.draw(st.permutations(student)), data.draw(st.permutations(teacher))
    assert connect(*shuffled, tolerance_seconds=tolerance) == connection


def planned(student: list[Interval], teacher: list[Interval], limits: PlanLimits) -> LessonPlan:
    measured: dict[Side, list[Measured]] = {
        "student": [Measured(index, span, first_pts_seconds=index / 4) for index, span in enumerate(student)],
        "teacher": [Measured(index, span, first_pts_seconds=0.0) for index, span in enumerate(teacher)],
    }
    try:
        return make_plan(a_lesson() if teacher else a_lesson(teacher=[]), measured, [], limits)
    except NoCommonTime:
        assume(False)
        raise


@UNHURRIED
@given(student=spans(60), teacher=spans(60) | st.just([]), longest=st.sampled_from((1, 7, 64)), tolerance=tolerances)
def test_segments_hold_each_second_of_the_students_camera_once(
    student: list[Interval], teacher: list[Interval], longest: int, tolerance: float
) -> None:
    plan = planned(student, teacher, PlanLimits(segment_seconds=longest, disconnect_tolerance_seconds=tolerance))
    begin, end = connected(student, teacher, tolerance).lesson.start, connected(student, teacher, tolerance).lesson.end
    assert [segment.index for segment in plan.segments] == list(range(len(plan.segments)))
    assert all(1 <= segment.end_second - segment.start_second <= longest for segment in plan.segments)
    seconds = [second for segment in plan.segments for second in range(segment.start_second, segment.end_second)]
    assert seconds == sorted(set(seconds))
    assert all(0 <= second < plan.n_seconds for second in seconds)
    assert set(seconds) >= {second for second, on in enumerate(plan.student_on) if on}
    for segment in plan.segments:
        span = student[segment.recording_index]
        for second in range(segment.start_second, segment.end_second):
            assert max(span.start, begin + second) < min(span.end, begin + second + 1), "the camera was off"
        assert begin + segment.start_second < end
        # The decoder's own time of a moment: the recording's first one plus what has passed since it began.
        own = begin - span.start + segment.recording_index / 4
        assert segment.pts_offset_seconds == pytest.approx(own, abs=1e-6)


@UNHURRIED
@given(student=spans(60), teacher=spans(60) | st.just([]))
def test_a_plan_is_as_long_as_its_lesson(student: list[Interval], teacher: list[Interval]) -> None:
    plan = planned(student, teacher, PlanLimits())
    lesson = connected(student, teacher).lesson
    assert plan.n_seconds == len(plan.student_on) == len(plan.teacher_on) >= 1
    assert abs(plan.n_seconds - lesson.seconds) <= 0.5 or (plan.n_seconds == 1 and lesson.seconds < 1)
    assert plan.seconds == pytest.approx(lesson.seconds, abs=1e-5)
    assert all(plan.starts_at <= gap.from_ < gap.to <= plan.ends_at for gaps in plan.disconnects.values() for gap in gaps)
    if not teacher:
        assert not any(plan.teacher_on)
