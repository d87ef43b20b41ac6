"""The ledger against a model in plain Python: two lessons and one place, worked on, lost, sent again, told late and twice.
`SMILEREEL_TEST_EXAMPLES=2000` makes a long run of it, with new examples each time."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import delete, select

from shared.database import LONGEST_LEASE_SECONDS
from shared.ledger import Ledger, LessonState, event_id, open_ledger
from shared.reel import Reel
from shared.sending import Sent
from shared.states import ENDS, OPEN_STATES
from shared.tables import EventRow, LessonRow, ReelRow, StageRunRow
from tests.builders import a_lesson
from tests.unit.shared.conftest import Clock
from tests.unit.shared.ledger_model import LEASE, MOST_ATTEMPTS, PLACES, Model

EXAMPLES = int(os.environ.get("SMILEREEL_TEST_EXAMPLES", "0"))
LESSONS = ("lesson-1", "lesson-2")
RUN = ("v1", "decode_segment", 0)
COLUMNS = ("lesson_id", "state", "round", "generation", "attempts", "lease_until", "work_version")
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

versions = st.sampled_from(("v1", "v1", "v2"))
ends = st.sampled_from((LessonState.DONE, LessonState.DONE, *sorted(ENDS)))
nths = st.integers(0, len(LESSONS) - 1)
names = st.sampled_from(LESSONS)


class LedgerMachine(RuleBasedStateMachine):
    """Clients, workers and a reconciler that know nothing of each other."""

    ledger: ClassVar[Ledger]
    clock: ClassVar[Clock]

    def __init__(self) -> None:
        super().__init__()
        self.clock.time = NOON
        with self.ledger.database.transaction() as session:
            for table in (EventRow, ReelRow, StageRunRow, LessonRow):
                session.execute(delete(table))
        for name in LESSONS:
            assert self.ledger.accept(a_lesson(lesson_id=name))
        self.model = Model(LESSONS, self.clock)
        self.seen = dict.fromkeys(LESSONS, (LessonState.ACCEPTED, 1, 0))
        self.held = dict.fromkeys(LESSONS, 0)
        self.n_opened = dict.fromkeys(LESSONS, 0)
        self.n_reels = 0

    def those(self, *, is_open: bool) -> list[str]:
        return [name for name in LESSONS if self.model[name].open is is_open]

    # Who works on a lesson, or did.

    def steps(self, version: str, end: LessonState) -> list[Callable[[str, int], None]]:
        """What the messages of one sending ask of the ledger, in order."""
        plan = partial(self.planned, version=version)
        return [self.admit, plan, self.started, self.renew, self.finished, partial(self.end, end=end)]

    @initialize(nth=nths, n_steps=st.integers(1, 12), version=versions, end=ends)
    def somebody_has_begun(self, nth: int, n_steps: int, version: str, end: LessonState) -> None:
        self.work(LESSONS[nth], min(n_steps, 6), 9, version, end)

    @precondition(lambda self: self.those(is_open=True))
    @rule(nth=nths, overtaken=st.integers(2, 9), version=versions, end=ends)
    def work_to_the_end(self, nth: int, overtaken: int, version: str, end: LessonState) -> None:
        self.work((self.those(is_open=True) * 2)[nth], 6, overtaken, version, end)

    @precondition(lambda self: self.those(is_open=True))
    @rule(nth=nths, n_steps=st.integers(1, 5), overtaken=st.integers(2, 5), version=versions)
    def work_for_a_while(self, nth: int, n_steps: int, overtaken: int, version: str) -> None:
        self.work((self.those(is_open=True) * 2)[nth], n_steps, overtaken, version, LessonState.DONE)

    def work(self, name: str, n_steps: int, overtaken: int, version: str, end: LessonState) -> None:
        """As the pipeline would, up to some step; from step `overtaken` on, somebody else has sent the lesson again."""
        generation = self.lose_and_take(name, counted=True) or self.model[name].generation
        for number, step in enumerate(self.steps(version, end)[:n_steps], start=1):
            if number == overtaken:
                self.lose_and_take(name, counted=False)
            self.clock.advance(1)
            step(name, generation)

    @precondition(lambda self: any(self.held.values()))
    @rule(nth=nths, ago=st.sampled_from((0, 1, 2, None)), which=st.lists(st.integers(0, 8), min_size=1, max_size=3), end=ends)
    def messages_come_late_or_twice(self, nth: int, ago: int | None, which: list[int], end: LessonState) -> None:
        name = ([name for name in LESSONS if self.held[name]] * 2)[nth]
        generation = 0 if ago is None else max(self.model[name].generation - ago, 1)
        calls = [*self.steps("v2", end), self.not_sent]
        calls += [partial(self.rest, counted=True), partial(self.rest, counted=False)]
        for number in which:
            calls[number](name, generation)

    def lose_and_take(self, name: str, counted: bool) -> int:
        if self.model.leased(self.model[name]):
            self.clock.advance(LEASE)
        return self.take(name, counted)

    def take(self, name: str, counted: bool) -> int:
        """The sending's generation; 0 where it was refused."""
        sent = self.ledger.sending.take(name, lease_seconds=LEASE, most_attempts=MOST_ATTEMPTS, counted=counted)
        assert sent is None or sent.generation > self.held[name], "two hold the same generation"
        generation = self.model.take(name, counted)
        assert sent == (Sent(name, generation, counted) if generation else None)
        self.held[name] = generation or self.held[name]
        return generation

    def not_sent(self, name: str, generation: int) -> None:
        self.ledger.sending.not_sent(Sent(name, generation))
        self.model.not_sent(name, generation)

    def admit(self, name: str, generation: int) -> None:
        admitted = self.ledger.admit(name, generation, places=PLACES, lease_seconds=LEASE)
        assert admitted == self.model.admit(name, generation)

    def planned(self, name: str, generation: int, version: str) -> None:
        self.ledger.planned(name, version, 1, {}, generation=generation)
        self.model.planned(name, generation, version)

    def started(self, name: str, generation: int) -> None:
        began = self.ledger.runs.started(name, *RUN, generation=generation, lease_seconds=LEASE)
        assert began == self.model.started(name, generation)

    def renew(self, name: str, generation: int) -> None:
        assert self.ledger.sending.renew(name, generation, LEASE) == self.model.renew(name, generation)

    def finished(self, name: str, generation: int) -> None:
        self.ledger.runs.finished(name, *RUN, seconds=1, items=1, generation=generation, lease_seconds=LEASE)
        self.model.finished(name, generation)

    def rest(self, name: str, generation: int, counted: bool) -> None:
        self.ledger.sending.rest(name, generation, seconds=30, reason="it failed", counted=counted)
        self.model.rest(name, generation, 30, counted)

    def end(self, name: str, generation: int, end: LessonState) -> None:
        self.n_reels += 1
        size = self.n_reels if end is LessonState.DONE and self.model[name].version else 0
        reel = Reel(frames=9, width=320, height=320, bytes=size) if size else None
        ended = self.ledger.finish(name, end, "why", reel=reel, generation=generation)
        assert ended == self.model.finish(name, generation, end, size)

    # Who looks after the whole.

    @rule(seconds=st.sampled_from((LEASE, 0.0, -2 * LONGEST_LEASE_SECONDS)), redis_is_empty=st.booleans())
    def the_reconciler_ticks(self, seconds: float, redis_is_empty: bool) -> None:
        self.clock.advance(seconds)
        sending, model = self.ledger.sending, self.model
        assert {name for name, _ in sending.spent(MOST_ATTEMPTS)} == model.spent()
        self.set_aside()
        if redis_is_empty:
            assert sending.everything_lost() == model.everything_lost()
        stalled, waiting = sending.stalled(), sending.waiting(len(LESSONS))
        assert stalled == list(model.free(LessonState.PROCESSING))
        assert waiting == list(model.free(LessonState.ACCEPTED))
        assert sending.places_taken() == model.places_taken()
        for name in (stalled + waiting)[:1]:
            self.take(name, counted=not redis_is_empty)
        self.set_aside()

    def set_aside(self) -> None:
        for name in LESSONS:
            moved = self.ledger.finish(name, LessonState.QUARANTINED, "why", most_attempts=MOST_ATTEMPTS)
            assert moved == (name in self.model.spent() and self.model.finish(name, 0, LessonState.QUARANTINED, 0))

    @precondition(lambda self: self.those(is_open=False))
    @rule(nth=nths, n_steps=st.integers(0, 20), end=ends)
    def is_opened_and_worked_on_again(self, nth: int, n_steps: int, end: LessonState) -> None:
        name = (self.those(is_open=False) * 2)[nth]
        # What was done is mostly done again, in the same version: its reel is there already.
        end = LessonState.DONE if self.model[name].state is LessonState.DONE else end
        assert self.ledger.reopen(name)
        assert not self.ledger.reopen(name)
        self.model.reopen(name)
        self.n_opened[name] += 1
        self.work(name, min(n_steps, 6), 9, self.model[name].version or "v1", end)

    @rule(name=names, which=st.integers(0, 3), seconds=st.sampled_from((30.0, -30.0)))
    def something_else_happens(self, name: str, which: int, seconds: float) -> None:
        if which == 0:
            self.clock.advance(seconds)
        elif which == 1:
            self.take(name, counted=seconds > 0)
        elif which == 2:
            self.ledger.start_afresh(name)
            self.model.start_afresh(name)
        else:
            self.ledger.runs.interrupted(name, *RUN)
            self.model.interrupted(name)
            self.ledger.sending.renew_waiting([name], LEASE)
            self.model.renew(name, 0)

    # What always holds.

    @invariant()
    def the_tables_are_as_they_should_be(self) -> None:
        with self.ledger.database.reading() as session:
            rows = session.execute(select(*(getattr(LessonRow, name) for name in COLUMNS))).all()
            events = session.execute(select(EventRow.lesson_id, EventRow.round, EventRow.state, EventRow.event_id)).all()
            reels = session.execute(select(ReelRow.lesson_id, ReelRow.work_version, ReelRow.bytes)).all()
        for row in rows:
            self.check_whatever_the_model_says(row.lesson_id, LessonState(row.state), row.round, row.generation)
            assert row.attempts <= MOST_ATTEMPTS
        known = {name: self.model[name] for name in LESSONS}
        assert sorted(map(tuple, rows)) == [
            (name, one.state, one.round, one.generation, one.attempts, one.lease_until, one.version)
            for name, one in known.items()
        ]
        told = [(name, n, end, event_id(name, n)) for name, one in known.items() for n, end in one.told.items()]
        assert sorted(map(tuple, events)) == sorted(told), "each end has one event"
        assert sorted(map(tuple, reels)) == sorted((name, *reel) for name, one in known.items() for reel in one.reels.items())

    def check_whatever_the_model_says(self, name: str, state: LessonState, number: int, generation: int) -> None:
        old_state, old_number, old_generation = self.seen[name]
        assert generation >= old_generation
        assert number == 1 + self.n_opened[name]
        assert number == old_number or generation > old_generation, "a late message would end the new round"
        assert old_state in OPEN_STATES or state is old_state or number > old_number, "an end is left by opening it only"
        self.seen[name] = (state, number, generation)


def test_ledger_against_its_model() -> None:
    how = settings(
        max_examples=EXAMPLES or 60,
        stateful_step_count=20 if EXAMPLES else 10,
        derandomize=not EXAMPLES,
        # To shrink takes minutes; ten steps can be read as they are.
        phases=(Phase.generate, Phase.shrink) if EXAMPLES else (Phase.generate,),
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow],
    )
    LedgerMachine.clock = Clock()
    # One database for all examples: what SQLAlchemy has compiled is kept.
    LedgerMachine.ledger = open_ledger("sqlite://", clock=LedgerMachine.clock, pool_pre_ping=False)
    try:
        LedgerMachine.ledger.create_schema()
        run_state_machine_as_test(LedgerMachine, settings=how)
    finally:
        LedgerMachine.ledger.close()
