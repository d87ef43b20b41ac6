"""A night that is too large to be played task by task, in small: a part of the lessons, of the workers and of the places."""

from __future__ import annotations

from dataclasses import dataclass, replace

from workers.capacity.events import Outcome, Simulation
from workers.capacity.night import Night
from workers.capacity.service import ROOMS, Fit

MOST_TASKS = 3_000_000
# With fewer, a single lesson would fill the fleet.
FEWEST_WORKERS = 4
FEWEST_PLACES = 4


@dataclass(frozen=True)
class Played:
    """A night's outcome for the whole of it, and how it was found: `part` is 1 where every task was played."""

    outcome: Outcome
    part: int


def play(night: Night, fit: Fit, *, most_tasks: int = MOST_TASKS, part: int | None = None) -> Played:
    """Play the night, or where that takes too many tasks, one `part`-th of it, and multiply.

    In small a lesson's segments have fewer workers to spread over, so a lesson's time where nothing queues comes out longer than it is.
    """
    part = part or _part_of(night, most_tasks)
    if part == 1:
        return Played(Simulation(night, fit).run(), 1)
    workers = {room: max(1, round(night.workers[room] / part)) for room in ROOMS}
    # What rounding gives or takes in workers, their speed takes or gives.
    pace = {room: night.workers[room] / part / workers[room] for room in ROOMS}
    small = replace(
        night,
        lessons=max(1, round(night.lessons / part)),
        workers=workers,
        speed={room: night.speed[room] * pace[room] for room in ROOMS},
        places=max(1, round(night.places / part)),
        enqueue_seconds=night.enqueue_seconds * part,
    )
    return Played(_multiplied(Simulation(small, _paced(fit, pace)).run(), part, pace), part)


def _part_of(night: Night, most_tasks: int) -> int:
    wanted = max(1, round(night.lessons * night.tasks_a_lesson / most_tasks))
    most = min(*(night.workers[room] // FEWEST_WORKERS for room in ROOMS), night.places // FEWEST_PLACES)
    return max(1, min(wanted, most))


def _paced(fit: Fit, pace: dict[str, float]) -> Fit:
    """What no speed hastens follows the rounding of workers too."""
    gaps = {room: fit.gap_seconds[room] / pace[room] for room in ROOMS}
    return fit.model_copy(update={"gap_seconds": gaps, "host_seconds_per_frame": fit.host_seconds_per_frame / pace["gpu"]})


def _multiplied(outcome: Outcome, part: int, pace: dict[str, float]) -> Outcome:
    return replace(
        outcome,
        lessons=outcome.lessons * part,
        ended=outcome.ended * part,
        busy_seconds={room: seconds * part * pace[room] for room, seconds in outcome.busy_seconds.items()},
        waits={name: seconds * part for name, seconds in outcome.waits.items()},
        longest_queue={room: length * part for room, length in outcome.longest_queue.items()},
        most_in_work=outcome.most_in_work * part,
        most_waiting=outcome.most_waiting * part,
        tasks=outcome.tasks * part,
        peak_tasks_a_second=outcome.peak_tasks_a_second * part,
        deaths=outcome.deaths * part,
        sent_again=outcome.sent_again * part,
    )
