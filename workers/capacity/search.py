"""How many workers a night needs to end by the morning: a first guess by arithmetic, then played until it holds. Called by the command."""

from __future__ import annotations

import math
import random
from dataclasses import replace

from workers.capacity.night import HOUR, Night
from workers.capacity.scaled import Played, play
from workers.capacity.service import LESSON_STAGES, ROOM_OF, ROOMS, SEGMENT_STAGES, CapacityInvalid, Fit

TASKS_A_TRY = 300_000
MOST_TRIES = 40
# Of a room's workers; large nights are right to this share only.
STEP = 0.02


def seconds_a_lesson(night: Night, fit: Fit) -> dict[str, float]:
    """Worker seconds that a lesson of the mean length takes, by room."""
    whole, rest = divmod(night.lesson_seconds, night.segment_seconds)
    seconds = dict.fromkeys(ROOMS, 0.0)
    for stage in (*SEGMENT_STAGES, *LESSON_STAGES):
        room, times = ROOM_OF[stage], fit.stages[stage]
        parts = (
            [(night.segment_seconds, whole), (rest, 1.0 if rest else 0.0)]
            if stage in SEGMENT_STAGES
            else [(night.lesson_seconds, 1.0)]
        )
        for frames, count in parts:
            mean = times.mean(frames)
            slow = min(mean, fit.unchanged_seconds + fit.host_seconds_per_frame * frames) if room == "gpu" else 0.0
            seconds[room] += count * (slow + (mean - slow) / night.speed[room] + fit.gap_seconds[room])
    return seconds


def first_guess(night: Night, fit: Fit) -> dict[str, int]:
    """Fewest workers that could do all that comes after any moment between it and the morning."""
    rng = random.Random(night.seed)
    sample = replace(night, lessons=min(night.lessons, 20_000))
    times = [at for at, _ in sample.arrival_times(rng)]
    weight = night.lessons / len(times)
    end = night.hours * HOUR
    most = max(((len(times) - number) * weight / max(end - at, 1.0) for number, at in enumerate(times)), default=0.0)
    return {room: max(1, math.ceil(most * seconds)) for room, seconds in seconds_a_lesson(night, fit).items()}


def by_morning(night: Night, played: Played) -> bool:
    """Whether all lessons end before the morning."""
    return played.outcome.ended == played.outcome.lessons and played.outcome.last_end <= night.hours * HOUR


def smallest(night: Night, fit: Fit, fixed: dict[str, int], places: int | None) -> Night:
    """The night with the fewest workers that end it by the morning; rooms in `fixed` keep their number.

    Args:
        night: its workers are replaced.
        fit: service times.
        fixed: workers that are given.
        places: lessons in work; None: as many as `default_places` says.

    Raises:
        CapacityInvalid: no number of workers is enough.
    """
    free = [room for room in ROOMS if room not in fixed]
    workers = first_guess(night, fit) | fixed
    for _ in range(MOST_TRIES):
        tried = replace(night, workers=workers, places=places or default_places(workers))
        played = play(tried, fit, most_tasks=TASKS_A_TRY)
        if by_morning(tried, played):
            return _fewer(tried, fit, free, places)
        if not free:
            break
        room = max(free, key=lambda name: played.outcome.busy_seconds[name] / workers[name])
        workers = workers | {room: workers[room] + _step(workers[room])}
    raise CapacityInvalid(
        "No number of workers that was tried ends the night by the morning: "
        "give more --hours or --lessons-in-work, or let --cpu and --gpu free."
    )


def _fewer(night: Night, fit: Fit, free: list[str], places: int | None) -> Night:
    """The same with every worker taken away that is not missed."""
    for room in free:
        while night.workers[room] > 1:
            workers = night.workers | {room: max(1, night.workers[room] - _step(night.workers[room]))}
            tried = replace(night, workers=workers, places=places or default_places(workers))
            if not by_morning(tried, play(tried, fit, most_tasks=TASKS_A_TRY)):
                break
            night = tried
    return night


def _step(count: int) -> int:
    return max(1, round(STEP * count))


def default_places(workers: dict[str, int]) -> int:
    """Lessons in work that keep so many workers busy; never fewer than the shipped setting."""
    return max(32, sum(workers.values()))
