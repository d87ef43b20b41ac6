"""Which moments make the reel: hard gates, a score, spread over the lesson, variety. Pure; called by the CPU room's door.

The craft is product.md's: nobody but the subject in the picture, a whole and large enough face, then smile x quality; nine strata
over the lesson with a fallback, a wished distance that shrinks where moments are few, and no picture twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, inf, log

import numpy as np

from shared.lesson import Subject, at_second
from shared.records import FaceReading, FrameReading, LessonPlan, Outcome, ShoulderRange
from shared.reel import Moment, NoReelReason

from .presence import is_inside

# Mean difference of two thumbnails in grey levels below which they are the same picture, and below which they are alike.
SAME_PICTURE = 1.0
ALIKE = 6.0
EDGE_PIXELS = 2.0
SMALLEST_GAP_SECONDS = 0.9
# A range's ends are smoothed, so a second beside one may still show whoever sat there.
CLEAR_OF_SHOULDER_SECONDS = 1
# What is wished for, the most first: how far a smile's logit may lie below the lesson's brightest ones, and which share of the
# wished distance lies between two. Logits, as probabilities crowd together at the top, where the choice is made.
_WISHES = (
    *((0.25, 1.0), (0.25, 0.75), (0.5, 1.0), (0.5, 0.75), (1.0, 1.0), (0.25, 0.5), (1.0, 0.75), (0.5, 0.5), (2.0, 1.0)),
    *((0.25, 0.35), (1.0, 0.5), (0.5, 0.35), (2.0, 0.5), (1.0, 0.35), (2.0, 0.35)),
    *((0.5, 0.2), (1.0, 0.2), (2.0, 0.2), (1.0, 0.0), (2.0, 0.0)),
    *((inf, 1.0), (inf, 0.5), (inf, 0.2), (inf, 0.0)),
)


@dataclass(frozen=True, slots=True)
class PickRules:
    """The settings of the choice."""

    n_moments: int = 9
    min_lesson_seconds: int = 9
    spread_seconds: float = 20.0
    min_p_smile: float = 0.6
    # On the validation split one adult in a hundred is taken for a child so surely; at 0.5 it is three.
    min_p_child: float = 0.7
    max_p_parent_shoulder: float = 0.5
    min_face_side: int = 36


@dataclass(frozen=True, slots=True)
class Candidate:
    """A frame that may stand in the reel; `brightness` is the smile's logit, its neighbours' heard."""

    reading: FrameReading
    face: FaceReading
    brightness: float
    score: float

    @property
    def pts_seconds(self) -> float:
        return self.reading.frame.pts_seconds


def pick_moments(
    plan: LessonPlan, readings: Sequence[FrameReading], rules: PickRules, shoulder_ranges: Sequence[ShoulderRange] = ()
) -> Outcome:
    """Choose the reel's moments, the best one first and the others in order of time, or say why there are none.

    For a child, no moment lies in one of `shoulder_ranges` nor in a second beside one.
    """
    if not plan.reel_allowed:
        return Outcome(moments=[], reason=NoReelReason.NO_CONSENT)
    if plan.seconds < rules.min_lesson_seconds:
        return Outcome(moments=[], reason=NoReelReason.TOO_SHORT, detail=f"{plan.seconds:.1f} s")
    if not readings:
        return Outcome(moments=[], reason=NoReelReason.NOTHING_READABLE)
    if not any(reading.faces for reading in readings):
        return Outcome(moments=[], reason=NoReelReason.NO_FACE)
    clear = [reading for reading in readings if not _beside_a_shoulder(plan, reading, shoulder_ranges)]
    shown = [(reading, face) for reading in clear if (face := subject_alone(reading, plan.subject, rules)) is not None]
    if not shown:
        return Outcome(moments=[], reason=NoReelReason.NO_CHILD_ALONE)
    candidates = _candidates(shown, _smile_logits(readings, plan.subject), rules)
    chosen = _choose(candidates, plan.n_seconds, rules)
    if len(chosen) < rules.n_moments:
        detail = f"{len(chosen)} of the {rules.n_moments} that a reel needs"
        return Outcome(moments=[], reason=NoReelReason.TOO_FEW_SMILES, detail=detail)
    best = max(chosen, key=lambda candidate: candidate.score)
    rest = sorted((c for c in chosen if c is not best), key=lambda candidate: candidate.pts_seconds)
    return Outcome(moments=[_moment(plan, candidate) for candidate in [best, *rest]], reason=None)


def _smile_logits(readings: Sequence[FrameReading], subject: Subject) -> dict[int, float]:
    """By second, the subject's smile as a logit."""
    faces = {reading.frame.second: subject_face(reading, subject) for reading in readings}
    return {second: _logit(face.p_smile) for second, face in faces.items() if face is not None and face.p_smile is not None}


def _candidates(
    shown: Sequence[tuple[FrameReading, FaceReading]], logits: Mapping[int, float], rules: PickRules
) -> list[Candidate]:
    """Smiles with their score. A smile lasts for seconds, so that its neighbours speak for it, or against a grimace."""
    candidates = []
    for reading, face in shown:
        if face.p_smile is None or face.p_smile < rules.min_p_smile:
            continue
        brightness = (_logit(face.p_smile) + _lasting(logits, reading.frame.second)) / 2
        score = (0.35 + 0.65 * face.quality) / (1 + exp(-brightness)) ** 2
        candidates.append(Candidate(reading, face, brightness, score))
    return candidates


def subject_face(reading: FrameReading, subject: Subject) -> FaceReading | None:
    """Whose smile a frame speaks of: the face most surely a child's, or for `anyone` the largest."""
    if subject is Subject.CHILD:
        return max(reading.faces, key=lambda face: face.p_child, default=None)
    return max(reading.faces, key=_side, default=None)


def subject_alone(reading: FrameReading, subject: Subject, rules: PickRules) -> FaceReading | None:
    """The subject's face, if the frame passes all gates that do not look at the smile; else None."""
    face = subject_face(reading, subject)
    if face is None or _side(face) < rules.min_face_side or _is_cut(face, reading):
        return None
    if subject is Subject.CHILD:
        alone = len(reading.faces) == 1 and _is_child(face, rules)
        return face if alone and reading.p_parent_shoulder <= rules.max_p_parent_shoulder else None
    # Whoever sits there fills the picture; somebody of like size beside would share it.
    rivals = [other for other in reading.faces if other is not face and _side(other) > 0.6 * _side(face)]
    return None if rivals else face


def _is_child(face: FaceReading, rules: PickRules) -> bool:
    """By this frame and by its neighbours: where somebody else just sat in the same place, these speak of another face."""
    own = face.p_child if face.p_child_alone is None else face.p_child_alone
    return min(own, face.p_child) >= rules.min_p_child


def _beside_a_shoulder(plan: LessonPlan, reading: FrameReading, ranges: Sequence[ShoulderRange]) -> bool:
    return plan.subject is Subject.CHILD and is_inside(ranges, reading.frame.second, CLEAR_OF_SHOULDER_SECONDS)


def _side(face: FaceReading) -> float:
    x1, y1, x2, y2 = face.box_xyxy
    return max(x2 - x1, y2 - y1)


def _is_cut(face: FaceReading, reading: FrameReading) -> bool:
    x1, y1, x2, y2 = face.box_xyxy
    frame = reading.frame
    return x1 < EDGE_PIXELS or y1 < EDGE_PIXELS or x2 > frame.width - EDGE_PIXELS or y2 > frame.height - EDGE_PIXELS


def _lasting(logits: Mapping[int, float], second: int) -> float:
    """The mean of the brightest three seconds in a row that hold this one; where none were all seen, its own."""
    spans = [[logits.get(first + offset) for offset in range(3)] for first in (second - 2, second - 1, second)]
    means = [sum(span) / 3 for span in spans if None not in span]  # type: ignore[arg-type]
    return max(means, default=logits[second])


def _choose(candidates: Sequence[Candidate], n_seconds: int, rules: PickRules) -> list[Candidate]:
    """The brightest smiles that still fill the reel with a good spread and variety; then less spread, then less bright smiles."""
    if not candidates:
        return []
    brightest = float(np.quantile([candidate.brightness for candidate in candidates], 0.9))
    widest = min(rules.spread_seconds, n_seconds / (rules.n_moments * 1.5))
    chosen: list[Candidate] = []
    for margin, share in _WISHES:
        bright = [candidate for candidate in candidates if candidate.brightness >= brightest - margin]
        for alike in (ALIKE, ALIKE / 2, SAME_PICTURE):
            chosen = _spread(bright, n_seconds, rules.n_moments, max(widest * share, SMALLEST_GAP_SECONDS), alike)
            if len(chosen) == rules.n_moments:
                return chosen
    return chosen


def _logit(probability: float) -> float:
    p = min(max(probability, 1e-6), 1 - 1e-6)
    return log(p / (1 - p))


def _spread(candidates: Sequence[Candidate], n_seconds: int, n_moments: int, gap: float, alike: float) -> list[Candidate]:
    """Temporal NMS: each stratum of the lesson gives its best, then the best of the rest fill up."""
    by_score = sorted(candidates, key=lambda candidate: candidate.score, reverse=True)
    chosen: list[Candidate] = []
    taken: set[int] = set()
    for fill_up in (False, True):
        for candidate in by_score:
            stratum = min(int(candidate.pts_seconds * n_moments / n_seconds), n_moments - 1)
            if len(chosen) == n_moments or (stratum in taken and not fill_up):
                continue
            if all(_apart(candidate, other, gap, alike) for other in chosen):
                chosen.append(candidate)
                taken.add(stratum)
    return chosen


def _apart(one: Candidate, other: Candidate, gap: float, alike: float) -> bool:
    if one is other or abs(one.pts_seconds - other.pts_seconds) < gap:
        return False
    difference = np.abs(np.asarray(one.face.thumbnail, dtype=float) - np.asarray(other.face.thumbnail, dtype=float)).mean()
    return bool(difference >= alike)


def _moment(plan: LessonPlan, candidate: Candidate) -> Moment:
    reading, face = candidate.reading, candidate.face
    frame = reading.frame
    to_source = (frame.source_width / frame.width, frame.source_height / frame.height)
    x1, y1, x2, y2 = face.box_xyxy
    return Moment(
        second=frame.second,
        pts_seconds=round(frame.pts_seconds, 3),
        at=at_second(plan.starts_at, frame.pts_seconds),
        recording_index=reading.recording_index,
        p_smile=None if face.p_smile is None else round(face.p_smile, 4),
        p_child=round(face.p_child, 4),
        p_parent_shoulder=round(reading.p_parent_shoulder, 4),
        box_xyxy=(
            round(x1 * to_source[0], 1),
            round(y1 * to_source[1], 1),
            round(x2 * to_source[0], 1),
            round(y2 * to_source[1], 1),
        ),
        frame_width=frame.source_width,
        frame_height=frame.source_height,
        quality=round(face.quality, 4),
    )
