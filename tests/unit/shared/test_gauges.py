"""What is counted for metrics, on both databases."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import insert

from shared.deliveries import Delivery
from shared.gauges import Gauges, StageSum
from shared.ledger import Ledger, LessonState
from shared.tables import StageRunRow
from tests.builders import a_lesson
from tests.ledgers import put_into, row_of, sent
from tests.unit.shared.conftest import Clock

DETECT, DECODE = "detect_faces", "decode_segment"


def test_an_empty_ledger_counts_nothing(ledger: Ledger) -> None:
    standing = Gauges(ledger.database).standing()
    assert set(standing.lessons) == set(LessonState), (
        "a state without lessons is 0, so that an alert on it has something to look at"
    )
    assert not any(standing.lessons.values())
    assert standing.oldest_seconds == {"fresh": 0.0, "bulk": 0.0}
    assert standing.untold == {Delivery.PENDING: 0, Delivery.DEAD: 0}
    assert (standing.sent_again, standing.most_attempts, standing.begun, standing.duty_lease_seconds) == (0, 0, {}, {})


def test_lessons_by_state_and_line(ledger: Ledger) -> None:
    for number, state in enumerate((LessonState.PROCESSING, LessonState.DONE, LessonState.DONE, LessonState.QUARANTINED)):
        put_into(ledger, state, f"lesson-{number}")
    ledger.accept(a_lesson(lesson_id="night"), bulk=True)
    standing = Gauges(ledger.database).standing()
    counted = {state: n for state, n in standing.lessons.items() if n}
    assert counted == {LessonState.ACCEPTED: 1, LessonState.PROCESSING: 1, LessonState.DONE: 2, LessonState.QUARANTINED: 1}
    assert standing.open_lessons == {
        (LessonState.ACCEPTED, "fresh"): 0,
        (LessonState.ACCEPTED, "bulk"): 1,
        (LessonState.PROCESSING, "fresh"): 1,
        (LessonState.PROCESSING, "bulk"): 0,
    }
    assert standing.untold[Delivery.PENDING] == 3, "each end is still to be told"


def test_the_oldest_unfinished_lesson(ledger: Ledger, clock: Clock) -> None:
    put_into(ledger, LessonState.DONE, "ended")
    clock.advance(100)
    put_into(ledger, LessonState.PROCESSING, "in-work")
    clock.advance(30)
    ledger.accept(a_lesson(lesson_id="waits"))
    ledger.accept(a_lesson(lesson_id="night"), bulk=True)
    clock.advance(5)
    assert Gauges(ledger.database).standing().oldest_seconds == {"fresh": 35.0, "bulk": 5.0}
    assert ledger.admit("in-work", 0, places=9, lease_seconds=5)
    assert Gauges(ledger.database).standing().oldest_seconds["fresh"] == 35.0, "sent again, it is as old as before"


def test_a_lesson_opened_again_is_as_old_as_its_opening(ledger: Ledger, clock: Clock) -> None:
    put_into(ledger, LessonState.DONE)
    clock.advance(86_400)
    assert ledger.reopen("lesson-1")
    clock.advance(7)
    assert Gauges(ledger.database).standing().oldest_seconds["fresh"] == 7.0


def test_who_makes_no_progress(ledger: Ledger, clock: Clock) -> None:
    put_into(ledger, LessonState.ACCEPTED)
    for _ in range(3):
        generation = sent(ledger, lease_seconds=5, most_attempts=9).generation
        clock.advance(6)
    ledger.admit("lesson-1", generation, places=9, lease_seconds=60)
    ledger.planned("lesson-1", "v1", 2, {}, generation=generation)
    for _ in range(3):
        ledger.runs.started("lesson-1", "v1", DETECT, 0)
    ledger.runs.started("lesson-1", "v1", DECODE, 1)
    ledger.runs.started("lesson-1", "v1", DECODE, 2)
    ledger.runs.finished("lesson-1", "v1", DECODE, 2, seconds=1.0, items=60)
    standing = Gauges(ledger.database).standing()
    assert (standing.sent_again, standing.most_attempts) == (0, 0), "the finished segment was progress"
    assert standing.begun == {DETECT: 1, DECODE: 1}
    assert standing.repeats == {DETECT: 2, DECODE: 0}
    put_into(ledger, LessonState.ACCEPTED, "other")
    for _ in range(2):
        sent(ledger, "other", lease_seconds=5, most_attempts=9)
        clock.advance(6)
    standing = Gauges(ledger.database).standing()
    assert (standing.sent_again, standing.most_attempts) == (1, 2)


def test_duties_tell_how_long_they_are_held(ledger: Ledger, clock: Clock) -> None:
    ledger.duties.hold("reconciler", "somebody", 6.0)
    ledger.duties.note("reconciler", work_bytes=12)
    clock.advance(10)
    standing = Gauges(ledger.database).standing()
    assert standing.duty_lease_seconds == {"reconciler": -4.0}
    assert standing.duty_notes["reconciler"]["work_bytes"] == 12


def test_what_has_ended_since(ledger: Ledger, clock: Clock) -> None:
    gauges, begun = Gauges(ledger.database), clock.time
    for number in range(3):
        ledger.accept(a_lesson(lesson_id=f"lesson-{number}"))
        clock.advance(60)
        assert ledger.finish(f"lesson-{number}", LessonState.REFUSED, None)
    ended = gauges.ended_since(begun, 10)
    assert [(end.state, end.seconds) for end in ended] == [("refused", 60.0)] * 3
    assert [end.event_id for end in gauges.ended_since(begun, 2)] == [end.event_id for end in ended[:2]], "the earliest first"
    assert gauges.ended_since(ended[1].ended_at, 10) == ended[2:]
    assert gauges.ended_since(clock.time + timedelta(seconds=1), 10) == []
    assert ledger.reopen("lesson-0")
    clock.advance(60)
    assert ledger.finish("lesson-0", LessonState.REFUSED, None)
    assert gauges.ended_since(clock.time - timedelta(seconds=1), 10)[0].seconds is None, "opened again: nobody handed it in anew"


def test_what_the_stages_took(ledger: Ledger) -> None:
    gauges, before = Gauges(ledger.database), Gauges(ledger.database).now() - timedelta(days=1)
    put_into(ledger, LessonState.PROCESSING)
    version = row_of(ledger).work_version
    rows = [
        (version, DETECT, 0, True, 0.1, 60, None),
        (version, DETECT, 1, True, 0.4, 8, None),
        (version, DETECT, 2, True, 9.0, 0, None),
        (version, DETECT, 3, False, 0.0, 0, "Out of memory"),
        (version, DECODE, 0, True, 2.0, 60, None),
        ("an earlier version", DECODE, 0, True, 2.0, 60, None),
    ]
    with ledger.database.transaction() as session:
        names = ("work_version", "stage", "segment_index", "finished", "seconds", "items", "skipped")
        session.execute(insert(StageRunRow), [{"lesson_id": "lesson-1", **dict(zip(names, row, strict=True))} for row in rows])
    assert ledger.finish("lesson-1", LessonState.DONE, None)
    (end,) = gauges.ended_since(before, 9)
    sums = {each.stage: each for each in gauges.stages_of([end.event_id], (0.1, 1.0), {DETECT: 8})}
    assert sums[DETECT] == StageSum(DETECT, 3, 9.5, 68, 72, 1, (1, 1, 1)), "60 frames take eight batches of eight"
    assert sums[DECODE] == StageSum(DECODE, 1, 2.0, 60, 0, 0, (0, 0, 1))
