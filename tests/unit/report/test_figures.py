"""Minutes, curves and lanes: what is counted, where a curve has a gap, and that nothing grows with the lesson."""

from __future__ import annotations

import pytest

from tests.unit.report.lessons import a_document, span, the_seconds
from workers.report.figures import (
    in_words,
    lesson_time,
    merged,
    on_spans,
    presence_of,
    smoothed,
    spans_where,
    thinned,
    ticks,
)
from workers.report.reading import read_lesson, read_seconds


def test_who_was_there_is_counted_in_seconds() -> None:
    lesson = read_lesson(a_document(100), the_seconds(100))
    presence = presence_of(lesson)
    assert presence is not None
    # Off in 60 and 61, nobody from 48 to 51, a parent by shoulder from 20 to 39, an adult's face from 91 on.
    assert (presence.child_seen, presence.child_alone) == (94, 94 - 20 - 9)
    assert (presence.adult_face, presence.parent_shoulder) == (9, 20)
    assert (presence.nobody, presence.camera_off, presence.not_looked_at) == (4, 2, 0)


def test_a_shoulder_without_a_face_is_somebody() -> None:
    empty = the_seconds(100, every={"faces": 0, "child_faces": 0, "adult_faces": 0})
    presence = presence_of(read_lesson(a_document(100), empty))
    assert presence is not None
    assert presence.nobody == 80
    assert presence.child_alone == 0


def test_what_was_not_looked_for_is_not_known() -> None:
    presence = presence_of(read_lesson(a_document(100, parent_shoulder=None), the_seconds(100)))
    assert presence is not None
    assert presence.parent_shoulder is None
    assert presence_of(read_lesson(a_document(100), None)) is None


def test_a_camera_that_was_on_over_an_unreadable_picture() -> None:
    unread = the_seconds(10, every={"faces": "", "child_faces": "", "adult_faces": ""})
    presence = presence_of(read_lesson(a_document(10), unread))
    assert presence is not None
    assert presence.not_looked_at == 10 - presence.camera_off
    assert presence.nobody == 0


def test_smoothing_keeps_a_constant_and_calms_a_flicker() -> None:
    assert smoothed([0.5] * 20, 5) == pytest.approx([0.5] * 20)
    calm = smoothed([0.0, 1.0] * 20, 5)
    assert all(value is not None and 0.4 < value < 0.6 for value in calm[5:-5])


def test_a_gap_stays_a_gap_and_a_blink_is_bridged() -> None:
    curve = smoothed([0.2] * 5 + [None] * 2 + [0.2] * 5 + [None] * 3 + [0.2] * 5, 4)
    assert [value is None for value in curve] == [False] * 12 + [True] * 3 + [False] * 5
    assert smoothed([None, None, 0.3, None], 4) == [None, None, 0.3, None]
    assert smoothed([], 4) == []


def test_a_thinned_curve_keeps_means_and_gaps() -> None:
    assert thinned([0.0, 1.0, None, None, 0.5, None, None, None], 4) == [(1.0, 0.5), (3.0, None), (5.0, 0.5), (7.0, None)]
    assert thinned([], 4) == []
    assert len(thinned([0.1] * 21_600, 440)) <= 440


def test_spans_are_half_open() -> None:
    seconds = read_seconds(the_seconds(100))
    assert spans_where(seconds, lambda second: second.student_on) == [(0.0, 60.0), (62.0, 100.0)]
    assert spans_where(seconds, lambda _: False) == []


def test_spans_that_cannot_be_told_apart_are_drawn_as_one() -> None:
    assert merged([(0, 4), (5, 9), (20, 21), (99, 100)], 2, 100) == [(0, 9), (20, 22), (99, 100)]
    flicker = [(float(second), second + 1.0) for second in range(0, 21_600, 2)]
    assert len(merged(flicker, 25, 21_600)) < 440


def test_what_is_left_between_disconnects() -> None:
    assert on_spans(100, [(60, 70), (0, 5), (65, 80)]) == [(5, 60), (80, 100.0)]
    assert on_spans(100, []) == [(0.0, 100.0)]
    assert on_spans(100, [(0, 100)]) == []


def test_spans_of_the_record_bound_the_lanes() -> None:
    lesson = read_lesson(a_document(100, disconnects={"student": [span(10, 12)]}), None)
    assert on_spans(lesson.n_seconds, lesson.spans(lesson.document.disconnects["student"])) == [(0.0, 10.0), (12.0, 100.0)]


@pytest.mark.parametrize("n_seconds", [1, 9, 61, 2700, 21_600, 200_000])
@pytest.mark.parametrize("most", [5, 10])
def test_ticks_are_few(n_seconds: int, most: int) -> None:
    times = ticks(n_seconds, most)
    assert times[0] == 0
    assert times[-1] <= n_seconds
    assert len(times) <= max(most, n_seconds / 14_400) + 1


def test_times_are_written_as_people_do() -> None:
    assert [lesson_time(time) for time in (0, 65.9, 3599, 3605)] == ["0:00", "1:05", "59:59", "1:00:05"]
    assert [in_words(time) for time in (0, 59, 124, 2700, 21_600, 3605)] == [
        "0 s",
        "59 s",
        "2 min 4 s",
        "45 min",
        "6 h",
        "1 h 5 s",
    ]
