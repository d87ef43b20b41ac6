"""What the CPU room does with one segment, between the doors and the stages: fetch, call the stage, put away. Called by `tasks.py`."""

from __future__ import annotations

from shared.frame import FramePack
from shared.messages import FacesCropped, FacesDetected, FramesDecoded, SegmentPlanned
from shared.records import SegmentFaces
from shared.store import segment_key
from workers.cpu.crop import crop_faces
from workers.cpu.decode import sample_frames
from workers.cpu.rules import source_rules
from workers.cpu.sources import open_recording
from workers.doors import Doors
from workers.packs import pack_crops, pack_frames, unpack_frames


def decode(doors: Doors, message: SegmentPlanned) -> tuple[FramesDecoded, int]:
    """One frame a second of a segment, as a pack of JPEGs."""
    segment = message.segment
    key = segment_key(message.lesson_id, message.work_version, segment.index, "frames.zip")
    count_key = segment_key(message.lesson_id, message.work_version, segment.index, "frames.count")
    if doors.store.exists(count_key):
        n_frames = int(doors.store.get(count_key))
    else:
        settings = doors.settings
        uri = doors.ledger.require(message.lesson_id).lesson.student[segment.recording_index].uri
        rules = source_rules(settings)
        with open_recording(uri, rules) as media:
            sampling = sample_frames(
                media,
                range(segment.start_second, segment.end_second),
                segment.pts_offset_seconds,
                longest_side=settings.frame_longest_side,
                threads=settings.decode_threads,
                limits=rules.limits,
            )
        n_frames = len(sampling.frames)
        doors.store.put(key, pack_frames(sampling.frames, sampling.unreadable, jpeg_quality=settings.frame_jpeg_quality))
        doors.store.put(count_key, str(n_frames).encode())
    pack = FramePack(key=key, n_frames=n_frames)
    return FramesDecoded(lesson_id=message.lesson_id, work_version=message.work_version, segment=segment, frames=pack), n_frames


def crop(doors: Doors, message: FacesDetected) -> tuple[FacesCropped, int]:
    """The classifiers' input for each face of a segment."""
    key = segment_key(message.lesson_id, message.work_version, message.segment.index, "crops.npz")
    if not doors.store.exists(key):
        found = SegmentFaces.model_validate_json(doors.store.get(message.detections_key))
        with_faces = [frame for frame in found.frames if frame.boxes]
        data = doors.store.get(message.frames.key)
        # One frame at a time: a segment of large pictures would not fit into memory several times over.
        crops = crop_faces((unpack_frames(data, [frame.frame])[0], frame.boxes) for frame in with_faces)
        doors.store.put(key, pack_crops(crops))
    common = message.model_dump(include={"lesson_id", "work_version", "segment", "detections_key", "n_faces"})
    return FacesCropped(**common, crops_key=key), message.n_faces
