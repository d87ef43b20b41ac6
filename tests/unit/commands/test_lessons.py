"""`smilereel lessons` and `smilereel quarantine` show where the lessons stand, and nothing about anybody."""

from __future__ import annotations

import json

import pytest

from shared.ledger import Ledger, LessonState
from tests.builders import a_lesson
from tests.ledgers import put_into, sent
from tests.unit.commands.conftest import Clock, Smilereel

STATES = list(LessonState)
# What a backend hands in beside the id: none of it is an operator's business.
PRIVATE = ("anna-schmidt.mp4", "schmidt-family", "media.example", "c2VjcmV0", "pupil-77")
FIELDS = {"lesson_id", "state", "attempts", "sent", "updated_at", "reason"}


@pytest.fixture
def one_of_each(ledger: Ledger, clock: Clock) -> Ledger:
    """A lesson in each state, named after it, a minute after one another."""
    for state in STATES:
        put_into(ledger, state, str(state))
        clock.advance(60)
    return ledger


def ids(lines: list[str]) -> list[str]:
    return [line.split()[0] for line in lines]


def test_a_line_a_lesson_the_last_changed_first_and_the_counts(one_of_each: Ledger, operator: Smilereel) -> None:
    said = operator("lessons")
    assert (said.code, said.err) == (0, "")
    assert ids(said.lines[:-1]) == [str(state) for state in reversed(STATES)]
    assert [line.split()[1] for line in said.lines[:-1]] == ids(said.lines[:-1])
    assert said.lines[-1] == "1 accepted, 1 cancelled, 1 done, 1 no_reel, 1 processing, 1 quarantined, 1 refused"


def test_how_often_it_was_sent_since_when_it_rests_and_why(ledger: Ledger, clock: Clock, operator: Smilereel) -> None:
    ledger.accept(a_lesson())
    for _ in range(2):
        taken = sent(ledger, lease_seconds=1)
        clock.advance(2)
    assert ledger.admit("lesson-1", taken.generation, places=1, lease_seconds=1)
    ledger.sending.rest("lesson-1", 0, seconds=5, reason="decode: the disk is full", counted=False)
    assert operator("lessons").lines == [
        f"{'lesson-1':32} processing  2026-11-20T12:00:04+00:00  sent 2x, 1 since the last progress  decode: the disk is full",
        "1 processing",
    ]
    assert json.loads(operator("lessons", "--json").out) == {
        "lesson_id": "lesson-1",
        "state": "processing",
        "attempts": 1,
        "sent": 2,
        "updated_at": "2026-11-20T12:00:04+00:00",
        "reason": "decode: the disk is full",
    }


def test_only_the_states_that_were_asked_for(one_of_each: Ledger, operator: Smilereel) -> None:
    assert ids(operator("lessons", "--state", "done").lines[:-1]) == ["done"]
    said = operator("lessons", "--state", "refused", "--state", "accepted", "--json")
    assert [json.loads(line)["state"] for line in said.lines] == ["refused", "accepted"]


@pytest.mark.parametrize("state", ["failed", "DONE", "", "\x1b[2J", "\udcff"])
def test_an_unknown_state_is_refused_and_the_known_ones_named(state: str, one_of_each: Ledger, operator: Smilereel) -> None:
    said = operator("lessons", "--state", "done", "--state", state)
    said.complains(2, f"There is no state {state!r}; choose from {', '.join(STATES)}")


def test_no_more_than_were_asked_for(one_of_each: Ledger, operator: Smilereel) -> None:
    said = operator("lessons", "--limit", "2")
    assert ids(said.lines[:-1]) == ["cancelled", "quarantined"]
    assert said.lines[-1].count("1 ") == len(STATES), "the counts are of all"


@pytest.mark.parametrize("number", ["0", "-3", "many", "1.5", "99999999999999999999", "9" * 5000])
@pytest.mark.parametrize("command", ["lessons", "quarantine"])
def test_a_limit_that_is_none_is_refused(command: str, number: str, smilereel: Smilereel) -> None:
    said = smilereel(command, f"--limit={number}")
    assert (said.code, said.out) == (2, "")
    assert "argument --limit: " in said.err


def test_a_reason_stays_on_its_line(ledger: Ledger, operator: Smilereel) -> None:
    reason = "The recording a\x1b[2J\r\n\tb.mp4 is empty\u2028; upload it \x9b1m again."
    ledger.accept(a_lesson())
    assert ledger.finish("lesson-1", LessonState.REFUSED, reason)
    said = operator("lessons")
    assert said.out.count("\n") == len(said.lines) == 2
    assert said.lines[0].endswith("  The recording a [2J b.mp4 is empty ; upload it 1m again.")
    said = operator("lessons", "--json")
    assert said.out.count("\n") == 1
    assert json.loads(said.out)["reason"] == reason


def test_nothing_about_anybody(ledger: Ledger, operator: Smilereel) -> None:
    private = a_lesson(
        lesson_id="lesson-9",
        student=[{"uri": "schmidt-family/anna-schmidt.mp4", "started_at": "2026-11-20T10:00:00Z"}],
        teacher=[{"uri": "https://media.example/t.webm?signature=c2VjcmV0", "started_at": "2026-11-20T10:00:00Z"}],
        pupil_id="pupil-77",
    )
    ledger.accept(private)
    assert all(word in private.model_dump_json() for word in PRIVATE)
    assert ledger.admit("lesson-9", 0, places=1, lease_seconds=1)
    ledger.planned("lesson-9", "v1", 1, {"recordings": ["anna-schmidt.mp4"]})
    assert ledger.finish("lesson-9", LessonState.QUARANTINED, "decode failed: OSError")
    calls = (["lessons"], ["lessons", "--json"], ["quarantine"], ["quarantine", "--json"], ["retry", "lesson-9"])
    for call in calls:
        said = operator(*call)
        assert said.code == 0
        assert "lesson-9" in said.out
        assert not [word for word in PRIVATE if word in said.out + said.err], call
        if "--json" in call:
            assert set(json.loads(said.out)) == FIELDS


def test_an_empty_ledger(ledger: Ledger, operator: Smilereel) -> None:
    for command in ("lessons", "quarantine"):
        said = operator(command)
        assert (said.code, said.out, said.err) == (0, "no lessons\n", "")
        assert operator(command, "--json").out == ""
    said = operator("retry", "--all")
    assert (said.code, said.out, said.err) == (0, "no lesson is quarantined\n", "")


def test_the_quarantine_shows_what_was_set_aside_and_why(one_of_each: Ledger, clock: Clock, operator: Smilereel) -> None:
    one_of_each.accept(a_lesson(lesson_id="poison"))
    assert one_of_each.finish("poison", LessonState.QUARANTINED, "sent 5 times without any progress")
    said = operator("quarantine")
    assert (said.code, said.err) == (0, "")
    assert ids(said.lines[:-1]) == ["poison", "quarantined"]
    assert said.lines[0].endswith("  sent 5 times without any progress")
    assert said.lines[-1].startswith("1 accepted, 1 cancelled, 1 done, ")
    assert [json.loads(line)["lesson_id"] for line in operator("quarantine", "--json", "--limit", "1").lines] == ["poison"]


def test_the_quarantine_has_one_state(one_of_each: Ledger, operator: Smilereel) -> None:
    said = operator("quarantine", "--state", "done")
    assert (said.code, said.out) == (2, "")


def test_looking_changes_nothing(one_of_each: Ledger, operator: Smilereel) -> None:
    before = one_of_each.find()
    operator("lessons")
    operator("quarantine")
    assert one_of_each.find() == before
