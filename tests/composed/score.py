"""What the pipeline made of a composed lesson, held against its truth: `lesson.json` as a mapping in, counts out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .truth import ADULT_SCENES, ComposedTruth, Scene

# An adult's face is in view there: whether that also is a shoulder counts neither way.
NEITHER_WAY: tuple[Scene, ...] = ("child_and_adult", "off")


@dataclass(frozen=True)
class LessonScore:
    """One lesson's counts; `wrong` names each moment that is no child's smile, with its scene and the pictures shown."""

    moments: int
    smiles: int
    with_adult: int
    wrong: tuple[str, ...]
    bounds_off_seconds: float
    disconnects_right: bool
    shoulder_seconds: int
    shoulder_found: int
    visits: int
    visits_found: int
    false_shoulder_seconds: int
    other_seconds: int


def score_lesson(truth: ComposedTruth, record: Mapping[str, Any]) -> LessonScore:
    """Count; a visit is found if half of its seconds are."""
    stretches = [truth.stretch_at(moment["pts_seconds"]) for moment in record["moments"]]
    wrong = [
        f"second {moment['second']}: {stretch.scene} {' '.join(stretch.files)}, P(smile) {moment['p_smile']}"
        for moment, stretch in zip(record["moments"], stretches, strict=True)
        if stretch.scene != "child_smile"
    ]
    called = called_seconds(truth, record)
    visits = [set(range(start, end)) for start, end in truth.shoulder_ranges]
    sat = set[int]().union(*visits)
    other = {second for second, scene in enumerate(truth.seconds) if second not in sat and scene not in NEITHER_WAY}
    return LessonScore(
        moments=len(stretches),
        smiles=len(stretches) - len(wrong),
        with_adult=sum(stretch.scene in ADULT_SCENES for stretch in stretches),
        wrong=tuple(wrong),
        bounds_off_seconds=max(_off(record["starts_at"], truth.starts_at), _off(record["ends_at"], truth.ends_at)),
        disconnects_right=_disconnects_right(truth, record),
        shoulder_seconds=len(sat),
        shoulder_found=len(sat & called),
        visits=len(visits),
        visits_found=sum(len(visit & called) >= len(visit) / 2 for visit in visits),
        false_shoulder_seconds=len(other & called),
        other_seconds=len(other),
    )


def called_seconds(truth: ComposedTruth, record: Mapping[str, Any]) -> set[int]:
    """The lesson seconds inside the record's `parent_shoulder` ranges."""
    seconds: set[int] = set()
    for span in record["parent_shoulder"]:
        start, end = (round((datetime.fromisoformat(span[key]) - truth.starts_at).total_seconds()) for key in ("from", "to"))
        seconds.update(range(start, end))
    return seconds


def _disconnects_right(truth: ComposedTruth, record: Mapping[str, Any]) -> bool:
    for side, gaps in truth.disconnects.items():
        found = record["disconnects"][side]
        if len(found) != len(gaps):
            return False
        offs = [max(_off(gap["from"], start), _off(gap["to"], end)) for gap, (start, end) in zip(found, gaps, strict=True)]
        if max(offs, default=0.0) > 1.5:
            return False
    return True


def _off(text: str, truth: datetime) -> float:
    return abs((datetime.fromisoformat(text) - truth).total_seconds())
