"""lesson.json and seconds.csv: the contract's keys, empty where nothing is known, no mood unless asked for."""

from __future__ import annotations

import csv
import io
import json

from shared.records import FrameReading, LessonPlan, Outcome, ShoulderRange, StageProgress
from shared.reel import NoReelReason, Reel
from tests.builders import a_face, a_plan, a_reading
from workers.cpu.pick import PickRules, pick_moments
from workers.cpu.publish import SECONDS_COLUMNS, lesson_json, seconds_csv
from workers.cpu.telling import Exposure, presence_of, second_rows

OPEN = Exposure(mood_analytics=True, min_p_child=0.5)
SHUT = Exposure(mood_analytics=False, min_p_child=0.5)
REEL = Reel(frames=9, width=320, height=320, bytes=400_000)


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode())))


def csv_of(plan: LessonPlan, readings: list[FrameReading], exposure: Exposure) -> bytes:
    return seconds_csv(plan, second_rows(plan, readings, exposure))


def test_a_row_for_each_second_and_empty_is_not_zero() -> None:
    adult = a_face(p_child=0.1, p_smile=0.2)
    seen = [a_reading(0), a_reading(1, []), a_reading(3, [a_face(p_child=0.9, p_smile=0.7), adult], p_parent_shoulder=0.6)]
    table = rows(csv_of(a_plan(4), seen, OPEN))
    assert tuple(table[0]) == SECONDS_COLUMNS
    assert [row["second"] for row in table] == ["0", "1", "2", "3"]
    assert table[1]["at"] == "2026-11-20T10:00:01Z"
    assert [row["faces"] for row in table] == ["1", "0", "", "2"]
    assert (table[3]["child_faces"], table[3]["adult_faces"]) == ("1", "1")
    assert (table[3]["p_child"], table[3]["p_adult_face"], table[3]["p_smile"]) == ("0.9000", "0.9000", "0.7000")
    assert (table[1]["p_smile"], table[1]["p_child"], table[1]["p_parent_shoulder"]) == ("", "", "0.0500")
    assert set(table[2].values()) == {"2", "2026-11-20T10:00:02Z", "1", ""}


def test_nobody_knows_of_a_teacher_without_recordings() -> None:
    plan = a_plan(2).model_copy(update={"bounded_by": "student"})
    assert [row["teacher_on"] for row in rows(csv_of(plan, [], OPEN))] == ["", ""]
    assert [row["teacher_on"] for row in rows(csv_of(a_plan(2), [], OPEN))] == ["1", "1"]


def test_smile_scores_stay_in_unless_asked_for() -> None:
    plan, seen = a_plan(60), [a_reading(second) for second in range(60)]
    outcome = pick_moments(plan, seen, PickRules())
    for exposure, shown in ((OPEN, True), (SHUT, False)):
        record = json.loads(lesson_json(plan, outcome, REEL, {}, [], exposure))
        assert all(("p_smile" in moment) and ((moment["p_smile"] is not None) == shown) for moment in record["moments"])
        assert all(bool(row["p_smile"]) == shown for row in rows(csv_of(plan, seen, exposure)))


def test_the_records_keys() -> None:
    stages = {"decode_segment": StageProgress(finished=2, seconds=1.5, items=60, attempts=0)}
    plan = a_plan(60)
    outcome = pick_moments(plan, [a_reading(second) for second in range(60)], PickRules())
    record = json.loads(lesson_json(plan, outcome, REEL, stages, [], SHUT))
    assert record["schema_version"] == 1
    assert (record["lesson_id"], record["status"], record["reason"]) == ("lesson-1", "done", None)
    assert (record["starts_at"], record["ends_at"]) == ("2026-11-20T10:00:00Z", "2026-11-20T10:01:00Z")
    assert record["disconnects"] == {"student": [], "teacher": []}
    assert record["reel"] == {"frames": 9, "width": 320, "height": 320, "bytes": 400_000}
    assert record["stages"] == [{"name": "decode_segment", "seconds": 1.5, "runs": 2, "items": 60}]
    assert record["skipped"] == []
    moment = record["moments"][1]
    assert {"pts_seconds", "at", "p_smile", "p_child", "box_xyxy"} <= moment.keys()
    assert moment["at"] == f"2026-11-20T10:00:{moment['second']:02d}.500Z"


def test_a_parents_ranges_on_the_clock() -> None:
    plan, spans = a_plan(60), [ShoulderRange(start_second=10, end_second=25)]
    outcome = pick_moments(plan, [a_reading(second) for second in range(60)], PickRules(), spans)
    record = json.loads(lesson_json(plan, outcome, REEL, {}, [], SHUT, spans))
    assert record["parent_shoulder"] == [{"from": "2026-11-20T10:00:10Z", "to": "2026-11-20T10:00:25Z"}]
    assert json.loads(lesson_json(plan, outcome, REEL, {}, [], SHUT))["parent_shoulder"] == []


def test_no_reel_says_why() -> None:
    outcome = Outcome(moments=[], reason=NoReelReason.TOO_SHORT, detail="7.3 s")
    record = json.loads(lesson_json(a_plan(7), outcome, None, {}, [], SHUT))
    assert (record["status"], record["reason"], record["reel"], record["moments"]) == ("no_reel", "too_short", None, [])


def test_who_was_there() -> None:
    adult = a_face(p_child=0.1)
    plan = a_plan(8)
    seen = [
        a_reading(0),
        a_reading(1, []),
        a_reading(2, [a_face(), adult]),
        a_reading(3),
        a_reading(5, []),
        a_reading(6, [adult]),
    ]
    beside = [ShoulderRange(start_second=3, end_second=6)]
    presence = presence_of(plan, second_rows(plan, seen, SHUT), beside)
    assert (presence.lesson_seconds, presence.seen_seconds) == (8, 6)
    assert (presence.child_seconds, presence.child_alone_seconds) == (3, 1), "alone: nobody beside, out of view either"
    assert (presence.adult_face_seconds, presence.parent_shoulder_seconds, presence.nobody_seconds) == (2, 3, 1)
    assert presence_of(plan.model_copy(update={"bounded_by": "student"}), [], []).teacher_on_seconds is None
