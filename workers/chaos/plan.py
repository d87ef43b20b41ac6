"""What a fault run does and when, drawn from its seed alone: which lessons come, and which faults hit whom. Called by `run.py`."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from random import Random
from typing import Literal

Film = Literal["reel", "short", "no_consent", "poison"]
Database = Literal["sqlite", "postgresql"]

FAULTS_A_SECOND = 22 / 75
POISON = "poison"
ONE_POISON_IN = 20
# Lessons come in this share of the run; faults go on to its end.
ENQUEUED_IN = 2 / 3
FIRST_FAULT_SECOND, LAST_FAULT_BEFORE_END = 1.5, 1.0


@dataclass(frozen=True, slots=True)
class Kind:
    """A misfortune: whom it may hit, and for how many seconds at least and at most (0: it is over at once)."""

    name: str
    roles: tuple[str, ...]
    lasts_seconds: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Fault:
    """One misfortune of a run."""

    kind: str
    role: str
    second: float
    lasts_seconds: float


@dataclass(frozen=True, slots=True)
class PlannedLesson:
    """A lesson, what its pictures show, and at which second either client hands it in."""

    lesson_id: str
    film: Film
    second: float
    variant: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that the seed decides."""

    seed: int
    seconds: int
    lessons: tuple[PlannedLesson, ...]
    faults: tuple[Fault, ...]


def kinds(database: Database, lease_seconds: float) -> tuple[Kind, ...]:
    """All kinds of faults but the poison lessons; a worker is stopped for longer than a lease holds."""
    sqlite = database == "sqlite"
    return (
        Kind("kill_child", ("cpu", "gpu")),
        Kind("kill_worker", ("cpu", "gpu")),
        Kind("stop_worker", ("cpu", "gpu"), (1.5 * lease_seconds, 2.5 * lease_seconds)),
        Kind("kill_valkey", ("with_disk",)),
        Kind("kill_valkey_empty", ("without_disk",)),
        Kind("flushall", ("valkey",)),
        Kind("store_refuses", ("store",), (2.0, 5.0)),
        Kind("store_slow", ("store",), (2.0, 5.0)),
        Kind("database_away", ("locked",) if sqlite else ("frozen", "killed"), (3.0, 5.0)),
        Kind("disk_full", ("store",), (2.0, 5.0)),
        Kind("disk_full", ("ledger",) if sqlite else ("store",), (2.0, 5.0)),
        Kind("clock_step", ("forward", "back")),
    )


def draw_plan(seed: int, n_lessons: int, seconds: int, *, database: Database = "sqlite", lease_seconds: float = 3.0) -> Plan:
    """The plan of a seed: the same for the same arguments, on any machine.

    Raises:
        ValueError: there is no lesson, or no time.
    """
    if n_lessons < 1 or seconds < 5:
        raise ValueError("a fault run needs at least one lesson and five seconds")
    lot = Random(f"smilereel chaos {seed} {n_lessons} {seconds}")
    lessons = _draw_lessons(lot, seed, n_lessons, seconds)
    poison = [Fault(POISON, "gpu", lesson.second, 0.0) for lesson in lessons if lesson.film == POISON]
    faults = _draw_faults(lot, kinds(database, lease_seconds), seconds)
    return Plan(seed, seconds, tuple(lessons), tuple(sorted([*faults, *poison], key=lambda fault: fault.second)))


def _draw_lessons(lot: Random, seed: int, n_lessons: int, seconds: int) -> list[PlannedLesson]:
    n_poison = ceil(n_lessons / ONE_POISON_IN)
    n_short = n_without = n_lessons // ONE_POISON_IN
    films: list[Film] = [*["poison"] * n_poison, *["short"] * n_short, *["no_consent"] * n_without]  # type: ignore[list-item]
    films += ["reel"] * (n_lessons - len(films))
    lot.shuffle(films)
    times = sorted(round(lot.uniform(0, seconds * ENQUEUED_IN), 2) for _ in films)
    return [
        PlannedLesson(f"chaos-{seed}-{index:04d}", film, second, lot.randrange(1000))
        for index, (film, second) in enumerate(zip(films, times, strict=True))
    ]


def _draw_faults(lot: Random, of: tuple[Kind, ...], seconds: int) -> list[Fault]:
    """Each kind once if there is time for all, then any; spread over the run with a moment of their own each."""
    n_faults = max(3, ceil(seconds * FAULTS_A_SECOND))
    drawn = [*lot.sample(of, min(len(of), n_faults)), *(lot.choice(of) for _ in range(n_faults - len(of)))]
    lot.shuffle(drawn)
    slot = (seconds - FIRST_FAULT_SECOND - LAST_FAULT_BEFORE_END) / n_faults
    faults = []
    for index, kind in enumerate(drawn):
        second = FIRST_FAULT_SECOND + (index + lot.random()) * slot
        # One draw each, whatever the kind: another database changes a role, never what comes after.
        role = kind.roles[int(lot.random() * len(kind.roles))]
        least, most = kind.lasts_seconds
        faults.append(Fault(kind.name, role, round(second, 1), round(least + lot.random() * (most - least), 1)))
    return faults
