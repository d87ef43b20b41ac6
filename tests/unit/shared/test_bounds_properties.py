"""Lesson bounds, gaps and segments for any recordings: whatever the cameras did, the numbers fit together."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.connection import Connection, Interval, connect
from shared.errors import NoCommonTime
from shared.lesson import Side
from shared.records import LessonPlan
from tests.builders import STARTS_AT, a_lesson
from workers.cpu.plan import MOST_SEGMENTS, Measured, PlanLimits, make_plan

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
    sides = [(student, connection.student_gaps)]
    if teacher:
        sides.append((teacher, connection.teacher_gaps))
    else:
        assert connection.teacher_gaps == ()
    for side, gaps in sides:
        assert all(lesson.start <= gap.start < gap.end <= lesson.end for gap in gaps)
        assert all(earlier.end < later.start for earlier, later in itertools.pairwise(gaps))
        on = [(max(span.start, lesson.start), min(span.end, lesson.end)) for span in side]
        assert not any(max(start, gap.start) < min(end, gap.end) for start, end in on for gap in gaps)
        left_out = _holes([*side, *gaps], lesson)
        assert all(end - start < max(tolerance, 1e-9) for start, end in left_out), "a pause as long as the tolerance is a gap"


def _holes(intervals: list[Interval], inside: Interval) -> list[tuple[float, float]]:
    """The pieces of `inside` that none of these covers."""
    holes, until = [], inside.start
    for interval in sorted(intervals):
        if until < min(interval.start, inside.end):
            holes.append((until, min(interval.start, inside.end)))
        until = max(until, interval.end)
    return [*holes, (until, inside.end)] if until < inside.end else holes


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
    lesson = connected(student, teacher, tolerance).lesson
    assert [segment.index for segment in plan.segments] == list(range(len(plan.segments)))
    most = max(longest, math.ceil(plan.n_seconds / MOST_SEGMENTS))
    assert all(1 <= segment.end_second - segment.start_second <= most for segment in plan.segments)
    seconds = [second for segment in plan.segments for second in range(segment.start_second, segment.end_second)]
    assert seconds == sorted(set(seconds))
    assert all(0 <= second < plan.n_seconds for second in seconds)
    assert set(seconds) >= {second for second, on in enumerate(plan.student_on) if on}
    for segment in plan.segments:
        span = student[segment.recording_index]
        for second in range(segment.start_second, segment.end_second):
            start, end = lesson.start + second, min(lesson.start + second + 1, lesson.end)
            assert max(span.start, start) < min(span.end, end), "the camera was off"
        # The decoder's own time of a moment: the recording's first one plus what has passed since it began.
        own = lesson.start - span.start + segment.recording_index / 4
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
