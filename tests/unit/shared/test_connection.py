"""Lesson bounds and disconnects from intervals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.connection import Interval, connect, gaps_inside, merge, seconds_on
from shared.errors import NoCommonTime

I = Interval  # noqa: E741


def test_lesson_starts_when_both_are_on_and_ends_when_either_goes_off_for_good() -> None:
    connection = connect([I(30, 600)], [I(0, 500)])
    assert connection.lesson == I(30, 500)
    assert connection.student_gaps == connection.teacher_gaps == ()


def test_a_reconnect_is_a_gap_of_its_side_only() -> None:
    connection = connect([I(40, 300), I(315, 600)], [I(0, 100), I(108, 590)])
    assert connection.lesson == I(40, 590)
    assert connection.student_gaps == (I(300, 315),)
    assert connection.teacher_gaps == (I(100, 108),)


def test_rejoining_before_the_old_recording_stopped_is_no_gap() -> None:
    connection = connect([I(0, 300), I(290, 600)], [I(0, 600)])
    assert connection.lesson == I(0, 600)
    assert connection.student_gaps == ()


@pytest.mark.parametrize(("gap", "gaps"), [(1.9, 0), (2.0, 1), (5.0, 1)])
def test_a_gap_under_the_tolerance_is_none(gap: float, gaps: int) -> None:
    connection = connect([I(0, 100), I(100 + gap, 200)], [I(0, 200)], tolerance_seconds=2.0)
    assert len(connection.student_gaps) == gaps


def test_a_camera_that_is_off_when_the_other_first_comes_on_does_not_start_the_lesson() -> None:
    # The teacher left before the student came, and came back later.
    connection = connect([I(50, 600)], [I(0, 40), I(100, 500)])
    assert connection.lesson == I(100, 500)


def test_both_leave_and_come_back() -> None:
    connection = connect([I(0, 100), I(200, 300)], [I(0, 100), I(200, 300)])
    assert connection.lesson == I(0, 300)
    assert connection.student_gaps == connection.teacher_gaps == (I(100, 200),)


def test_without_a_teacher_the_students_own_times_bound_the_lesson() -> None:
    connection = connect([I(5, 60), I(70, 90)], [])
    assert connection.lesson == I(5, 90)
    assert connection.student_gaps == (I(60, 70),)
    assert connection.teacher_gaps == ()


@pytest.mark.parametrize("teacher", [I(10, 20), I(20.5, 30)])
def test_no_common_time_is_refused(teacher: Interval) -> None:
    with pytest.raises(NoCommonTime, match="never on together"):
        connect([I(0, 10)], [teacher])


@pytest.mark.parametrize(("start", "end"), [(1, 1), (2, 1), (float("nan"), 1)])
def test_an_interval_ends_after_its_start(start: float, end: float) -> None:
    with pytest.raises(ValueError, match="ends after"):
        I(start, end)


def test_seconds_on_needs_half_of_the_second() -> None:
    assert seconds_on([I(0, 1.4), I(2.6, 4)], I(0, 4), 4) == [True, False, False, True]


SPANS = st.lists(st.tuples(st.integers(0, 500), st.integers(1, 200)).map(lambda p: I(p[0], p[0] + p[1])), min_size=1, max_size=6)


@given(student=SPANS, teacher=SPANS, tolerance=st.sampled_from([0.0, 2.0, 10.0]))
def test_bounds_hold_for_any_spans(student: list[Interval], teacher: list[Interval], tolerance: float) -> None:
    try:
        connection = connect(student, teacher, tolerance_seconds=tolerance)
    except NoCommonTime:
        assert not any(max(s.start, t.start) < min(s.end, t.end) for s in student for t in teacher)
        return
    lesson = connection.lesson
    assert max(min(s.start for s in student), min(t.start for t in teacher)) <= lesson.start
    assert lesson.end == min(max(s.end for s in student), max(t.end for t in teacher))
    for spans, gaps in ((student, connection.student_gaps), (teacher, connection.teacher_gaps)):
        for gap in gaps:
            assert gap.seconds >= tolerance or gap.end == lesson.end, "only the lesson's end may shorten a gap"
            assert lesson.start <= gap.start < gap.end <= lesson.end
            assert not any(max(s.start, gap.start) < min(s.end, gap.end) for s in spans)


@given(spans=SPANS)
def test_merged_spans_and_gaps_tile_the_whole(spans: list[Interval]) -> None:
    merged = merge(spans, 0.0)
    whole = I(merged[0].start, merged[-1].end)
    gaps = gaps_inside(merged, whole)
    assert sum(part.seconds for part in (*merged, *gaps)) == pytest.approx(whole.seconds)
