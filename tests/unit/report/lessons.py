"""Made-up published files of lessons of any length, with a reel of coloured squares: what the report's tests read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import sin
from typing import Any

from PIL import Image

from workers.cpu.publish import SECONDS_COLUMNS

START = datetime(2026, 11, 20, 10, 0, 6, tzinfo=UTC)


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def span(begin: float, end: float) -> dict[str, str]:
    return {"from": at(begin), "to": at(end)}


def a_document(n_seconds: int = 120, *, n_moments: int = 9, smiles: bool = False, **changes: Any) -> bytes:
    """`lesson.json` of a lesson with a disconnect and a parent by shoulder in its second fifth; `changes` replace keys."""
    times = [n_seconds * (index + 0.5) / n_moments for index in range(n_moments)]
    # The reel's best picture comes first.
    times = times[4:5] + times[:4] + times[5:]
    moments = [
        {
            "second": int(time),
            "pts_seconds": time,
            "recording_index": 0,
            "p_smile": 0.8765 if smiles else None,
            "p_child": 0.95,
            "p_parent_shoulder": 0.04,
            "box_xyxy": [10.0, 10.0, 90.0, 90.0],
            "frame_width": 640,
            "frame_height": 480,
            "quality": 0.8,
            "at": at(time),
        }
        for time in times
    ]
    document = {
        "schema_version": 1,
        "lesson_id": "lesson-1",
        "status": "done",
        "reason": None,
        "reason_detail": None,
        "subject": "child",
        "bounded_by": "both",
        "clock": "recorded",
        "starts_at": at(0),
        "ends_at": at(n_seconds),
        "disconnects": {"student": [span(n_seconds * 0.6, n_seconds * 0.62)], "teacher": []},
        "moments": moments,
        "reel": {"frames": n_moments, "width": 320, "height": 320, "bytes": 1000},
        "stages": [],
        "parent_shoulder": [span(n_seconds // 5, 2 * n_seconds // 5)],
        "skipped": [],
        **changes,
    }
    return json.dumps(document).encode()


def no_reel(reason: str, detail: str | None = None, **changes: Any) -> bytes:
    """`lesson.json` of a lesson without a reel."""
    return a_document(status="no_reel", reason=reason, reason_detail=detail, moments=[], reel=None, **changes)


def a_second(second: int, n_seconds: int, *, smiles: bool = False) -> dict[str, Any]:
    """A child most of the time, a parent beside it in the second fifth, an adult's face at the end, a disconnect at 60 %."""
    share = second / n_seconds
    row: dict[str, Any] = {"second": second, "at": at(second), "student_on": 1, "teacher_on": 1}
    if 0.6 <= share < 0.62:
        return {**row, "student_on": 0}
    beside, adult = 0.2 <= share < 0.4, share > 0.9
    row |= {"faces": 1 + adult, "child_faces": 1, "adult_faces": int(adult)}
    row |= {"p_child": 0.95, "p_adult_face": 0.93 if adult else 0.05 + 0.04 * sin(second / 7)}
    row["p_parent_shoulder"] = round((0.85 if beside else 0.13) + 0.07 * sin(second / 5) + 0.05 * sin(second * 1.7), 4)
    if 0.48 <= share < 0.52:
        row |= {"faces": 0, "child_faces": 0, "adult_faces": 0, "p_child": "", "p_adult_face": ""}
    elif smiles:
        row["p_smile"] = round(min(max(0.4 + 0.3 * sin(second / 40) + 0.25 * sin(second * 2.1), 0.0), 1.0), 4)
    return row


def the_seconds(n_seconds: int = 120, *, smiles: bool = False, every: Mapping[str, Any] | None = None) -> bytes:
    """`seconds.csv`; `every` replaces cells of every row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, SECONDS_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for second in range(n_seconds):
        writer.writerow({**a_second(second, n_seconds, smiles=smiles), **(every or {})})
    return text.getvalue().encode()


def a_reel(n_frames: int = 9, side: int = 320) -> bytes:
    """A GIF of squares, each of another colour, with some grain so that it is no smaller than a real one."""
    frames = []
    for index in range(n_frames):
        colour = Image.new("RGB", (side, side), (20 + 25 * index, 120, 220 - 20 * index))
        frames.append(Image.blend(colour, Image.effect_noise((side, side), 90).convert("RGB"), 0.3))
    buffer = io.BytesIO()
    frames[0].save(buffer, format="GIF", save_all=True, append_images=frames[1:], duration=500)
    return buffer.getvalue()
