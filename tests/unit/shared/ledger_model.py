"""The ledger as a few lines of plain Python: what each call ought to answer and to change. For `test_ledger_machine.py`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.database import LONGEST_LEASE_SECONDS
from shared.ledger import LessonState
from shared.states import OPEN_STATES
from tests.unit.shared.conftest import Clock

LEASE = 60.0
MOST_ATTEMPTS = 2
PLACES = 1


@dataclass
class Lesson:
    """What there is to know of a lesson; it has one stage with one run."""

    state: LessonState = LessonState.ACCEPTED
    round: int = 1
    generation: int = 0
    attempts: int = 0
    lease_until: datetime | None = None
    version: str | None = None
    run_attempts: int | None = None
    run_finished: bool = False
    told: dict[int, LessonState] = field(default_factory=dict)
    reels: dict[str, int] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        return self.state in OPEN_STATES

    def hears(self, generation: int) -> bool:
        """Whether a message of this sending has anything to say."""
        return self.open and generation in {0, self.generation}

    def one_attempt_less(self) -> None:
        self.attempts = max(self.attempts - 1, 0)


class Model:
    """All lessons; a call changes them as the ledger's should and returns what the ledger should answer."""

    def __init__(self, names: tuple[str, ...], clock: Clock) -> None:
        self.clock = clock
        self.lessons = {name: Lesson() for name in names}

    def __getitem__(self, name: str) -> Lesson:
        return self.lessons[name]

    def later(self, seconds: float = LEASE) -> datetime:
        return self.clock.time + timedelta(seconds=seconds)

    def leased(self, lesson: Lesson) -> bool:
        """Live, and not of a clock that was set back since."""
        return lesson.lease_until is not None and self.clock.time < lesson.lease_until <= self.later(LONGEST_LEASE_SECONDS)

    def free(self, *states: LessonState) -> Iterator[str]:
        return (name for name, one in self.lessons.items() if one.state in states and not self.leased(one))

    def spent(self) -> set[str]:
        return {name for name in self.free(*OPEN_STATES) if self[name].attempts >= MOST_ATTEMPTS}

    def in_work(self) -> int:
        return sum(one.state is LessonState.PROCESSING for one in self.lessons.values())

    def places_taken(self) -> int:
        return self.in_work() + sum(one.state is LessonState.ACCEPTED and self.leased(one) for one in self.lessons.values())

    def take(self, name: str, counted: bool) -> int:
        """The sending's generation; 0: ended, in somebody's hands, or without attempts left."""
        lesson = self[name]
        if name not in self.free(*OPEN_STATES) or (counted and name in self.spent()):
            return 0
        lesson.generation, lesson.attempts, lesson.lease_until = lesson.generation + 1, lesson.attempts + counted, self.later()
        return lesson.generation

    def not_sent(self, name: str, generation: int) -> None:
        if self[name].generation == generation:
            self[name].lease_until = None
            self[name].one_attempt_less()

    def admit(self, name: str, generation: int) -> bool:
        lesson = self[name]
        if not lesson.hears(generation):
            return False
        if lesson.state is LessonState.ACCEPTED and self.in_work() >= PLACES:
            lesson.lease_until, lesson.attempts = None, 0
            return False
        lesson.state, lesson.lease_until = LessonState.PROCESSING, self.later()
        return True

    def planned(self, name: str, generation: int, version: str) -> None:
        if self[name].hears(generation) and self[name].state is LessonState.PROCESSING:
            self[name].version = version

    def renew(self, name: str, generation: int, seconds: float = LEASE) -> bool:
        if self[name].hears(generation):
            self[name].lease_until = self.later(seconds)
        return self[name].hears(generation)

    def started(self, name: str, generation: int) -> int | None:
        if not self.renew(name, generation):
            return None
        self[name].run_attempts = (self[name].run_attempts or 0) + 1
        return self[name].run_attempts

    def finished(self, name: str, generation: int) -> None:
        lesson = self[name]
        if lesson.run_attempts is None:
            return
        self.renew(name, generation)
        if not lesson.run_finished:
            lesson.attempts = 0
        lesson.run_attempts, lesson.run_finished = 0, True

    def rest(self, name: str, generation: int, seconds: float, counted: bool) -> None:
        if self.renew(name, generation, seconds) and not counted:
            self[name].one_attempt_less()

    def finish(self, name: str, generation: int, end: LessonState, reel_bytes: int) -> bool:
        lesson = self[name]
        needs_work = end in {LessonState.DONE, LessonState.NO_REEL}
        if not lesson.hears(generation) or (needs_work and lesson.state is LessonState.ACCEPTED):
            return False
        lesson.state, lesson.lease_until = end, None
        lesson.told[lesson.round] = end
        if needs_work:
            # The newest end with or without a reel takes the place of the older ones.
            new = {lesson.version: lesson.reels.get(lesson.version, reel_bytes)} if reel_bytes and lesson.version else {}
            lesson.reels = new
        return True

    def everything_lost(self) -> int:
        leased = [one for one in self.lessons.values() if one.lease_until is not None]
        for one in leased:
            one.lease_until = None
        return len(leased)

    def interrupted(self, name: str) -> None:
        if self[name].run_attempts:
            self[name].run_attempts = (self[name].run_attempts or 0) - 1

    def start_afresh(self, name: str) -> None:
        lesson = self[name]
        lesson.attempts, lesson.lease_until = 0, None
        lesson.run_attempts = None if lesson.run_attempts is None else 0

    def reopen(self, name: str) -> None:
        lesson = self[name]
        lesson.state, lesson.round, lesson.generation = LessonState.ACCEPTED, lesson.round + 1, lesson.generation + 1
        self.start_afresh(name)
