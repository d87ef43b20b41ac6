"""What is asked of the simulation: a night, its lessons and its workers. Checked at construction, trusted by `events.py`."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from workers.capacity.service import ROOMS, CapacityInvalid

PROFILES = ("evening", "flat", "at-once")
MOST_LESSONS = 10_000_000
MOST_WORKERS = 100_000
HOUR = 3600.0


@dataclass(frozen=True)
class Night:
    """One night; times count in seconds from its beginning.

    Args:
        lessons: how many lessons come.
        workers: processes of each room that take one task at a time.
        lesson_seconds: mean length of a lesson.
        lesson_spread: standard deviation of the lengths as a share of the mean.
        segment_seconds: of video in a segment.
        arrivals: "evening" (a hump), "flat", or "at-once".
        arrival_hours: lessons come during so many hours from the beginning on.
        hours: from the beginning to the morning.
        bulk: share of the lessons that come at the beginning, as bulk; the others are fresh.
        places: so many lessons are in work at once.
        bulk_places: share of the places that bulk may take.
        reconcile_seconds: pace of the reconciler, which fills places.
        lease_seconds: after so long a lesson that lost its worker is sent again.
        deaths_a_day: how often a worker dies in 24 hours.
        restart_seconds: until a dead worker is started again; its warm-up comes on top.
        speed: by room, how many times faster than measured.
        enqueue_seconds: between two lessons that come at once.
        seed: of all chance.
        lengths: the lessons' lengths in seconds, in the order in which they come, in place of chance.

    Raises:
        CapacityInvalid: a number makes no sense.
    """

    lessons: int
    workers: dict[str, int]
    lesson_seconds: float = 2700.0
    lesson_spread: float = 0.15
    segment_seconds: int = 64
    arrivals: str = "evening"
    arrival_hours: float = 7.0
    hours: float = 15.0
    bulk: float = 0.0
    places: int = 32
    bulk_places: float = 0.75
    reconcile_seconds: float = 2.0
    lease_seconds: float = 10.0
    deaths_a_day: float = 0.0
    restart_seconds: float = 5.0
    speed: dict[str, float] = field(default_factory=lambda: {"cpu": 1.0, "gpu": 1.0})
    enqueue_seconds: float = 0.01
    seed: int = 1
    lengths: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _within("--lessons-per-night", self.lessons, 1, MOST_LESSONS)
        for room in ROOMS:
            _within(f"--{room}", self.workers[room], 1, MOST_WORKERS)
            _within(f"--{room}-speed", self.speed[room], 0.001, 10_000)
        _within("--lesson-minutes", self.lesson_seconds / 60, 0.1, 6 * 60)
        _within("--lesson-spread", self.lesson_spread, 0, 2)
        _within("--segment-seconds", self.segment_seconds, 1, 600)
        _within("--hours", self.hours, 0.01, 168)
        _within("--arrival-hours", self.arrival_hours, 0, self.hours)
        _within("--bulk", self.bulk, 0, 1)
        _within("--lessons-in-work", self.places, 1, MOST_LESSONS)
        _within("--deaths-a-day", self.deaths_a_day, 0, 1000)
        if self.arrivals not in PROFILES:
            raise CapacityInvalid(f"--arrivals is one of {', '.join(PROFILES)}, not {self.arrivals!r}.")

    def arrival_times(self, rng: random.Random) -> list[tuple[float, bool]]:
        """When each lesson comes, and whether it is bulk; in the order of time."""
        n_bulk = round(self.lessons * self.bulk)
        bulk = [(number * self.enqueue_seconds, True) for number in range(n_bulk)]
        fresh = [(self._arrival(number, rng), False) for number in range(self.lessons - n_bulk)]
        return sorted(bulk + fresh)

    def _arrival(self, number: int, rng: random.Random) -> float:
        if self.arrivals == "at-once":
            return number * self.enqueue_seconds
        share = rng.random()
        if self.arrivals == "evening":
            share = math.acos(1 - 2 * share) / math.pi  # half a period of a sine
        return share * self.arrival_hours * HOUR

    def length(self, number: int, rng: random.Random) -> float:
        """Seconds of the lesson that comes as the so-manieth, from 0."""
        if self.lengths:
            return self.lengths[number % len(self.lengths)]
        if not self.lesson_spread:
            return self.lesson_seconds
        return min(max(rng.gauss(self.lesson_seconds, self.lesson_seconds * self.lesson_spread), 30.0), 6 * HOUR)

    @property
    def tasks_a_lesson(self) -> float:
        """Messages that a lesson of the mean length makes."""
        return 4 * math.ceil(self.lesson_seconds / self.segment_seconds) + 4


def _within(name: str, value: float, least: float, most: float) -> None:
    if not (math.isfinite(value) and least <= value <= most):
        raise CapacityInvalid(f"{name} is {value:,.12g}; it can be from {least:,.12g} to {most:,.12g}.")
