"""Messages, any of them: written and read again, spoilt, of the longest legal ids, and as the arguments of tasks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery import Celery
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared import catalogue
from shared.frame import FramePack
from shared.lesson import Segment
from shared.messages import (
    MAX_MESSAGE_BYTES,
    FacesClassified,
    FacesCropped,
    FacesDetected,
    FramesDecoded,
    Message,
    MomentsPicked,
    ReelAssembled,
    SegmentPlanned,
    SegmentSkipped,
    dump,
    load,
    load_or_skipped,
)
from shared.store import output_key, segment_key
from tests.builders import a_lesson
from workers.pipeline import lesson_of, reel_chain, segment_chain

HOPS: tuple[type[Message], ...] = (
    *(SegmentPlanned, FramesDecoded, FacesDetected, FacesCropped, FacesClassified, SegmentSkipped),
    *(MomentsPicked, ReelAssembled),
)
FIRST = "ABCXYZabcxyz0189"
LARGEST = 2**63 - 1
UNHURRIED = settings(deadline=None)

lesson_ids = st.builds(str.__add__, st.sampled_from(FIRST), st.text(FIRST + "._:@=+-", max_size=127))
work_versions = st.text("0123456789abcdef", min_size=16, max_size=16)
numbers = st.integers(0, LARGEST)
keys = st.builds(segment_key, lesson_ids, work_versions, st.integers(0, 99_999), st.sampled_from(("frames.zip", "faces.json")))
seconds = st.floats(allow_nan=False, allow_infinity=False)
segments = st.tuples(numbers, numbers, st.integers(0, LARGEST - 1), st.integers(1, 64), seconds).map(
    lambda n: Segment(index=n[0], recording_index=n[1], start_second=n[2], end_second=n[2] + n[3], pts_offset_seconds=n[4])
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "lesson_id": lesson_ids,
    "work_version": work_versions,
    "generation": numbers,
    "segment": segments,
    "frames": st.builds(FramePack, key=keys, n_frames=numbers),
    "stage": st.sampled_from(catalogue.STAGES),
    "fault": st.sampled_from(("input", "ours")),
    "reason": st.text(max_size=500),
    "reel_key": st.none() | keys,
    **dict.fromkeys(("n_faces", "n_moments"), numbers),
    **dict.fromkeys(("detections_key", "crops_key", "scores_key", "outcome_key"), keys),
}


def of(hop: type[Message], **fixed: Any) -> st.SearchStrategy[Message]:
    """Any message of this hop; `fixed` names what is the same in each."""
    names = set(hop.model_fields) - {"version", "kind"}
    return st.builds(hop, **{name: st.just(fixed[name]) if name in fixed else FIELDS[name] for name in names})


messages = st.one_of([of(hop) for hop in HOPS])
plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
anything = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
)


@UNHURRIED
@given(message=messages, later=st.dictionaries(st.text(min_size=1).map("later_{}".format), anything, max_size=3))
def test_a_message_survives_the_wire_and_what_later_releases_add_to_it(message: Message, later: dict[str, Any]) -> None:
    carried = json.loads(json.dumps({**dump(message), **later}))
    assert load(carried, type(message)) == message
    assert load_or_skipped(carried, type(message)) == message
    assert dump(load(carried, type(message))) == dump(message)


@UNHURRIED
@given(message=messages, hop=st.sampled_from(HOPS))
def test_only_another_hops_message_is_a_type_error(message: Message, hop: type[Message]) -> None:
    if type(message) is hop:
        assert load(dump(message), hop) == message
        return
    with pytest.raises(TypeError, match=f"expected {hop.__name__}, not {type(message).__name__}"):
        load(dump(message), hop)


COUNTS = ("generation", "n_faces", "n_moments", "n_frames", "index", "recording_index", "start_second", "end_second")
KEYS = ("key", "detections_key", "crops_key", "scores_key", "outcome_key", "reel_key")
SPOILT: dict[str, tuple[Any, ...]] = {
    "version": (0, 2, "1", None, [1]),
    "kind": ("", "nonsense", "SegmentPlanned", None, 1, [], {}),
    "fault": ("", "theirs", None, 0),
    "reason": ("x" * 501, None, 7),
    "segment": (None, [], 7, "0-64", {}),
    "frames": (None, [], 7, "frames.zip", {}),
    "pts_offset_seconds": (None, "soon", [0.5]),
    **dict.fromkeys(COUNTS, (-1, None, "many", 1.5, [1], {"n": 1}, float("nan"), float("inf"))),
    **dict.fromkeys(KEYS, ("", "x" * 513, 7, ["a"])),
    **dict.fromkeys(("lesson_id", "work_version", "stage"), (None, 7, ["a"], {"a": 1})),
}
OPTIONAL = {"version", "generation", "reel_key"}


@UNHURRIED
@given(message=messages, data=st.data())
def test_a_spoilt_message_is_no_message(message: Message, data: st.DataObject) -> None:
    payload = dump(message)
    places = [(part, name) for part in (payload, payload.get("segment"), payload.get("frames")) if part for name in part]
    part, name = data.draw(st.sampled_from(places))
    if name not in OPTIONAL and data.draw(st.booleans()):
        del part[name]
    else:
        part[name] = data.draw(st.sampled_from(SPOILT[name]))
    with pytest.raises(ValidationError):
        load(payload, type(message))


@UNHURRIED
@given(
    payload=anything,
    hop=st.sampled_from(HOPS),
    kind=anything | st.sampled_from([hop.model_fields["kind"].default for hop in HOPS]),
)
def test_nothing_but_a_validation_error_comes_of_anything_else(payload: Any, hop: type[Message], kind: Any) -> None:
    for whole in (payload, {**payload, "kind": kind} if isinstance(payload, dict) else {"kind": kind}):
        with pytest.raises(ValidationError):
            load(whole, hop)
        with pytest.raises(ValidationError):
            load_or_skipped(whole, hop)


@pytest.mark.parametrize("hop", HOPS)
def test_the_longest_legal_message_is_small(hop: type[Message]) -> None:
    lesson_id = a_lesson(lesson_id="x" * 128).lesson_id
    # What the ledger's column takes; a version is 16 characters long.
    version, reason = "f" * 64, "\N{SMILING FACE WITH SMILING EYES}" * 500
    key = max(
        segment_key(lesson_id, version, LARGEST, "detections.json"), output_key(lesson_id, version, "outcome.json"), key=len
    )
    segment = Segment(index=LARGEST, recording_index=LARGEST, start_second=0, end_second=LARGEST, pts_offset_seconds=-1.7e308 / 3)
    longest: dict[str, Any] = {
        "lesson_id": lesson_id,
        "work_version": version,
        "generation": LARGEST,
        "segment": segment,
        "frames": FramePack(key=key, n_frames=LARGEST),
        "stage": max(catalogue.STAGES, key=len),
        "fault": "input",
        "reason": reason,
        **dict.fromkeys(("detections_key", "crops_key", "scores_key", "outcome_key", "reel_key"), key),
        **dict.fromkeys(("n_faces", "n_moments"), LARGEST),
    }
    payload = dump(hop(**{name: longest[name] for name in set(hop.model_fields) - {"version", "kind"}}))
    assert len(json.dumps(payload)) < MAX_MESSAGE_BYTES // 8


Arguments = tuple[list[Any], dict[str, Any]]
APP = Celery("smilereel-test", set_as_current=False)


@st.composite
def arguments_of_all_tasks(draw: st.DrawFn) -> tuple[str, dict[str, Arguments]]:
    """A lesson, and what each of its tasks is called with, as the canvas and the tasks before it give it."""
    lesson_id, version, generation, segment = draw(lesson_ids), draw(work_versions), draw(numbers), draw(segments)
    skipped = draw(of(SegmentSkipped, lesson_id=lesson_id))

    def carried(hop: type[Message]) -> Any:
        may_be_skipped = hop in {FramesDecoded, FacesDetected, FacesCropped, FacesClassified}
        return dump(skipped if may_be_skipped and draw(st.booleans()) else draw(of(hop, lesson_id=lesson_id)))

    decode = segment_chain(APP, lesson_id, version, generation, segment).tasks[0]
    pick = reel_chain(APP, lesson_id, version, generation).tasks[0]
    results = [carried(FacesClassified) for _ in range(draw(st.integers(0, 2)))]
    return lesson_id, {
        catalogue.PLAN_LESSON: ([lesson_id], {"generation": generation}),
        catalogue.DECODE_SEGMENT: (list(decode.args), dict(decode.kwargs)),
        catalogue.DETECT_FACES: ([carried(FramesDecoded)], {}),
        catalogue.CROP_FACES: ([carried(FacesDetected)], {}),
        catalogue.CLASSIFY_FACES: ([carried(FacesCropped)], {}),
        catalogue.PICK_MOMENTS: ([results, *pick.args], dict(pick.kwargs)),
        catalogue.ASSEMBLE_REEL: ([carried(MomentsPicked)], {}),
        catalogue.PUBLISH_LESSON: ([carried(ReelAssembled)], {}),
    }


@UNHURRIED
@given(made=arguments_of_all_tasks())
def test_a_tasks_arguments_name_its_lesson(made: tuple[str, dict[str, Arguments]]) -> None:
    lesson_id, tasks = made
    assert set(tasks) == {*catalogue.SEGMENT_TASKS, *catalogue.LESSON_TASKS}
    for args, kwargs in tasks.values():
        assert lesson_of(args, kwargs) == lesson_id
        assert lesson_of(*json.loads(json.dumps([args, kwargs]))) == lesson_id


@UNHURRIED
@given(args=st.lists(anything, max_size=3), kwargs=st.dictionaries(st.text(max_size=9), anything, max_size=3))
def test_other_tasks_arguments_name_none_or_a_text(args: list[Any], kwargs: dict[str, Any]) -> None:
    assert lesson_of([], {}) is None
    assert isinstance(lesson_of(args, kwargs), str | None)
