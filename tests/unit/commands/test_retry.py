"""`smilereel retry` opens what has ended, and nothing else; the workers or the reconciler get it at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

from shared.catalogue import CPU_QUEUE, LESSON_HEADER, PLAN_LESSON
from shared.ledger import Ledger, LessonState, open_ledger
from shared.settings import Settings
from shared.states import ENDS, OPEN_STATES
from tests.builders import a_lesson
from tests.ledgers import events_of, put_into, row_of, sent
from tests.services.valkey import Valkey
from tests.unit.commands.conftest import Clock, Smilereel
from workers.reconciler import Reconciler

LATER = ", and sent as soon as Redis can be reached"


@pytest.fixture
def valkey(environment: pytest.MonkeyPatch) -> Iterator[Valkey]:
    with Valkey() as started:
        environment.setenv("SMILEREEL_REDIS_URL", started.url)
        yield started


def set_aside(ledger: Ledger, clock: Clock, lesson_id: str = "lesson-1") -> int:
    """A lesson without attempts left, in quarantine; the generation of its last sending."""
    ledger.accept(a_lesson(lesson_id=lesson_id))
    for _ in range(3):
        taken = sent(ledger, lesson_id, lease_seconds=1)
        clock.advance(2)
    assert ledger.finish(lesson_id, LessonState.QUARANTINED, "sent 3 times without any progress", most_attempts=3)
    return taken.generation


def in_queue(valkey: Valkey) -> list[dict[str, Any]]:
    """The headers of the lessons' messages."""
    with valkey.client() as client:
        headers = [json.loads(item)["headers"] for item in client.lrange(CPU_QUEUE, 0, -1)]
    return [found for found in headers if LESSON_HEADER in found]


def snapshot(ledger: Ledger, *lesson_ids: str) -> list[tuple[object, ...]]:
    rows = [row_of(ledger, lesson_id) for lesson_id in lesson_ids]
    return [(row.state, row.reason, row.round, row.generation, row.attempts, row.lease_until, row.updated_at) for row in rows]


def test_a_quarantined_lesson_has_all_its_attempts_again(ledger: Ledger, clock: Clock, operator: Smilereel) -> None:
    last = set_aside(ledger, clock)
    said = operator("retry", "lesson-1")
    assert (said.code, said.out, said.err) == (0, f"lesson-1: opened again{LATER}\n", "")
    row = row_of(ledger)
    assert (row.state, row.reason, row.attempts, row.lease_until, row.round) == (LessonState.ACCEPTED, None, 0, None, 2)
    assert ledger.sending.waiting(9) == ["lesson-1"], "the reconciler's next look finds it"
    assert ledger.count() == {LessonState.ACCEPTED: 1}
    assert not ledger.finish("lesson-1", LessonState.QUARANTINED, "late", generation=last), "a late message ends no new round"
    assert events_of(ledger) == [(1, LessonState.QUARANTINED)]


@pytest.mark.redis
def test_the_workers_are_told(ledger: Ledger, clock: Clock, valkey: Valkey, operator: Smilereel) -> None:
    last = set_aside(ledger, clock)
    said = operator("retry", "lesson-1")
    assert (said.code, said.out) == (0, "lesson-1: opened again\n")
    row = row_of(ledger)
    assert (row.state, row.attempts) == (LessonState.ACCEPTED, 1)
    assert row.generation > last
    assert row.lease_until is not None, "nobody else sends it meanwhile"
    (header,) = in_queue(valkey)
    assert (header["task"], header[LESSON_HEADER]) == (PLAN_LESSON, "lesson-1")
    assert str(row.generation) in header["kwargsrepr"]


@pytest.mark.redis
def test_without_redis_the_reconciler_sends_it_when_redis_is_back(
    ledger: Ledger, ledger_url: str, clock: Clock, valkey: Valkey, operator: Smilereel
) -> None:
    set_aside(ledger, clock)
    put_into(ledger, LessonState.DONE, "finished")
    valkey.kill()
    assert operator("retry", "lesson-1").out.endswith(f"{LATER}\n")
    valkey.start()
    live = open_ledger(ledger_url)
    settings = Settings(redis_url=valkey.url, database_url=ledger_url)
    assert Reconciler(settings, live, Celery("test", broker=valkey.url, set_as_current=False)).tick() == 1
    live.close()
    assert [header[LESSON_HEADER] for header in in_queue(valkey)] == ["lesson-1"]
    assert row_of(ledger).attempts == 1


@pytest.mark.parametrize("state", sorted(ENDS))
def test_every_end_can_be_opened(state: LessonState, ledger: Ledger, operator: Smilereel) -> None:
    put_into(ledger, state)
    assert operator("retry", "lesson-1").code == 0
    assert row_of(ledger).state == LessonState.ACCEPTED


@pytest.mark.parametrize("state", sorted(OPEN_STATES))
def test_what_has_not_ended_is_left_alone(state: LessonState, ledger: Ledger, operator: Smilereel) -> None:
    put_into(ledger, state)
    before = snapshot(ledger, "lesson-1")
    said = operator("retry", "lesson-1")
    assert (said.code, said.out, said.err) == (2, f"lesson-1: is {state} and has not ended\n", "")
    assert snapshot(ledger, "lesson-1") == before


def test_an_unknown_lesson_is_named_and_holds_up_no_other(ledger: Ledger, operator: Smilereel) -> None:
    put_into(ledger, LessonState.QUARANTINED)
    said = operator("retry", "lesson-2", "lesson-1")
    assert (said.code, said.err) == (2, "")
    assert said.lines == ["lesson-2: is not in the ledger", f"lesson-1: opened again{LATER}"]
    assert ledger.count() == {LessonState.ACCEPTED: 1}


def test_a_lesson_that_is_named_twice_is_opened_once(ledger: Ledger, operator: Smilereel) -> None:
    put_into(ledger, LessonState.QUARANTINED)
    said = operator("retry", "lesson-1", "lesson-1")
    assert (said.code, len(said.lines)) == (0, 1)
    assert row_of(ledger).round == 2


def test_all_are_the_quarantined_ones(ledger: Ledger, operator: Smilereel) -> None:
    ends = sorted(ENDS - {LessonState.QUARANTINED})
    for state in ends:
        put_into(ledger, state, str(state))
    before = snapshot(ledger, *ends)
    for lesson_id in ("aside-1", "aside-2"):
        put_into(ledger, LessonState.QUARANTINED, lesson_id)
    said = operator("retry", "--all")
    assert said.code == 0
    assert sorted(said.lines) == [f"aside-1: opened again{LATER}", f"aside-2: opened again{LATER}"]
    assert sorted(ledger.sending.waiting(9)) == ["aside-1", "aside-2"]
    assert snapshot(ledger, *ends) == before
    said = operator("retry", "--all")
    assert (said.code, said.out) == (0, "no lesson is quarantined\n")


@pytest.mark.parametrize("arguments", [[], ["--all", "lesson-1"]])
def test_which_lessons_has_to_be_clear(arguments: list[str], ledger: Ledger, operator: Smilereel) -> None:
    put_into(ledger, LessonState.QUARANTINED)
    operator("retry", *arguments).complains(2, "Name the lessons to process again, or give --all for every quarantined one.")
    assert row_of(ledger).state == LessonState.QUARANTINED


@pytest.mark.parametrize("word", ["", "../lesson", "a b", "lesson-1\n", "\udcff", "x" * 129])
def test_what_can_be_no_id_is_refused_before_anything_is_opened(word: str, ledger: Ledger, operator: Smilereel) -> None:
    put_into(ledger, LessonState.QUARANTINED)
    operator("retry", "lesson-1", word).complains(2, f"{word[:80]!r} is no lesson's id; ")
    assert row_of(ledger).state == LessonState.QUARANTINED
