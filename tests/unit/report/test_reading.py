"""What the report takes for a lesson's files, and what it says of anything else."""

from __future__ import annotations

import pytest

from shared.errors import LessonInvalid
from shared.records import LessonPlan, Outcome, ShoulderRange
from shared.reel import NoReelReason
from tests.builders import a_face, a_plan, a_reading
from tests.unit.report.lessons import START, a_document, a_second, at, no_reel, span, the_seconds
from workers.cpu import telling
from workers.cpu.publish import lesson_json, seconds_csv
from workers.report.figures import presence_of
from workers.report.reading import read_lesson, read_seconds

HEADER = the_seconds(0)


def test_what_publish_writes_is_read_as_it_was_meant() -> None:
    plan: LessonPlan = a_plan(4).model_copy(update={"student_on": [True, True, False, True]})
    readings = [a_reading(0, p_parent_shoulder=0.25), a_reading(1, []), a_reading(3, [a_face(p_child=0.1, p_smile=0.5)])]
    exposure = telling.Exposure(mood_analytics=True, min_p_child=0.5)
    outcome = Outcome(moments=[], reason=NoReelReason.TOO_FEW_SMILES)
    ranges = [ShoulderRange(start_second=1, end_second=3)]
    rows = telling.second_rows(plan, readings, exposure)
    lesson = read_lesson(lesson_json(plan, outcome, None, {}, [], exposure, ranges), seconds_csv(plan, rows))
    assert lesson.document.reason == "too_few_smiles"
    assert lesson.spans(lesson.document.parent_shoulder or []) == [(1.0, 3.0)]
    assert lesson.seconds is not None
    assert [second.faces for second in lesson.seconds] == [1, 0, None, 1]
    assert [second.adult_faces for second in lesson.seconds] == [0, 0, None, 1]
    assert [second.student_on for second in lesson.seconds] == [True, True, False, True]
    assert [second.p_smile for second in lesson.seconds] == [0.95, None, None, 0.5]
    assert [second.p_parent_shoulder for second in lesson.seconds] == [0.25, 0.05, None, 0.05]

    shown, told = presence_of(lesson), telling.presence_of(plan, rows, ranges)
    assert shown is not None
    assert (shown.child_seen, shown.child_alone) == (told.child_seconds, told.child_alone_seconds) == (1, 1)
    assert (shown.adult_face, shown.parent_shoulder) == (told.adult_face_seconds, told.parent_shoulder_seconds) == (1, 2)
    assert (shown.nobody, shown.camera_off) == (told.nobody_seconds, 4 - told.student_on_seconds) == (0, 1)


def test_a_lesson_without_a_teacher_says_nothing_of_one() -> None:
    rows = read_seconds(the_seconds(3, every={"teacher_on": ""}))
    assert [row.teacher_on for row in rows] == [None] * 3


def test_a_lesson_of_no_second_is_a_lesson() -> None:
    lesson = read_lesson(no_reel("too_short", n_seconds=0), HEADER)
    assert (lesson.seconds, lesson.n_seconds) == ((), 1)


def test_an_older_record_without_shoulder_ranges_is_read() -> None:
    assert b'"parent_shoulder"' in a_document()
    older = a_document().replace(b'"parent_shoulder"', b'"unheard_of"')
    assert read_lesson(older, None).document.parent_shoulder is None


def test_spans_outside_of_the_lesson_are_cut() -> None:
    lesson = read_lesson(a_document(100, parent_shoulder=[span(-5, 5), span(90, 120), span(200, 210)]), None)
    assert lesson.spans(lesson.document.parent_shoulder or []) == [(0.0, 5.0), (90.0, 100.0)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "the document"),
        (b"{}", "schema_version"),
        (b"\xff\xfe", "the document"),
        (a_document(starts_at="2026-11-20T10:00:00"), "starts_at"),
        (a_document(moments=[{"pts_seconds": -1, "at": at(0)}]), "moments.0.pts_seconds"),
        (a_document(moments=[{"pts_seconds": 1, "at": at(0), "p_smile": 1.5}]), "moments.0.p_smile"),
        (a_document(schema_version=2), "schema version 2"),
        (a_document(ends_at=START.replace(year=2025).isoformat()), "ends_at is before"),
        (a_document(ends_at=START.replace(year=2030).isoformat()), "days after"),
    ],
)
def test_what_is_no_record_is_named_in_a_sentence(text: bytes, says: str) -> None:
    with pytest.raises(LessonInvalid, match=says) as caught:
        read_lesson(text, None)
    assert caught.value.message.startswith("The file lesson.json ")
    assert "\n" not in caught.value.message


def row(**changes: object) -> bytes:
    header = HEADER.decode().strip().split(",")
    cells = {**a_second(0, 100), **changes}
    return HEADER + ",".join(str(cells.get(name, "")) for name in header).encode() + b"\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "no column 'second'"),
        (b"second,at\n0,1\n", "no column 'student_on'"),
        (b"\xff" + HEADER, "no UTF-8"),
        (HEADER + b'0,"x\n', "cannot be read"),
        (HEADER + b"0\n0\n", "line 3: it should be second 1"),
        (row(second=1), "line 2: it should be second 0"),
        (row(student_on="yes"), "line 2: a camera is"),
        (row(faces="-1"), "line 2: a number of faces"),
        (row(faces="9" * 5000), "line 2: a number of faces"),
        (row(p_smile="nan"), "line 2: a probability"),
        (row(p_smile="1e999"), "line 2: a probability"),
        (row(p_parent_shoulder="<b>"), "line 2: a probability"),
        (row(p_adult_face="1.2"), "line 2: a probability"),
    ],
)
def test_a_malformed_row_is_named_by_its_line(text: bytes, says: str) -> None:
    with pytest.raises(LessonInvalid, match=says) as caught:
        read_seconds(text)
    assert caught.value.message.startswith("The file seconds.csv ")
    assert "\n" not in caught.value.message
