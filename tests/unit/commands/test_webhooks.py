"""`smilereel webhooks` shows which ends the backend was told, and has it told again."""

from __future__ import annotations

import json

import pytest

from shared.deliveries import Tried
from shared.ledger import Ledger, LessonState, event_id
from tests.ledgers import put_into
from tests.unit.commands.conftest import Clock, Smilereel

LEASE = 60.0


@pytest.fixture
def three(ledger: Ledger, clock: Clock) -> Ledger:
    """One told, one given up, one that waits for its next try; a minute after one another."""
    faults = {"told": None, "given-up": "The webhook answered 410: it is gone for good.", "waits": "The webhook answered 500."}
    for name, fault in faults.items():
        put_into(ledger, LessonState.DONE, name)
        (due,) = ledger.deliveries.claim(1, LEASE)
        ledger.deliveries.record([Tried(due, fault, final=name == "given-up")], most_attempts=9)
        clock.advance(1)
    return ledger


def test_a_line_an_event_the_newest_first_and_the_counts(three: Ledger, operator: Smilereel) -> None:
    said = operator("webhooks")
    assert (said.code, said.err) == (0, "")
    assert [line.split()[:4] for line in said.lines[:-1]] == [
        [event_id("waits", 1), "waits", "done", "pending"],
        [event_id("given-up", 1), "given-up", "done", "dead"],
        [event_id("told", 1), "told", "done", "delivered"],
    ]
    assert said.lines[1].endswith("1 tries  The webhook answered 410: it is gone for good.")
    assert "next 2026-11-20T12:00:" in said.lines[0]
    assert said.lines[-1] == "1 dead, 1 delivered, 1 pending"


def test_only_some_and_as_json(three: Ledger, operator: Smilereel) -> None:
    said = operator("webhooks", "--state", "dead", "--json")
    assert json.loads(said.out) == {
        "event_id": event_id("given-up", 1),
        "lesson_id": "given-up",
        "state": "done",
        "delivery": "dead",
        "tries": 1,
        "ended_at": "2026-11-20T12:00:01+00:00",
        "next_try_at": None,
        "delivered_at": None,
        "fault": "The webhook answered 410: it is gone for good.",
    }
    assert len(operator("webhooks", "--limit", "1").lines) == 2
    assert operator("webhooks", "--state", "lost").code == 2


def test_one_is_sent_again_and_an_unknown_one_is_said(three: Ledger, operator: Smilereel) -> None:
    said = operator("webhooks", "--redeliver", event_id("told", 1), "--redeliver", "x\x1b[2J", "--redeliver", event_id("told", 1))
    assert said.code == 2
    assert said.lines[:2] == [f"{event_id('told', 1)}: is sent again", "x [2J: is no event; `smilereel webhooks` shows them"]
    (due,) = three.deliveries.claim(9, LEASE)
    assert due.event_id == event_id("told", 1)


def test_all_that_were_given_up_are_sent_again(three: Ledger, operator: Smilereel, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SMILEREEL_WEBHOOK_URL", "https://hook.example.org/")
    said = operator("webhooks", "--all-dead")
    assert (said.code, said.lines) == (0, ["1 events are sent again"])
    assert [due.lesson_id for due in three.deliveries.claim(9, LEASE)] == ["given-up"]


def test_without_a_webhook_it_says_so(three: Ledger, operator: Smilereel) -> None:
    assert operator("webhooks", "--all-dead").lines[1].startswith("SMILEREEL_WEBHOOK_URL is not set here")


def test_both_at_once_is_refused(three: Ledger, operator: Smilereel) -> None:
    assert operator("webhooks", "--all-dead", "--redeliver", "x").code == 2


def test_an_empty_ledger(ledger: Ledger, operator: Smilereel) -> None:
    assert operator("webhooks").out == "no lesson has ended\n"


def test_a_database_without_tables(smilereel: Smilereel, bare_url: str) -> None:
    smilereel("webhooks", at=bare_url).complains(1, "The ledger's database has no tables yet")
