"""A segment's detections, crops and scores joined to what was seen second by second. Pure; called by the pick task's work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shared.lesson import Segment
from shared.records import FaceReading, FrameReading, SegmentFaces, Skipped
from workers.packs import CropPack


def read_segment(segment: Segment, found: SegmentFaces, crops: CropPack, scores: Sequence[Sequence[float]]) -> list[FrameReading]:
    """Join what three stages found; `crops` and `scores` (p_child, p_smile) follow the frames' faces in order.

    Raises:
        ValueError: the three do not speak of the same number of faces.
    """
    n_faces = sum(len(frame.boxes) for frame in found.frames)
    if not n_faces == len(crops.quality) == len(scores):
        raise ValueError(f"segment {segment.index} has {n_faces} faces, {len(crops.quality)} crops and {len(scores)} scores")
    readings, face = [], 0
    for frame in found.frames:
        faces = []
        for box_xyxy, score in zip(frame.boxes, frame.scores, strict=True):
            p_child, p_smile = scores[face]
            faces.append(
                FaceReading(
                    box_xyxy=box_xyxy,
                    score=score,
                    p_child=p_child,
                    p_smile=p_smile,
                    quality=float(crops.quality[face]),
                    thumbnail=crops.thumbnails[face].ravel().tolist(),
                )
            )
            face += 1
        readings.append(
            FrameReading(
                frame=frame.frame,
                recording_index=segment.recording_index,
                p_parent_shoulder=frame.p_parent_shoulder,
                faces=faces,
            )
        )
    return readings


def skipped_seconds(segment: Segment, seconds: Iterable[int], reason: str) -> list[Skipped]:
    """Seconds without a frame, neighbours joined to half-open spans."""
    spans: list[list[int]] = []
    for second in sorted(seconds):
        if spans and spans[-1][1] == second:
            spans[-1][1] = second + 1
        else:
            spans.append([second, second + 1])
    return [
        Skipped(side="student", recording=segment.recording_index, from_second=start, to_second=end, reason=reason)
        for start, end in spans
    ]
