"""What a lesson's people get to read: `lesson.json` and `seconds.csv` as bytes. Pure; called by the CPU room's door."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.catalogue import STAGES
from shared.lesson import at_second, is_nominal
from shared.records import FrameReading, LessonPlan, Outcome, ShoulderRange, Skipped, StageProgress, to_iso
from shared.reel import Reel

from .pick import subject_face

SCHEMA_VERSION = 1
SECONDS_COLUMNS = (
    "second",
    "at",
    "student_on",
    "teacher_on",
    "faces",
    "child_faces",
    "adult_faces",
    "p_smile",
    "p_child",
    "p_adult_face",
    "p_parent_shoulder",
)


@dataclass(frozen=True, slots=True)
class Exposure:
    """What may be written out, and from where on a face is a child's."""

    mood_analytics: bool
    min_p_child: float


def lesson_json(
    plan: LessonPlan,
    outcome: Outcome,
    reel: Reel | None,
    stages: Mapping[str, StageProgress],
    skipped: Sequence[Skipped],
    exposure: Exposure,
    shoulder_ranges: Sequence[ShoulderRange] = (),
) -> bytes:
    """The lesson's record, schema version 1; keys never go missing, what may not be told is null."""
    shown = outcome if exposure.mood_analytics else outcome.without_smiles()
    reason = None if outcome.reason is None else str(outcome.reason)
    document = {
        "schema_version": SCHEMA_VERSION,
        "lesson_id": plan.lesson_id,
        "status": "done" if reel else "no_reel",
        "reason": reason,
        "reason_detail": outcome.detail,
        "subject": str(plan.subject),
        "bounded_by": plan.bounded_by,
        "clock": "nominal" if is_nominal(plan.starts_at) else "recorded",
        "starts_at": to_iso(plan.starts_at),
        "ends_at": to_iso(plan.ends_at),
        "disconnects": {
            side: [{"from": to_iso(gap.from_), "to": to_iso(gap.to)} for gap in gaps] for side, gaps in plan.disconnects.items()
        },
        "moments": [{**moment.model_dump(exclude={"at"}), "at": to_iso(moment.at)} for moment in shown.moments],
        "reel": reel.model_dump() if reel else None,
        "stages": [
            {"name": name, "seconds": round(done.seconds, 3), "runs": done.finished, "items": done.items}
            for name, done in sorted(stages.items(), key=lambda stage: STAGES.index(stage[0]))
        ],
        "parent_shoulder": [
            {
                "from": to_iso(at_second(plan.starts_at, span.start_second)),
                "to": to_iso(at_second(plan.starts_at, span.end_second)),
            }
            for span in shoulder_ranges
        ],
        "skipped": [skip.model_dump(exclude_none=True) for skip in skipped],
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def seconds_csv(plan: LessonPlan, readings: Sequence[FrameReading], exposure: Exposure) -> bytes:
    """A row for each second of the lesson.

    `faces` is 0 where a frame was looked at and held none; a cell is empty where no frame was looked at or no face is there for
    a probability to speak of. `p_child` and `p_smile` speak of the subject's face, `p_adult_face` of the most adult one.
    """
    by_second = {reading.frame.second: reading for reading in readings}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(SECONDS_COLUMNS)
    for second in range(plan.n_seconds):
        # Without a recording of the teacher nobody knows.
        teacher_on = int(plan.teacher_on[second]) if plan.bounded_by == "both" else ""
        start = [second, to_iso(at_second(plan.starts_at, second)), int(plan.student_on[second]), teacher_on]
        reading = by_second.get(second)
        writer.writerow([*start, *(_cells(plan, reading, exposure) if reading else [""] * 7)])
    return text.getvalue().encode()


def _cells(plan: LessonPlan, reading: FrameReading, exposure: Exposure) -> list[str]:
    n_child = sum(face.p_child >= exposure.min_p_child for face in reading.faces)
    counts = [str(len(reading.faces)), str(n_child), str(len(reading.faces) - n_child)]
    face = subject_face(reading, plan.subject)
    if face is None:
        return [*counts, "", "", "", _p(reading.p_parent_shoulder)]
    p_adult_face = max(1.0 - other.p_child for other in reading.faces)
    p_smile = _p(face.p_smile) if exposure.mood_analytics and face.p_smile is not None else ""
    return [*counts, p_smile, _p(face.p_child), _p(p_adult_face), _p(reading.p_parent_shoulder)]


def _p(probability: float) -> str:
    return f"{probability:.4f}"
