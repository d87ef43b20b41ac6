"""One face over neighbouring seconds: its P(child) joined, as a single frame's is not to be trusted near the threshold.

Pure; the pick task's work calls it on all readings of a lesson. Faces are followed by the overlap of their boxes, never by who they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, log

from shared.records import XYXY, FaceReading, FrameReading

REACH_SECONDS = 2
SAME_FACE_IOU = 0.3
# One frame that is quite sure must not outvote four.
MOST_LOGIT = 4.0


def join_p_child(readings: Sequence[FrameReading]) -> list[FrameReading]:
    """The same readings with each face's `p_child` joined to that of its neighbours.

    The mean of the logits of the best overlapping box in each frame at most two seconds away; a face without neighbours keeps its own.
    What the frame alone said is kept as `p_child_alone`: another person may have sat in the same place a second ago.
    """
    by_second = {reading.frame.second: reading for reading in readings}
    joined = []
    for reading in readings:
        faces = []
        for face in reading.faces:
            update = {"p_child": _joined(face, reading, by_second), "p_child_alone": face.p_child}
            faces.append(face.model_copy(update=update))
        joined.append(reading.model_copy(update={"faces": faces}))
    return joined


def _joined(face: FaceReading, reading: FrameReading, by_second: Mapping[int, FrameReading]) -> float:
    logits = [_logit(face.p_child)]
    for offset in range(-REACH_SECONDS, REACH_SECONDS + 1):
        neighbour = by_second.get(reading.frame.second + offset)
        if offset == 0 or neighbour is None or neighbour.recording_index != reading.recording_index:
            continue
        best = max(neighbour.faces, key=lambda other: iou(face.box_xyxy, other.box_xyxy), default=None)
        if best is not None and iou(face.box_xyxy, best.box_xyxy) >= SAME_FACE_IOU:
            logits.append(_logit(best.p_child))
    return 1 / (1 + exp(-sum(logits) / len(logits)))


def _logit(probability: float) -> float:
    p = min(max(probability, 1e-6), 1 - 1e-6)
    return min(max(log(p / (1 - p)), -MOST_LOGIT), MOST_LOGIT)


def iou(one: XYXY, other: XYXY) -> float:
    """Intersection over union of two boxes, 0..1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    areas = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1])
    return shared / (areas - shared)
