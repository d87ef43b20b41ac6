"""What Flower shows of a message, from messages as Celery writes them down."""

from __future__ import annotations

import pytest
from celery.utils.saferepr import saferepr

from shared.catalogue import CLASSIFY_FACES, DECODE_SEGMENT, DETECT_FACES, PICK_MOMENTS, PLAN_LESSON, PUBLISH_LESSON, RECONCILE
from shared.frame import FramePack
from shared.messages import (
    FacesClassified,
    FacesCropped,
    FramesDecoded,
    Message,
    MomentsPicked,
    ReelAssembled,
    SegmentPlanned,
    SegmentSkipped,
    dump,
)
from tests.builders import a_segment
from workers.flowering.readable import readable_event, readable_request

COMMON = {"lesson_id": "school:7@2026+a=b", "work_version": "e4620ea49c022f1d", "generation": 2}
SEGMENT = {**COMMON, "segment": a_segment(3, 15, 20)}
CLASSIFIED = FacesClassified(**SEGMENT, detections_key="work/x/f.json", crops_key="work/x/c.npz", scores_key="work/x/s.json")
DECODED = FramesDecoded(**SEGMENT, frames=FramePack(key="work/x/frames.zip", n_frames=5))


def shown(name: str, *args: object, **kwargs: object) -> tuple[str, str]:
    """Arguments as an event carries them, cut off as Celery does it; what Flower gets of them."""
    arguments = saferepr(args, 1024), saferepr(kwargs, 1024)
    event = readable_event({"type": "task-received", "name": name, "args": arguments[0], "kwargs": arguments[1]})
    return event["args"], event["kwargs"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (DECODE_SEGMENT, SegmentPlanned(**SEGMENT)),
        (DETECT_FACES, DECODED),
        (CLASSIFY_FACES, FacesCropped(**SEGMENT, detections_key="work/x/f.json", crops_key="work/x/c.npz", n_faces=5)),
        (CLASSIFY_FACES, SegmentSkipped(**SEGMENT, stage="decode_segment", fault="input", reason="x" * 500)),
    ],
)
def test_a_segments_task_names_lesson_segment_and_seconds(name: str, message: Message) -> None:
    assert shown(name, dump(message)) == ("school:7@2026+a=b · segment 3 · seconds 15-20", "sending 2")


@pytest.mark.parametrize("segments", [0, 1, 60])
def test_the_picking_task_names_its_lesson_however_many_segments_come(segments: int) -> None:
    results = [dump(CLASSIFIED)] * segments
    assert shown(PICK_MOMENTS, results, COMMON["lesson_id"], "v", generation=4)[0] == "school:7@2026+a=b"
    assert shown(PICK_MOMENTS, [], COMMON["lesson_id"], "v", generation=4)[1] == "sending 4"


def test_other_tasks() -> None:
    assert shown(PLAN_LESSON, "lesson-1", generation=1) == ("lesson-1", "sending 1")
    assert shown(PUBLISH_LESSON, dump(ReelAssembled(**COMMON, outcome_key="work/x/o.json"))) == ("school:7@2026+a=b", "sending 2")
    assert shown(RECONCILE) == ("", "")


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (dump(DECODED), "frames_decoded · 5 frames"),
        (dump(MomentsPicked(**COMMON, outcome_key="work/x/o.json", n_moments=9)), "moments_picked · 9 moments"),
        (
            dump(SegmentSkipped(**SEGMENT, stage="decode_segment", fault="ours", reason="/srv/anna.mp4 is gone")),
            "segment_skipped · decode_segment · our fault",
        ),
        (None, ""),
        ("Anna Example", "…"),
    ],
)
def test_results_in_a_few_words(result: object, expected: str) -> None:
    assert readable_event({"type": "task-succeeded", "result": saferepr(result)})["result"] == expected


def test_whatever_else_a_message_carries_stays_out() -> None:
    planted = {**dump(SegmentPlanned(**SEGMENT)), "pupil": "Anna Example", "uri": "https://media.example/anna.mp4?sig=1"}
    event = {
        "type": "task-failed",
        "name": DECODE_SEGMENT,
        "args": saferepr((planted,)),
        "kwargs": saferepr({"mail": "anna@example.org"}),
        "exception": "RecordingUnreadable('/srv/anna.mp4 of Anna Example')",
        "traceback": 'Traceback (most recent call last):\n  File "workers/cpu/tasks.py", line 9, in work\n    open("anna.mp4")\n'
        "RecordingUnreadable: /srv/anna.mp4 of Anna Example",
        "result": "'Anna Example'",
    }
    told = readable_event(event)
    assert "anna" not in str(told).lower()
    assert told["exception"] == "RecordingUnreadable"
    assert told["traceback"] == '  File "workers/cpu/tasks.py", line 9, in work'
    assert "anna" not in str(readable_request({"name": DECODE_SEGMENT, "args": (planted,), "kwargs": {}})).lower()


@pytest.mark.parametrize(
    "args", ["", "None", "('',)", "({'lesson_id': '<script>alert(1)</script>'},)", "({'lesson_id': 'a b'},)", "[" * 2000, "\x00'"]
)
def test_nonsense_shows_nothing(args: str) -> None:
    assert readable_event({"type": "task-received", "name": DECODE_SEGMENT, "args": args, "kwargs": ""})["args"] == ""


def test_workers_events_pass_through() -> None:
    event = {"type": "worker-heartbeat", "hostname": "cpu@host", "active": 1}
    assert readable_event(event) == event
