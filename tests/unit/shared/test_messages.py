"""Messages: frozen on the wire, small, and refused when they are another hop's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from shared import catalogue
from shared.messages import (
    ANY_MESSAGE,
    MAX_MESSAGE_BYTES,
    FacesDetected,
    FramesDecoded,
    MomentsPicked,
    SegmentPlanned,
    SegmentSkipped,
    dump,
    load,
    load_or_skipped,
)

SEGMENT = {"index": 3, "recording_index": 1, "start_second": 128, "end_second": 192, "pts_offset_seconds": -4.5}
COMMON = {"version": 1, "lesson_id": "l-1", "work_version": "0123456789abcdef", "generation": 2}

# As they are sent. A new version must go on reading these, and those without what was added since: a generation.
RECORDED: list[dict[str, Any]] = [
    {**COMMON, "kind": "segment_planned", "segment": SEGMENT},
    {
        **COMMON,
        "kind": "frames_decoded",
        "segment": SEGMENT,
        "frames": {"key": "work/l-1/v/segment-0003/frames.zip", "n_frames": 64},
    },
    {
        **COMMON,
        "kind": "faces_detected",
        "segment": SEGMENT,
        "frames": {"key": "work/l-1/v/segment-0003/frames.zip", "n_frames": 64},
        "detections_key": "work/l-1/v/segment-0003/faces.json",
        "n_faces": 61,
    },
    {**COMMON, "kind": "faces_cropped", "segment": SEGMENT, "detections_key": "d", "crops_key": "c", "n_faces": 61},
    {**COMMON, "kind": "faces_classified", "segment": SEGMENT, "detections_key": "d", "crops_key": "c", "scores_key": "s"},
    {**COMMON, "kind": "segment_skipped", "segment": SEGMENT, "stage": "decode_segment", "fault": "input", "reason": "r"},
    {**COMMON, "kind": "moments_picked", "outcome_key": "o", "n_moments": 9},
    {**COMMON, "kind": "reel_assembled", "outcome_key": "o", "reel_key": None},
]


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda message: message["kind"])
def test_recorded_messages_are_read_and_written_as_ever(recorded: dict[str, Any]) -> None:
    message = ANY_MESSAGE.validate_python(recorded)
    assert dump(message) == recorded
    assert len(json.dumps(dump(message))) < MAX_MESSAGE_BYTES // 16


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda message: message["kind"])
def test_messages_of_an_older_and_of_a_newer_release_are_read(recorded: dict[str, Any]) -> None:
    older = {key: value for key, value in recorded.items() if key != "generation"}
    assert dump(ANY_MESSAGE.validate_python(older)) == {**recorded, "generation": 0}
    assert dump(ANY_MESSAGE.validate_python({**recorded, "added_later": [1]})) == recorded


def test_task_names_are_frozen() -> None:
    assert {*catalogue.SEGMENT_TASKS, *catalogue.LESSON_TASKS, catalogue.RECONCILE, catalogue.SWEEP} == {
        "smilereel.cpu.plan_lesson",
        "smilereel.cpu.decode_segment",
        "smilereel.gpu.detect_faces",
        "smilereel.cpu.crop_faces",
        "smilereel.gpu.classify_faces",
        "smilereel.cpu.pick_moments",
        "smilereel.cpu.assemble_reel",
        "smilereel.cpu.publish_lesson",
        "smilereel.cpu.reconcile",
        "smilereel.cpu.sweep",
    }
    assert catalogue.QUEUES == ("cpu", "gpu", "cpu.bulk", "gpu.bulk")
    assert catalogue.ROOM_QUEUES == {"cpu": ("cpu", "cpu.bulk"), "gpu": ("gpu", "gpu.bulk")}
    assert all(route["queue"] == name.split(".")[1] for name, route in catalogue.ROUTES.items())


def test_another_hops_message_is_refused() -> None:
    with pytest.raises(TypeError, match="expected FacesDetected, not FramesDecoded"):
        load(RECORDED[1], FacesDetected)


@pytest.mark.parametrize(
    "payload", [None, {}, {"kind": "nonsense"}, {**RECORDED[0], "version": 2}, {**RECORDED[0], "generation": -1}]
)
def test_what_is_no_message_of_ours_is_refused(payload: Any) -> None:
    with pytest.raises(ValidationError):
        load(payload, SegmentPlanned)


def test_a_skipped_segment_passes_every_hop() -> None:
    assert isinstance(load_or_skipped(RECORDED[5], FramesDecoded), SegmentSkipped)
    assert isinstance(load_or_skipped(RECORDED[1], FramesDecoded), FramesDecoded)


@pytest.mark.parametrize("key", ["../../etc/passwd", "work/../../x", "/etc/passwd", "a//b", "a/./b", "s3://b/k", ""])
def test_keys_that_leave_the_store_are_refused(key: str) -> None:
    with pytest.raises(ValidationError):
        load({**RECORDED[6], "outcome_key": key}, MomentsPicked)
    with pytest.raises(ValidationError):
        load({**RECORDED[1], "frames": {"key": key, "n_frames": 1}}, FramesDecoded)


@pytest.mark.parametrize("lesson_id", ["", "../../x", "a\0", "x" * 129, "\ud800"])
def test_ids_that_no_lesson_has_are_refused(lesson_id: str) -> None:
    with pytest.raises(ValidationError):
        load({**RECORDED[0], "lesson_id": lesson_id}, SegmentPlanned)


@pytest.mark.parametrize("offset", [float("nan"), float("inf")])
def test_an_offset_is_a_number(offset: float) -> None:
    with pytest.raises(ValidationError):
        load({**RECORDED[0], "segment": {**SEGMENT, "pts_offset_seconds": offset}}, SegmentPlanned)


def test_what_a_later_release_adds_further_inside_is_passed_over_too() -> None:
    assert load({**RECORDED[0], "segment": {**SEGMENT, "later": 1}}, SegmentPlanned).segment.index == SEGMENT["index"]
    later = {**RECORDED[1]["frames"], "later": 1}
    assert load({**RECORDED[1], "frames": later}, FramesDecoded).frames.n_frames == 64
