"""What was seen of a lesson as rows: a second each, the gaps of both cameras, who was there. Pure; called by the CPU room's door."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.lesson import Subject
from shared.records import FrameReading, LessonPlan, ShoulderRange
from shared.told import Gap, LessonTold, Presence, Second

from .pick import subject_face
from .presence import is_inside


@dataclass(frozen=True, slots=True)
class Exposure:
    """What may be written out, and from where on a face is a child's."""

    mood_analytics: bool
    min_p_child: float


def lesson_told(plan: LessonPlan, seconds: Sequence[Second], shoulder_ranges: Sequence[ShoulderRange]) -> LessonTold:
    """All rows of a lesson."""
    gaps = [Gap(side, gap.from_, gap.to) for side, found in plan.disconnects.items() for gap in found]
    return LessonTold(plan.starts_at, plan.ends_at, gaps, presence_of(plan, seconds, shoulder_ranges), seconds)


def second_rows(plan: LessonPlan, readings: Sequence[FrameReading], exposure: Exposure) -> list[Second]:
    """A row for each second of the lesson; probabilities are rounded to four places."""
    by_second = {reading.frame.second: reading for reading in readings}
    # Without a recording of the teacher nobody knows.
    teacher_on = plan.teacher_on if plan.bounded_by == "both" else [None] * plan.n_seconds
    return [
        _second(second, plan.subject, student, teacher, by_second.get(second), exposure)
        for second, student, teacher in zip(range(plan.n_seconds), plan.student_on, teacher_on, strict=True)
    ]


def _second(
    second: int, subject: Subject, student: bool, teacher: bool | None, reading: FrameReading | None, exposure: Exposure
) -> Second:
    if reading is None:
        return Second(second, student, teacher)
    n_faces = len(reading.faces)
    n_child = sum(face.p_child >= exposure.min_p_child for face in reading.faces)
    face = subject_face(reading, subject)
    return Second(
        second,
        student,
        teacher,
        faces=n_faces,
        child_faces=n_child,
        adult_faces=n_faces - n_child,
        p_smile=_p(face.p_smile if face and exposure.mood_analytics else None),
        p_child=_p(face.p_child if face else None),
        p_adult_face=_p(max((1.0 - other.p_child for other in reading.faces), default=None)),
        p_parent_shoulder=_p(reading.p_parent_shoulder),
    )


def _p(probability: float | None) -> float | None:
    return None if probability is None else round(probability, 4)


def presence_of(plan: LessonPlan, seconds: Sequence[Second], shoulder_ranges: Sequence[ShoulderRange]) -> Presence:
    """Who was there, in seconds; a parent beside the child by the ranges, which bridge single frames, not by each frame's score."""
    seen = [row for row in seconds if row.faces is not None]
    beside = {row.second for row in seconds if is_inside(shoulder_ranges, row.second)}
    return Presence(
        lesson_seconds=plan.n_seconds,
        student_on_seconds=sum(row.student_on for row in seconds),
        teacher_on_seconds=sum(bool(row.teacher_on) for row in seconds) if plan.bounded_by == "both" else None,
        seen_seconds=len(seen),
        child_seconds=sum(bool(row.child_faces) for row in seen),
        child_alone_seconds=sum(row.faces == 1 and row.child_faces == 1 and row.second not in beside for row in seen),
        adult_face_seconds=sum(bool(row.adult_faces) for row in seen),
        parent_shoulder_seconds=len(beside),
        nobody_seconds=sum(row.faces == 0 and row.second not in beside for row in seen),
    )
