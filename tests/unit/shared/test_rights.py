"""What a family may ask for, on both databases: other consent at any time, to be forgotten, and a log that only grows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.errors import LessonErased, LessonUnknown
from shared.ledger import Ledger, LessonState
from shared.lesson import Consent
from shared.reel import Reel
from shared.reels import published
from shared.settings import Settings
from shared.told import LessonTold, Presence, Second
from shared.told_tables import TombstoneRow
from tests.builders import a_lesson
from tests.ledgers import at_once, events_of, put_into, reels_of, sent
from tests.unit.shared.conftest import Clock

REEL = Reel(frames=9, width=320, height=320, bytes=500_000)
EVERYTHING = Consent(process=True, reel=True, email=True, analytics=True, training=True)


def told_of(clock: Clock) -> LessonTold:
    presence = Presence(2, 2, 2, 2, 2, 2, 0, 0, 0)
    seconds = [Second(0, True, True, 1, 1, 0, 0.9, 0.8, 0.2, 0.1), Second(1, True, True, 1, 1, 0, None, 0.8, 0.2, 0.1)]
    return LessonTold(clock.time, clock.time + timedelta(seconds=2), [], presence, seconds)


def a_done_lesson(ledger: Ledger, clock: Clock, lesson_id: str = "lesson-1") -> None:
    put_into(ledger, LessonState.PROCESSING, lesson_id)
    ledger.rights.change_consent(lesson_id, EVERYTHING, "test")
    ledger.told.write(lesson_id, told_of(clock))
    assert ledger.finish(lesson_id, LessonState.DONE, None, reel=REEL)


def rows(ledger: Ledger, table: str) -> int:
    with ledger.database.reading() as session:
        return int(session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def test_consent_is_read_from_what_is_agreed_to_now(ledger: Ledger) -> None:
    ledger.accept(a_lesson())
    assert ledger.require("lesson-1").lesson.consent == Consent(process=True, reel=True)
    ledger.rights.change_consent("lesson-1", Consent(process=True), "ann")
    record = ledger.require("lesson-1")
    assert record.consent == record.lesson.consent == Consent(process=True)
    assert not ledger.accept(a_lesson()), "handed in once more it is the same lesson, with the consent of now"
    assert ledger.require("lesson-1").consent == Consent(process=True)
    assert ledger.audit.entries("lesson-1")[0].detail == "agreed: process"
    with pytest.raises(LessonUnknown, match="knows no lesson nobody"):
        ledger.rights.change_consent("nobody", Consent(), "ann")


@pytest.mark.parametrize("state", [LessonState.ACCEPTED, LessonState.PROCESSING])
def test_withdrawn_in_flight_the_lesson_stops(ledger: Ledger, state: LessonState) -> None:
    put_into(ledger, state)
    generation = sent(ledger).generation if state is LessonState.ACCEPTED else ledger.require("lesson-1").generation
    ledger.rights.change_consent("lesson-1", Consent(), "ann")
    assert ledger.require("lesson-1").state is LessonState.CANCELLED
    assert ledger.runs.started("lesson-1", "v1", "decode_segment", 0, generation=generation) is None
    assert not ledger.finish("lesson-1", LessonState.DONE, None, reel=REEL)
    assert events_of(ledger) == [(1, "cancelled")]
    assert not ledger.reopen("lesson-1"), "nobody may process it"
    ledger.rights.change_consent("lesson-1", EVERYTHING, "ann")
    assert ledger.reopen("lesson-1")


def test_withdrawn_after_the_end_everything_goes(ledger: Ledger, clock: Clock) -> None:
    a_done_lesson(ledger, clock)
    assert (rows(ledger, "lesson_second"), len(reels_of(ledger))) == (2, 1)
    ledger.rights.change_consent("lesson-1", Consent(reel=True, analytics=True), "ann")
    assert ledger.require("lesson-1").state is LessonState.CANCELLED
    assert (rows(ledger, "lesson_second"), reels_of(ledger)) == (0, [])
    assert events_of(ledger) == [(1, "done"), (2, "cancelled")]


def test_a_purpose_can_be_withdrawn_alone(ledger: Ledger, clock: Clock) -> None:
    a_done_lesson(ledger, clock)
    ledger.rights.change_consent("lesson-1", EVERYTHING.model_copy(update={"reel": False}), "ann")
    assert (ledger.require("lesson-1").state, rows(ledger, "lesson_second"), reels_of(ledger)) == (LessonState.DONE, 2, [])
    ledger.rights.change_consent("lesson-1", EVERYTHING.model_copy(update={"analytics": False}), "ann")
    assert rows(ledger, "lesson_second") == 0


def test_a_reel_that_was_withdrawn_while_it_was_made_is_not_published(ledger: Ledger) -> None:
    put_into(ledger, LessonState.PROCESSING)
    ledger.rights.change_consent("lesson-1", Consent(process=True), "ann")
    assert ledger.finish("lesson-1", LessonState.DONE, None, reel=REEL)
    record = ledger.require("lesson-1")
    assert (record.state, record.reason, reels_of(ledger)) == (LessonState.NO_REEL, "no_consent", [])


def test_seconds_are_kept_with_consent_only(ledger: Ledger, clock: Clock) -> None:
    put_into(ledger, LessonState.PROCESSING)
    ledger.told.write("lesson-1", told_of(clock))
    assert (rows(ledger, "lesson_second"), rows(ledger, "presence")) == (0, 1)
    ledger.rights.change_consent("lesson-1", EVERYTHING, "ann")
    for _ in range(2):
        ledger.told.write("lesson-1", told_of(clock))
    assert (rows(ledger, "lesson_second"), rows(ledger, "presence")) == (2, 1)
    ledger.told.write("nobody", told_of(clock))
    ledger.told.write("lesson-1", told_of(clock), generation=99)
    assert ledger.told.forget_smiles() == 1
    assert ledger.told.forget_smiles() == 0


def test_erased_nothing_is_left_but_a_mark_and_an_entry(ledger: Ledger, clock: Clock) -> None:
    a_done_lesson(ledger, clock)
    ledger.runs.started("lesson-1", "v1", "decode_segment", 0)
    assert ledger.rights.erase("lesson-1", "ann")
    assert not ledger.rights.erase("lesson-1", "ann"), "done before"
    tables = ("lesson", "stage_run", "reel", "event", "lesson_second", "camera_gap", "presence")
    assert {table: rows(ledger, table) for table in tables} == dict.fromkeys(tables, 0)
    entry = ledger.audit.entries("lesson-1")[0]
    assert (entry.actor, entry.action, entry.subject_id) == ("ann", "erase", "lesson-1")
    with pytest.raises(LessonErased, match="lesson-1 was erased"):
        ledger.accept(a_lesson())
    assert not ledger.finish("lesson-1", LessonState.DONE, None, reel=REEL), "a worker that was at it comes too late"
    ledger.told.write("lesson-1", told_of(clock))
    assert rows(ledger, "presence") == 0
    with pytest.raises(LessonUnknown):
        ledger.rights.erase("nobody", "ann")


def test_a_pupil_is_erased_with_all_lessons(ledger: Ledger) -> None:
    for number, pupil in enumerate(("p-1", "p-2", "p-1")):
        ledger.accept(a_lesson(lesson_id=f"lesson-{number}", pupil_id=pupil))
    assert ledger.rights.erase_pupil("p-1", "ann") == ["lesson-0", "lesson-2"]
    assert [record.lesson_id for record in ledger.find()] == ["lesson-1"]
    assert ledger.rights.erase_pupil("nobody'; DROP TABLE lesson; --", "ann") == []
    assert ledger.rights.are_erased(["lesson-0", "lesson-1", "lesson-2"]) == {"lesson-0", "lesson-2"}


def test_redis_is_cleared_until_nobody_can_write_any_more(ledger: Ledger, clock: Clock) -> None:
    ledger.accept(a_lesson())
    ledger.rights.erase("lesson-1", "ann")
    clock.advance(800)
    ledger.rights.cleared(["lesson-1"], 900)
    assert ledger.rights.to_clear() == ["lesson-1"]
    clock.advance(200)
    ledger.rights.cleared(["another"], 900)
    assert ledger.rights.to_clear() == ["lesson-1"]
    ledger.rights.cleared(["lesson-1"], 900)
    assert ledger.rights.to_clear() == []


@pytest.mark.parametrize("deed", ["UPDATE audit SET actor = 'eve'", "DELETE FROM audit"])
def test_the_log_only_grows(ledger: Ledger, deed: str) -> None:
    ledger.accept(a_lesson())
    ledger.rights.erase("lesson-1", "ann")
    with pytest.raises(DBAPIError, match="only grows"), ledger.database.transaction() as session:
        session.execute(text(deed))
    assert [entry.actor for entry in ledger.audit.entries()] == ["ann"]


def test_the_log_cannot_be_emptied_at_once(ledger: Ledger) -> None:
    if ledger.engine.dialect.name != "postgresql":
        return  # SQLite knows no TRUNCATE: there each row's own refusal holds, as above.
    ledger.accept(a_lesson())
    ledger.rights.erase("lesson-1", "ann")
    with pytest.raises(DBAPIError, match="only grows"), ledger.database.transaction() as session:
        session.execute(text("TRUNCATE audit"))


def test_a_lesson_processed_anew_is_another_version_and_keeps_its_reel(ledger: Ledger, clock: Clock) -> None:
    a_done_lesson(ledger, clock)
    assert ledger.require("lesson-1").revision == 1
    assert ledger.reopen("lesson-1", anew=True)
    assert ledger.require("lesson-1").revision == 2
    assert reels_of(ledger) == [("v1", 500_000)]
    assert ledger.finish("lesson-1", LessonState.QUARANTINED, "why")
    assert reels_of(ledger) == [("v1", 500_000)], "the older one is still good"
    assert ledger.reopen("lesson-1")
    assert ledger.require("lesson-1").revision == 2
    assert ledger.admit("lesson-1", 0, places=1, lease_seconds=1)
    assert ledger.finish("lesson-1", LessonState.NO_REEL, "too_few_smiles")
    assert reels_of(ledger) == []


def test_cancelled_it_does_not_go_on(ledger: Ledger) -> None:
    put_into(ledger, LessonState.PROCESSING)
    assert ledger.cancel("lesson-1")
    assert not ledger.cancel("lesson-1")
    assert not ledger.cancel("nobody")
    assert ledger.require("lesson-1").state is LessonState.CANCELLED
    assert ledger.runs.started("lesson-1", "v1", "decode_segment", 0) is None
    assert ledger.sending.stalled() == []
    assert events_of(ledger) == [(1, "cancelled")]


def test_withdrawn_nothing_that_the_models_said_is_left_or_written_afterwards(ledger: Ledger, clock: Clock) -> None:
    a_done_lesson(ledger, clock)
    ledger.runs.started("lesson-1", "v1", "decode_segment", 0)
    ledger.rights.change_consent("lesson-1", Consent(analytics=True), "ann")
    tables = ("reel", "lesson_second", "camera_gap", "presence", "stage_run")
    assert {table: rows(ledger, table) for table in tables} == dict.fromkeys(tables, 0)
    ledger.told.write("lesson-1", told_of(clock))
    assert rows(ledger, "presence") == 0, "a publish that was at it comes too late"


def test_handed_in_again_while_it_is_erased(ledger: Ledger, clock: Clock) -> None:
    """The insert waits for the erasure, and the mark is looked for once more; where a long transaction cannot see it, the sweep heals."""
    ledger.accept(a_lesson())
    ledger.rights.erase("lesson-1", "ann")
    with ledger.database.transaction() as session:  # as a transaction that began before the erasure would leave it
        session.execute(text("DELETE FROM tombstone"))
    ledger.accept(a_lesson())
    with ledger.database.transaction() as session:
        session.add(TombstoneRow(lesson_id="lesson-1", erased_at=clock.time))
    assert ledger.rights.erase("lesson-1", "ann"), "a mark is no excuse for leaving the row"
    assert ledger.read("lesson-1") is None
    assert not ledger.rights.erase("lesson-1", "ann")
    with ledger.database.transaction() as session:
        session.execute(text("DELETE FROM tombstone"))
    ledger.accept(a_lesson())
    with ledger.database.transaction() as session:
        session.add(TombstoneRow(lesson_id="lesson-1", erased_at=clock.time))
    ledger.rights.cleared(ledger.rights.to_clear(), 900)
    assert ledger.read("lesson-1") is None
    with pytest.raises(LessonErased):
        ledger.accept(a_lesson())


def test_erased_and_handed_in_by_many_at_once(ledger: Ledger) -> None:
    """Whoever wins, there is never both a row and a mark."""

    def hand_in() -> bool:
        try:
            return ledger.accept(a_lesson())
        except LessonErased:
            return False

    def erase() -> bool:
        try:
            return ledger.rights.erase("lesson-1", "ann")
        except LessonUnknown:
            return False

    for _ in range(5):
        ledger.accept(a_lesson())
        at_once([hand_in, erase, hand_in, erase, hand_in, erase])
        assert ledger.read("lesson-1") is None
        assert ledger.rights.are_erased(["lesson-1"]) == {"lesson-1"}
        with ledger.database.transaction() as session:
            session.execute(text("DELETE FROM tombstone"))


def test_a_reel_that_needs_approval_says_so_itself(ledger: Ledger, clock: Clock) -> None:
    put_into(ledger, LessonState.PROCESSING)
    assert ledger.finish("lesson-1", LessonState.DONE, None, reel=REEL, needs_approval=True)
    found = ledger.told.reel("lesson-1")
    assert found is not None
    assert published("lesson-1", found, Settings()) is None, "whatever the asker's own settings are"
    assert ledger.rights.approve_reel("lesson-1", "v1", "ann")
    found = ledger.told.reel("lesson-1")
    assert found is not None
    assert published("lesson-1", found, Settings(store_url="file:///store")) is not None
