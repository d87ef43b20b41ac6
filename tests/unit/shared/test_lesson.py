"""What is accepted as a lesson and what is refused, in one sentence."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from shared.errors import LessonInvalid
from shared.lesson import Lesson, Subject, parse_lesson
from tests.builders import a_lesson, lesson_document

START = "2026-11-20T10:00:00Z"


def test_the_contracts_example_is_accepted() -> None:
    consent = {"process": True, "reel": True, "email": True, "analytics": True, "training": False}
    lesson = parse_lesson(json.dumps(lesson_document(consent=consent, subject="anyone", pupil_id="p-7")))
    assert lesson.subject is Subject.ANYONE
    assert lesson.consent.email


def test_what_may_be_left_out() -> None:
    lesson = parse_lesson({"lesson_id": "a", "student": [{"uri": "s.mp4", "started_at": START}]})
    assert lesson.subject is Subject.CHILD
    assert not any(lesson.consent.model_dump().values()), "nobody agreed to anything"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"student": []}, "student"),
        ({"student": [{"uri": "s.mp4", "started_at": "2026-11-20T10:00:00"}]}, "timezone"),
        ({"student": [{"uri": "s.mp4", "started_at": 1763632800}]}, "offset"),
        ({"student": [{"uri": "s.mp4", "started_at": "1763632800"}]}, "offset"),
        ({"student": [{"uri": "s.mp4", "started_at": "yesterday"}]}, "started_at"),
        ({"student": [{"uri": "http://x.org/s.mp4", "started_at": START}]}, "'http' is not allowed"),
        ({"student": [{"uri": "file:///etc/passwd", "started_at": START}]}, "'file' is not allowed"),
        ({"student": [{"uri": "", "started_at": START}]}, "uri"),
        ({"lesson_id": "../up"}, "lesson_id"),
        ({"lesson_id": ""}, "lesson_id"),
        ({"colour": "red"}, "colour"),
        ({"consent": {"process": "yes"}}, "consent.process"),
        ({"subject": "dog"}, "subject"),
    ],
)
def test_a_fault_is_named_in_one_sentence(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(LessonInvalid) as refusal:
        parse_lesson(lesson_document(**changes))
    assert said in refusal.value.message
    assert "\n" not in refusal.value.message


def test_times_in_the_wrong_order_are_refused() -> None:
    later_first = [{"uri": "b.mp4", "started_at": "2026-11-20T10:31:00Z"}, {"uri": "a.mp4", "started_at": START}]
    with pytest.raises(LessonInvalid, match="wrong order"):
        parse_lesson(lesson_document(student=later_first))


@pytest.mark.parametrize("text", ["", "not json", "[1, 2]", "{", "null", b"\xff\xfe"])
def test_no_json_object_is_refused(text: str | bytes) -> None:
    with pytest.raises(LessonInvalid):
        parse_lesson(text)


def test_the_same_lesson_written_otherwise_has_the_same_content() -> None:
    elsewhere = lesson_document(student=[{"uri": "student.mp4", "started_at": "2026-11-20T13:00:00+03:00"}])
    assert parse_lesson(elsewhere).content_sha256() == a_lesson().content_sha256()
    assert a_lesson(subject="anyone").content_sha256() != a_lesson().content_sha256()


def test_the_schema_accepts_what_the_code_accepts() -> None:
    schema = Lesson.model_json_schema()
    jsonschema.validate(lesson_document(), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(lesson_document(colour="red"), schema)
