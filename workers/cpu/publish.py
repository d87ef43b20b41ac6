"""What a lesson's people get to read: `lesson.json` and `seconds.csv` as bytes. Pure; called by the CPU room's door."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence

from shared.catalogue import STAGES
from shared.lesson import at_second, is_nominal
from shared.records import LessonPlan, Outcome, ShoulderRange, Skipped, StageProgress, to_iso
from shared.reel import Reel
from shared.told import Second

from .telling import Exposure

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


def seconds_csv(plan: LessonPlan, seconds: Sequence[Second]) -> bytes:
    """A row for each second of the lesson.

    `faces` is 0 where a frame was looked at and held none; a cell is empty where no frame was looked at or no face is there for
    a probability to speak of. `p_child` and `p_smile` speak of the subject's face, `p_adult_face` of the most adult one.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(SECONDS_COLUMNS)
    for row in seconds:
        counts = (row.faces, row.child_faces, row.adult_faces)
        probabilities = (row.p_smile, row.p_child, row.p_adult_face, row.p_parent_shoulder)
        writer.writerow(
            [
                row.second,
                to_iso(at_second(plan.starts_at, row.second)),
                int(row.student_on),
                "" if row.teacher_on is None else int(row.teacher_on),
                *("" if count is None else count for count in counts),
                *("" if p is None else f"{p:.4f}" for p in probabilities),
            ]
        )
    return text.getvalue().encode()
