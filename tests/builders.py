"""Factories of the values that tests need; each argument that is left out has a sensible default."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.frame import FrameRef
from shared.lesson import Lesson, Segment, Subject, parse_lesson
from shared.records import FaceReading, FrameReading, LessonPlan

STARTS_AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def lesson_document(**changes: Any) -> dict[str, Any]:
    """A LESSON.json as a mapping."""
    document: dict[str, Any] = {
        "lesson_id": "lesson-1",
        "student": [{"uri": "student.mp4", "started_at": "2026-11-20T10:00:00Z"}],
        "teacher": [{"uri": "teacher.mp4", "started_at": "2026-11-20T10:00:00Z"}],
        "consent": {"process": True, "reel": True},
    }
    return {**document, **changes}


def a_lesson(**changes: Any) -> Lesson:
    """An accepted lesson."""
    return parse_lesson(lesson_document(**changes))


def a_plan(
    n_seconds: int = 60,
    *,
    subject: Subject = Subject.CHILD,
    reel_allowed: bool = True,
    seconds: float | None = None,
    starts_at: datetime = STARTS_AT,
) -> LessonPlan:
    """A lesson's plan with one segment and everybody connected."""
    return LessonPlan(
        lesson_id="lesson-1",
        subject=subject,
        reel_allowed=reel_allowed,
        bounded_by="both",
        starts_at=starts_at,
        ends_at=starts_at + timedelta(seconds=n_seconds if seconds is None else seconds),
        n_seconds=n_seconds,
        disconnects={"student": [], "teacher": []},
        student_on=[True] * n_seconds,
        teacher_on=[True] * n_seconds,
        segments=[a_segment(end_second=n_seconds)],
        skipped=[],
    )


def a_segment(index: int = 0, start_second: int = 0, end_second: int = 60, *, recording_index: int = 0) -> Segment:
    """A segment of the first recording."""
    return Segment(
        index=index, recording_index=recording_index, start_second=start_second, end_second=end_second, pts_offset_seconds=0.0
    )


def a_frame(second: int, *, size: tuple[int, int] = (640, 480)) -> FrameRef:
    """A sampled frame from the middle of its second."""
    width, height = size
    return FrameRef(
        second=second, pts_seconds=second + 0.5, width=width, height=height, source_width=2 * width, source_height=2 * height
    )


def a_face(
    *,
    p_smile: float = 0.95,
    p_child: float = 0.95,
    box_xyxy: tuple[float, float, float, float] = (250, 150, 350, 270),
    quality: float = 0.7,
    look: int = 0,
) -> FaceReading:
    """A child's smile; `look` gives its surroundings another thumbnail."""
    thumbnail = [(37 * look * (place + 1) + 91 * look) % 256 for place in range(64)]
    return FaceReading(box_xyxy=box_xyxy, score=0.9, p_child=p_child, p_smile=p_smile, quality=quality, thumbnail=thumbnail)


def a_reading(second: int, faces: Sequence[FaceReading] | None = None, *, p_parent_shoulder: float = 0.05) -> FrameReading:
    """A frame with one smiling child, unless told otherwise."""
    return FrameReading(
        frame=a_frame(second),
        recording_index=0,
        p_parent_shoulder=p_parent_shoulder,
        faces=[a_face(look=second)] if faces is None else list(faces),
    )
