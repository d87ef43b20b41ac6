"""From true lengths to bounds and segments."""

from __future__ import annotations

import json

import pytest

from shared.connection import Interval
from shared.errors import LessonInvalid, NoCommonTime, RecordingUnreadable
from shared.lesson import Lesson
from shared.messages import MAX_MESSAGE_BYTES, FacesClassified, dump
from shared.records import LessonPlan, Skipped, to_iso
from shared.store import segment_key
from tests.builders import STARTS_AT, a_lesson
from workers.cpu.plan import MOST_SEGMENTS, Measured, PlanLimits, make_plan, work_version

T0 = STARTS_AT.timestamp()


def measured(*spans: tuple[float, float], first_pts: float = 0.0) -> list[Measured]:
    return [Measured(index, Interval(T0 + start, T0 + end), first_pts) for index, (start, end) in enumerate(spans)]


def plan(student: list[Measured], teacher: list[Measured], lesson: Lesson | None = None, **limits: int) -> LessonPlan:
    return make_plan(lesson or a_lesson(), {"student": student, "teacher": teacher}, [], PlanLimits(**limits))


def test_bounds_and_disconnects() -> None:
    made = plan(measured((40, 300), (315, 700)), measured((0, 650)))
    assert (to_iso(made.starts_at), to_iso(made.ends_at)) == ("2026-11-20T10:00:40Z", "2026-11-20T10:10:50Z")
    assert [(to_iso(gap.from_), to_iso(gap.to)) for gap in made.disconnects["student"]] == [
        ("2026-11-20T10:05:00Z", "2026-11-20T10:05:15Z")
    ]
    assert made.disconnects["teacher"] == []
    assert made.n_seconds == 610
    assert made.student_on.count(False) == 15


def test_every_second_with_a_camera_lies_in_exactly_one_segment() -> None:
    made = plan(measured((0, 100.4), (110, 400)), measured((0, 400)), segment_seconds=64)
    seconds = [second for s in made.segments for second in range(s.start_second, s.end_second)]
    assert seconds == sorted(set(seconds))
    assert set(seconds) >= {second for second, on in enumerate(made.student_on) if on}
    assert all(s.end_second - s.start_second <= 64 for s in made.segments)
    assert [s.index for s in made.segments] == list(range(len(made.segments)))


def test_segments_know_the_decoders_own_time() -> None:
    made = plan(measured((0, 100), (90, 200), first_pts=5.0), measured((30, 200)))
    first, last = made.segments[0], made.segments[-1]
    assert (first.recording_index, first.pts_offset_seconds) == (0, 35.0)
    assert (last.recording_index, last.pts_offset_seconds) == (1, -55.0)


def test_after_a_reconnect_the_later_recording_is_the_live_one() -> None:
    made = plan(measured((0, 100), (90, 200)), measured((0, 200)))
    assert [(s.recording_index, s.start_second) for s in made.segments] == [(0, 0), (0, 45), (1, 90), (1, 145)]


def test_one_side_without_a_usable_recording_is_refused() -> None:
    skipped = [Skipped(side="teacher", recording=0, reason="The recording teacher.mp4 is empty.")]
    with pytest.raises(RecordingUnreadable, match=r"teacher\.mp4 is empty"):
        make_plan(a_lesson(), {"student": measured((0, 60)), "teacher": []}, skipped, PlanLimits())


def test_without_a_teacher_the_output_says_who_bounds_the_lesson() -> None:
    made = plan(measured((0, 60)), [], a_lesson(teacher=[]))
    assert made.bounded_by == "student"
    assert made.n_seconds == 60


def test_zero_overlap_and_endless_lessons_are_refused() -> None:
    with pytest.raises(NoCommonTime):
        plan(measured((0, 60)), measured((60, 120)))
    with pytest.raises(LessonInvalid, match=r"lasts 7\.0 hours"):
        plan(measured((0, 7 * 3600)), measured((0, 7 * 3600)))


def test_the_works_name_follows_lesson_files_and_settings() -> None:
    base = work_version(a_lesson(), [(1, 2)], {"a": 1})
    assert base == work_version(a_lesson(), [(1, 2)], {"a": 1})
    others = [
        work_version(a_lesson(subject="anyone"), [(1, 2)], {"a": 1}),
        work_version(a_lesson(), [(1, 3)], {"a": 1}),
        work_version(a_lesson(), [(1, 2)], {"a": 2}),
    ]
    assert len({base, *others}) == 4


def test_a_long_lesson_has_longer_segments_so_that_their_results_fit_into_one_message() -> None:
    recording = Measured(0, Interval(T0, T0 + 6 * 3600), 0.0)
    lesson_id = "x" * 128
    plan = make_plan(a_lesson(lesson_id=lesson_id, teacher=[]), {"student": [recording], "teacher": []}, [], PlanLimits())
    assert len(plan.segments) == MOST_SEGMENTS
    results = []
    for segment in plan.segments:
        keys = {
            name: segment_key(lesson_id, "0123456789abcdef", segment.index, file)
            for name, file in (("detections_key", "faces.json"), ("crops_key", "crops.npz"), ("scores_key", "scores.json"))
        }
        results.append(dump(FacesClassified(lesson_id=lesson_id, work_version="0123456789abcdef", segment=segment, **keys)))
    # In the queue the body is base64, a third longer.
    assert len(json.dumps(results)) < MAX_MESSAGE_BYTES
