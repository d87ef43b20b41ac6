"""What the templates show: a lesson's data in, words, tables and drawings out. Pure; `page.py` calls it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from shared.reel import NoReelReason

from .figures import (
    Curve,
    Presence,
    has_smiles,
    in_minutes,
    in_words,
    lesson_time,
    presence_of,
    shoulder_seconds,
)
from .illustrations import lanes_illustration, parent_illustration, smile_illustration
from .reading import LessonData, SkippedPart

SIDES = {"student": "Pupil", "teacher": "Teacher"}
MOST_ROWS = 60
MOST_LISTED = 200
ROW_STEPS = (10, 30, 60, 120, 300, 600, 900, 1800, 3600)


def view_of(lesson: LessonData, pictures: Sequence[str]) -> dict[str, Any]:
    """All that the templates name; `pictures` come in the reel's order, or are none."""
    document = lesson.document
    moments = moments_of(lesson, pictures)
    times = {moment["number"]: moment["second"] for moment in moments}
    presence = presence_of(lesson)
    disconnects = disconnects_of(lesson)
    return {
        "lesson_id": document.lesson_id,
        "length": in_words((document.ends_at - document.starts_at).total_seconds()),
        "when": _when(lesson),
        "has_reel": document.status == "done",
        "outcome": outcome_of(lesson),
        "notes": _notes(lesson),
        "tiles": _tiles(lesson, presence),
        "presence": _presence_rows(lesson, presence),
        "moments": moments,
        "has_pictures": bool(pictures),
        "disconnects": disconnects[:MOST_LISTED],
        "more_disconnects": max(0, len(disconnects) - MOST_LISTED),
        "lanes": lanes_illustration(lesson, times),
        "parent": parent_illustration(lesson, times),
        "counted_beside": bool(document.parent_shoulder),
        "smile": smile_illustration(lesson, times) if has_smiles(lesson) else None,
        "no_smile": None if has_smiles(lesson) else _why_no_smile(lesson),
        "skipped": [_skip_row(skip) for skip in document.skipped[:MOST_LISTED]],
        "more_skipped": max(0, len(document.skipped) - MOST_LISTED),
        "table": table_of(lesson),
        "kept": lesson.seconds is not None,
    }


def outcome_of(lesson: LessonData) -> str:
    """What became of the lesson, in a sentence."""
    document = lesson.document
    if document.status == "done":
        return f"A reel of {len(document.moments)} moments was made."
    detail = f" ({document.reason_detail})" if document.reason_detail else ""
    try:
        reason = NoReelReason(document.reason or "").explanation
    except ValueError:
        reason = document.reason or "nobody wrote down why"
    return f"There is no reel: {reason}{detail}."


def moments_of(lesson: LessonData, pictures: Sequence[str]) -> list[dict[str, Any]]:
    """The moments in order of time, numbered from 1; the reel shows another one first."""
    shown = list(pictures) if len(pictures) == len(lesson.document.moments) else [None] * len(lesson.document.moments)
    pairs = sorted(zip(lesson.document.moments, shown, range(len(shown)), strict=True), key=lambda pair: pair[0].pts_seconds)
    return [
        {
            "number": number,
            "second": min(moment.pts_seconds, float(lesson.n_seconds)),
            "time": lesson_time(moment.pts_seconds),
            "clock": _clock(lesson, moment.at),
            "picture": picture,
            "opens": order == 0,
            "p_smile": None if moment.p_smile is None else f"{moment.p_smile:.2f}",
        }
        for number, (moment, picture, order) in enumerate(pairs, 1)
    ]


def disconnects_of(lesson: LessonData) -> list[dict[str, str]]:
    """When which camera was off inside the lesson, in order of time."""
    rows = [(begin, end, side) for side, gaps in lesson.document.disconnects.items() for begin, end in lesson.spans(gaps)]
    return [
        {"side": SIDES[side], "from": lesson_time(begin), "to": lesson_time(end), "length": in_words(end - begin)}
        for begin, end, side in sorted(rows)
    ]


def table_of(lesson: LessonData) -> dict[str, Any] | None:
    """The curves and lanes as a table of at most `MOST_ROWS` rows."""
    if not lesson.seconds:
        return None
    step = next((step for step in ROW_STEPS if lesson.n_seconds / step <= MOST_ROWS), lesson.n_seconds)
    beside, smiles = shoulder_seconds(lesson), has_smiles(lesson)
    rows = []
    for start in range(0, len(lesson.seconds), step):
        part = lesson.seconds[start : start + step]
        row = [
            str(sum(second.student_on for second in part)),
            str(sum(bool(second.child_faces) for second in part)),
            str(sum(bool(second.adult_faces) for second in part)),
            str(sum(second in beside for second in range(start, start + len(part)))),
            _mean([second.p_parent_shoulder for second in part]),
            _mean([second.p_adult_face for second in part]),
        ]
        rows.append((lesson_time(start), row + ([_mean([second.p_smile for second in part])] if smiles else [])))
    heads = ["Camera on", "Child's face", "Adult's face", "Parent by shoulder", "P(parent by shoulder)", "P(adult's face)"]
    return {"heads": heads + (["P(smile)"] if smiles else []), "rows": rows, "step": step}


def _why_no_smile(lesson: LessonData) -> str:
    if lesson.seconds is None:
        return "There is no smile curve, as there is no per-second data."
    if not any(second.faces for second in lesson.seconds):
        return "There is no smile curve, as no face was seen."
    return (
        "There is no smile curve, as mood analytics is switched off: smile scores choose the reel's moments, are then deleted, "
        "and stand nowhere on this page."
    )


def _tiles(lesson: LessonData, presence: Presence | None) -> list[tuple[str, str, str]]:
    n_off = {side: len(gaps) for side, gaps in lesson.document.disconnects.items()}
    teacher = f"Teacher: {n_off.get('teacher', 0)}" if lesson.document.bounded_by == "both" else "Teacher: no recording"
    tiles = [("Disconnects", str(n_off.get("student", 0)), f"of the pupil's camera. {teacher}")]
    if presence is None:
        return tiles
    beside = presence.parent_shoulder
    return [
        ("Child in view", in_minutes(presence.child_seen), f"of which {in_minutes(presence.child_alone)} alone"),
        ("Parent beside", "not known" if beside is None else in_minutes(beside), "by shoulder, without a face"),
        ("Adult's face", in_minutes(presence.adult_face), "in front of the pupil's camera"),
        *tiles,
    ]


def _presence_rows(lesson: LessonData, presence: Presence | None) -> list[dict[str, str]]:
    if presence is None:
        return []
    rows: list[tuple[str, str, int | None]] = [
        ("Child seen", "a child's face in the picture", presence.child_seen),
        ("Child alone", "one face, the child's, and no parent by shoulder", presence.child_alone),
        ("Adult's face in view", "somebody grown up looks towards the camera", presence.adult_face),
        ("Parent by shoulder", "beside the child, without a face in view", presence.parent_shoulder),
        ("Nobody", "neither a face nor a parent's shoulder", presence.nobody),
        ("Camera off", "the pupil's", presence.camera_off),
        ("Not looked at", "the camera was on, but there is no readable picture", presence.not_looked_at),
    ]
    return [
        {
            "name": name,
            "meaning": meaning,
            "minutes": "not known" if value is None else f"{value / 60:.1f}",
            "share": "" if value is None else f"{value / lesson.n_seconds:.0%}",
            "width": f"{100 * min((value or 0) / lesson.n_seconds, 1):.1f}",
        }
        for name, meaning, value in rows
    ]


def _notes(lesson: LessonData) -> list[str]:
    notes = []
    if lesson.document.subject != "child":
        notes.append("The reel was made for whoever sits in front of the camera, child or adult.")
    if lesson.document.bounded_by != "both":
        notes.append("There is no recording of the teacher, so the pupil's own times bound the lesson.")
    if lesson.document.clock == "nominal":
        notes.append("Nobody said when the recordings began, so that times count from the lesson's start.")
    if lesson.seconds is None:
        notes.append(
            "There is no per-second data, so curves and minutes are missing: the family did not agree to analytics, "
            "or it is no longer kept."
        )
    return notes


def _skip_row(skip: SkippedPart) -> dict[str, str]:
    whole = skip.from_second is None or skip.to_second is None
    part = "the whole recording" if whole else f"{lesson_time(skip.from_second or 0)} to {lesson_time(skip.to_second or 0)}"
    return {
        "what": f"{SIDES[skip.side]}, recording {skip.recording + 1}",
        "uri": skip.uri or "",
        "part": part,
        "reason": skip.reason,
    }


def _when(lesson: LessonData) -> str | None:
    start, end = lesson.document.starts_at.astimezone(UTC), lesson.document.ends_at.astimezone(UTC)
    if lesson.document.clock == "nominal":
        return None
    return f"{start.day} {start:%B %Y, %H:%M:%S} to {end:%H:%M:%S} UTC"


def _clock(lesson: LessonData, at: datetime) -> str | None:
    return None if lesson.document.clock == "nominal" else f"{at.astimezone(UTC):%H:%M:%S} UTC"


def _mean(values: Curve) -> str:
    known = [value for value in values if value is not None]
    return f"{sum(known) / len(known):.2f}" if known else "–"
