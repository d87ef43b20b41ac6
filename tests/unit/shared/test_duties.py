"""Duties on both databases: one holder at a time, and they pass on."""

from __future__ import annotations

import time
from functools import partial

from shared.duties import RECONCILER
from shared.ledger import Ledger
from tests.ledgers import at_once
from tests.unit.shared.conftest import Clock


def test_one_has_it_and_keeps_it(ledger: Ledger, clock: Clock) -> None:
    assert ledger.duties.read(RECONCILER) is None
    assert ledger.duties.hold(RECONCILER, "a", 10)
    assert not ledger.duties.hold(RECONCILER, "b", 10)
    clock.advance(9)
    assert ledger.duties.hold(RECONCILER, "a", 10), "whoever has it renews it"
    clock.advance(9)
    assert not ledger.duties.hold(RECONCILER, "b", 10)
    duty = ledger.duties.read(RECONCILER)
    assert duty is not None
    assert duty.holder == "a"
    assert ledger.duties.hold("another duty", "b", 10)


def test_it_passes_on_when_its_holder_is_silent(ledger: Ledger, clock: Clock) -> None:
    ledger.duties.hold(RECONCILER, "a", 10)
    clock.advance(10)
    assert ledger.duties.hold(RECONCILER, "b", 10)
    assert not ledger.duties.hold(RECONCILER, "a", 10)


def test_a_clock_that_was_set_back_keeps_it_from_nobody(ledger: Ledger, clock: Clock) -> None:
    ledger.duties.hold(RECONCILER, "a", 10)
    clock.advance(-3600)
    assert ledger.duties.hold(RECONCILER, "b", 10)


def test_of_many_who_want_it_at_once_one_gets_it(ledger: Ledger, clock: Clock) -> None:
    for _ in range(3):
        got = at_once([partial(ledger.duties.hold, RECONCILER, f"holder-{n}", 10) for n in range(8)])
        assert sum(got) == 1
        clock.advance(11)


def test_notes_are_kept_side_by_side(ledger: Ledger, clock: Clock) -> None:
    ledger.duties.note(RECONCILER, run_id="x")
    assert ledger.duties.read(RECONCILER) is None, "nobody has it, so nobody notes"
    ledger.duties.hold(RECONCILER, "a", 10)
    ledger.duties.note(RECONCILER, run_id="x", sent=3)
    ledger.duties.note(RECONCILER, sent=4)
    clock.advance(11)
    ledger.duties.hold(RECONCILER, "b", 10)
    duty = ledger.duties.read(RECONCILER)
    assert duty is not None
    assert (duty.holder, duty.note) == ("b", {"run_id": "x", "sent": 4})


def test_a_holder_that_is_known_to_be_gone_is_forgotten(ledger: Ledger) -> None:
    ledger.duties.drop(RECONCILER)
    ledger.duties.hold(RECONCILER, "a", 10)
    ledger.duties.note(RECONCILER, work_bytes=5)
    ledger.duties.drop(RECONCILER)
    assert ledger.duties.read(RECONCILER) is None
    assert ledger.duties.hold(RECONCILER, "b", 10)


def test_the_store_has_room_until_the_reconciler_has_measured_too_much(ledger: Ledger) -> None:
    assert ledger.duties.room_for_work(10), "nobody has measured yet"
    ledger.duties.hold(RECONCILER, "a", 10)
    assert ledger.duties.room_for_work(10)
    ledger.duties.note(RECONCILER, work_bytes=10)
    assert not ledger.duties.room_for_work(10)
    assert ledger.duties.room_for_work(11)
    assert ledger.duties.room_for_work(0), "without a limit"


def test_it_passes_on_by_the_databases_own_clock(live_ledger: Ledger) -> None:
    assert live_ledger.duties.hold(RECONCILER, "a", 0.4)
    assert not live_ledger.duties.hold(RECONCILER, "b", 0.4)
    time.sleep(0.5)
    assert live_ledger.duties.hold(RECONCILER, "b", 0.4)
