"""The ledger against a model in plain Python, by random calls in random order, late and repeated messages among them.

`SMILEREEL_TEST_EXAMPLES=2000` makes a long run of it, with new examples each time.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule
from sqlalchemy import select

from shared.database import LONGEST_LEASE_SECONDS
from shared.ledger import LessonState, event_id, open_ledger
from shared.reel import Reel
from shared.sending import Sent
from shared.states import ENDS, OPEN_STATES
from shared.tables import EventRow, LessonRow, ReelRow
from tests.builders import a_lesson

EXAMPLES = int(os.environ.get("SMILEREEL_TEST_EXAMPLES", "0"))
MOST_ATTEMPTS = 3
PLACES = 1
LESSONS = ("lesson-1", "lesson-2")
LEASE = 60.0
REEL = Reel(frames=9, width=320, height=320, bytes=500_000)

lessons = st.sampled_from(LESSONS)
segments = st.sampled_from((0, 1))


@dataclass
class Lesson:
    """What the model knows of a lesson."""

    state: LessonState = LessonState.ACCEPTED
    round: int = 1
    generation: int = 0
    attempts: int = 0
    lease_until: datetime | None = None
    told: dict[int, LessonState] = field(default_factory=dict)
    version: str | None = None
    reels: set[str] = field(default_factory=set)
    runs: dict[int, list[Any]] = field(default_factory=dict)  # segment -> [attempts, finished]

    def hears(self, generation: int) -> bool:
        return self.state in OPEN_STATES and generation in {0, self.generation}


class LedgerMachine(RuleBasedStateMachine):
    """Clients, workers and a reconciler that know nothing of each other."""

    generations = Bundle("generations")

    def __init__(self) -> None:
        super().__init__()
        self.time = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
        self.ledger = open_ledger("sqlite://", clock=lambda: self.time)
        self.ledger.create_schema()
        self.model: dict[str, Lesson] = {}
        self.newest: dict[str, int] = dict.fromkeys(LESSONS, 0)
        self.ended: dict[str, tuple[int, str]] = {}

    def teardown(self) -> None:
        self.ledger.close()

    # What anybody may do.

    @initialize()
    def accept_the_first(self) -> None:
        self.accept(LESSONS[0])

    @rule()
    def accept_the_second(self) -> None:
        self.accept(LESSONS[1])

    def accept(self, lesson_id: str) -> None:
        assert self.ledger.accept(a_lesson(lesson_id=lesson_id)) == (lesson_id not in self.model)
        self.model.setdefault(lesson_id, Lesson())

    @rule(seconds=st.sampled_from((30.0, LEASE, -30.0, -2 * LONGEST_LEASE_SECONDS)))
    def any_time_passes(self, seconds: float) -> None:
        self.time_passes(seconds)

    def time_passes(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)

    @rule(target=generations, lesson_id=lessons)
    def take_when_the_lease_has_run_out(self, lesson_id: str) -> Any:
        self.time_passes(LEASE)
        return self.take(lesson_id, counted=True)

    @rule(target=generations, lesson_id=lessons, counted=st.booleans())
    def take_again(self, lesson_id: str, counted: bool) -> Any:
        return self.take(lesson_id, counted)

    def take(self, lesson_id: str, counted: bool) -> Any:
        sent = self.ledger.sending.take(lesson_id, lease_seconds=LEASE, most_attempts=MOST_ATTEMPTS, counted=counted)
        lesson = self.model.get(lesson_id)
        free = lesson is not None and lesson.state in OPEN_STATES and not self.leased(lesson)
        if lesson is None or not free or (counted and lesson.attempts >= MOST_ATTEMPTS):
            assert sent is None
            return multiple()
        lesson.generation += 1
        lesson.attempts += counted
        lesson.lease_until = self.later(LEASE)
        assert sent == Sent(lesson_id, lesson.generation, counted)
        assert sent.generation > self.newest[lesson_id], "two hold the same generation"
        self.newest[lesson_id] = sent.generation
        return sent

    @rule(sent=generations)
    def could_not_send(self, sent: Sent) -> None:
        self.ledger.sending.not_sent(sent)
        lesson = self.model[sent.lesson_id]
        if lesson.generation == sent.generation:
            lesson.lease_until, lesson.attempts = None, max(lesson.attempts - sent.counted, 0)

    # What a message brings about, in time, late, or twice.

    @rule(sent=generations)
    def admit(self, sent: Sent) -> None:
        lesson = self.model[sent.lesson_id]
        in_work = sum(one.state is LessonState.PROCESSING for one in self.model.values())
        admitted = self.ledger.admit(sent.lesson_id, sent.generation, places=PLACES, lease_seconds=LEASE)
        if not lesson.hears(sent.generation):
            assert not admitted
        elif lesson.state is LessonState.ACCEPTED and in_work >= PLACES:
            assert not admitted
            lesson.lease_until, lesson.attempts = None, 0
        else:
            assert admitted
            lesson.state, lesson.lease_until = LessonState.PROCESSING, self.later(LEASE)

    @rule(sent=generations, version=st.sampled_from(("v1", "v2")))
    def planned(self, sent: Sent, version: str) -> None:
        self.ledger.planned(sent.lesson_id, version, 2, {}, generation=sent.generation)
        lesson = self.model[sent.lesson_id]
        if lesson.state is LessonState.PROCESSING and lesson.hears(sent.generation):
            lesson.version = version

    @rule(sent=generations)
    def renew(self, sent: Sent) -> None:
        lesson = self.model[sent.lesson_id]
        assert self.ledger.sending.renew(sent.lesson_id, sent.generation, LEASE) == lesson.hears(sent.generation)
        if lesson.hears(sent.generation):
            lesson.lease_until = self.later(LEASE)

    @rule(sent=generations, counted=st.booleans())
    def rest(self, sent: Sent, counted: bool) -> None:
        self.ledger.sending.rest(sent.lesson_id, sent.generation, seconds=30, reason="it failed", counted=counted)
        lesson = self.model[sent.lesson_id]
        if lesson.hears(sent.generation):
            lesson.lease_until = self.later(30)
            lesson.attempts = lesson.attempts if counted else max(lesson.attempts - 1, 0)

    @rule(sent=generations, segment=segments)
    def run_starts(self, sent: Sent, segment: int) -> None:
        began = self.ledger.runs.started(
            sent.lesson_id, "v1", "decode_segment", segment, generation=sent.generation, lease_seconds=LEASE
        )
        lesson = self.model[sent.lesson_id]
        if not lesson.hears(sent.generation):
            assert began is None
            return
        run = lesson.runs.setdefault(segment, [0, False])
        run[0] += 1
        assert began == run[0]
        lesson.lease_until = self.later(LEASE)

    @rule(sent=generations, segment=segments)
    def run_ends(self, sent: Sent, segment: int) -> None:
        self.ledger.runs.finished(
            *(sent.lesson_id, "v1", "decode_segment", segment),
            seconds=1,
            items=1,
            generation=sent.generation,
            lease_seconds=LEASE,
        )
        lesson = self.model[sent.lesson_id]
        if segment not in lesson.runs:
            return
        if lesson.hears(sent.generation):
            lesson.lease_until = self.later(LEASE)
        if not lesson.runs[segment][1]:
            lesson.attempts = 0
        lesson.runs[segment] = [0, True]

    @rule(lesson_id=lessons, segment=segments)
    def run_is_interrupted(self, lesson_id: str, segment: int) -> None:
        self.ledger.runs.interrupted(lesson_id, "v1", "decode_segment", segment)
        if lesson_id in self.model and segment in self.model[lesson_id].runs:
            run = self.model[lesson_id].runs[segment]
            run[0] = max(run[0] - 1, 0)

    @rule(sent=generations, end=st.sampled_from(sorted(ENDS)))
    def finish(self, sent: Sent, end: LessonState) -> None:
        self.ends(sent.lesson_id, end, sent.generation)

    # What the reconciler, an operator and a second run do.

    @rule(lesson_id=lessons)
    def set_aside(self, lesson_id: str) -> None:
        spent = dict(self.ledger.sending.spent(MOST_ATTEMPTS))
        lesson = self.model.get(lesson_id)
        is_spent = lesson is not None and lesson.state in OPEN_STATES and not self.leased(lesson)
        assert (lesson_id in spent) == (lesson is not None and is_spent and lesson.attempts >= MOST_ATTEMPTS)
        if lesson_id in spent:
            self.ends(lesson_id, LessonState.QUARANTINED, 0)
        else:
            assert not self.ledger.finish(lesson_id, LessonState.QUARANTINED, "why", most_attempts=MOST_ATTEMPTS)

    @rule()
    def redis_loses_everything(self) -> None:
        leased = [one for one in self.model.values() if one.state in OPEN_STATES and one.lease_until is not None]
        assert self.ledger.sending.everything_lost() == len(leased)
        for lesson in leased:
            lesson.lease_until = None

    @rule(lesson_id=lessons)
    def waits_in_a_queue(self, lesson_id: str) -> None:
        self.ledger.sending.renew_waiting([lesson_id], LEASE)
        lesson = self.model.get(lesson_id)
        if lesson is not None and lesson.state in OPEN_STATES:
            lesson.lease_until = self.later(LEASE)

    @rule(lesson_id=lessons)
    def start_afresh(self, lesson_id: str) -> None:
        self.ledger.start_afresh(lesson_id)
        if lesson_id in self.model:
            self.model[lesson_id].lease_until = None
            self.forget_attempts(lesson_id)

    @rule(end=st.sampled_from((LessonState.REFUSED, LessonState.QUARANTINED)))
    def ends_and_is_opened_again(self, end: LessonState) -> None:
        if self.model[LESSONS[0]].state in OPEN_STATES:
            self.ends(LESSONS[0], end, 0)
        self.reopen(LESSONS[0])

    @rule(lesson_id=lessons)
    def reopen(self, lesson_id: str) -> None:
        lesson = self.model.get(lesson_id)
        allowed = lesson is not None and lesson.state in ENDS
        assert self.ledger.reopen(lesson_id) == allowed
        if lesson is not None and allowed:
            lesson.state, lesson.lease_until = LessonState.ACCEPTED, None
            lesson.round += 1
            lesson.generation += 1
            self.forget_attempts(lesson_id)
            del self.ended[lesson_id]

    # What always holds.

    @invariant()
    def rows_are_as_the_model_says(self) -> None:
        with self.ledger.database.reading() as session:
            rows = {row.lesson_id: row for row in session.scalars(select(LessonRow))}
            assert set(rows) == set(self.model)
            for lesson_id, lesson in self.model.items():
                row = rows[lesson_id]
                assert (row.state, row.round, row.attempts) == (lesson.state, lesson.round, lesson.attempts)
                assert (row.lease_until, row.work_version) == (lesson.lease_until, lesson.version)
                assert row.generation == lesson.generation
                assert row.attempts <= MOST_ATTEMPTS

    @invariant()
    def each_ended_round_has_one_event_and_each_version_at_most_one_reel(self) -> None:
        with self.ledger.database.reading() as session:
            events = list(session.scalars(select(EventRow)))
            reels = list(session.scalars(select(ReelRow)))
        for lesson_id, lesson in self.model.items():
            told = {event.round: event for event in events if event.lesson_id == lesson_id}
            rounds = lesson.round if lesson.state in ENDS else lesson.round - 1
            assert sorted(told) == list(range(1, rounds + 1))
            assert {number: event.state for number, event in told.items()} == lesson.told
            assert all(event.event_id == event_id(lesson_id, number) for number, event in told.items())
            assert sorted(reel.work_version for reel in reels if reel.lesson_id == lesson_id) == sorted(lesson.reels)
        assert len(events) == sum(len(lesson.told) for lesson in self.model.values())

    @invariant()
    def what_has_ended_stays_as_it_ended(self) -> None:
        for lesson_id, (round_number, state) in self.ended.items():
            record = self.ledger.require(lesson_id)
            assert (self.model[lesson_id].round, record.state) == (round_number, state)

    @invariant()
    def generations_never_fall(self) -> None:
        for record in self.ledger.find():
            lesson_id = record.lesson.lesson_id
            assert record.generation >= self.newest[lesson_id]
            self.newest[lesson_id] = record.generation

    @invariant()
    def who_is_to_be_sent_is_who_is_open_and_free(self) -> None:
        free = {name: one.state for name, one in self.model.items() if one.state in OPEN_STATES and not self.leased(one)}
        assert set(self.ledger.sending.waiting(10)) == {n for n, state in free.items() if state is LessonState.ACCEPTED}
        assert set(self.ledger.sending.stalled()) == {n for n, state in free.items() if state is LessonState.PROCESSING}
        taken = [
            one
            for one in self.model.values()
            if one.state is LessonState.PROCESSING or (one.state is LessonState.ACCEPTED and self.leased(one))
        ]
        assert self.ledger.sending.places_taken() == len(taken)

    def ends(self, lesson_id: str, end: LessonState, generation: int) -> None:
        lesson = self.model[lesson_id]
        needs_work = end in {LessonState.DONE, LessonState.NO_REEL}
        allowed = lesson.hears(generation) and (lesson.state is LessonState.PROCESSING or not needs_work)
        reel = REEL if end is LessonState.DONE and lesson.version else None
        assert self.ledger.finish(lesson_id, end, "why", reel=reel, generation=generation) == allowed
        if allowed:
            lesson.state, lesson.lease_until = end, None
            lesson.told[lesson.round] = end
            if reel is not None and lesson.version is not None:
                lesson.reels.add(lesson.version)
            self.ended[lesson_id] = (lesson.round, end)

    def forget_attempts(self, lesson_id: str) -> None:
        lesson = self.model[lesson_id]
        lesson.attempts = 0
        for run in lesson.runs.values():
            run[0] = 0

    def later(self, seconds: float) -> datetime:
        return self.time + timedelta(seconds=seconds)

    def leased(self, lesson: Lesson) -> bool:
        """Live, and not of a clock that was set back since."""
        return lesson.lease_until is not None and self.time < lesson.lease_until <= self.later(LONGEST_LEASE_SECONDS)


LedgerMachine.TestCase.settings = settings(
    max_examples=EXAMPLES or 40,
    stateful_step_count=60 if EXAMPLES else 30,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)
TestLedgerAgainstItsModel = LedgerMachine.TestCase
