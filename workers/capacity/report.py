"""The command's answer: a night from its arguments, played, as a dictionary and as text. Called by `smilereel simulate`."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from workers.capacity.events import Outcome
from workers.capacity.limits import amounts_of, loads_of
from workers.capacity.night import HOUR, Night
from workers.capacity.scaled import MOST_TASKS, Played, play
from workers.capacity.search import by_morning, default_places, smallest
from workers.capacity.service import ROOM_OF, ROOMS, SEGMENT_STAGES, CapacityInvalid, Fit

RETENTION_NIGHTS = 365
PERCENTILES = (50, 95, 99)
_EVERY = 10**12
# Where a fifth of both rooms idles, more places would let them work.
MOST_IDLE = 0.2


def night_of(args: argparse.Namespace, fit: Fit) -> Night:
    """The night that was asked for; workers that were not named are searched for.

    Raises:
        CapacityInvalid: a number makes no sense, or no number of workers is enough.
    """
    fixed = {room: getattr(args, room) for room in ROOMS if getattr(args, room) is not None}
    _check(args)
    night = Night(
        lessons=args.lessons_per_night,
        workers={"cpu": 1, "gpu": 1} | fixed,
        lesson_seconds=args.lesson_minutes * 60,
        lesson_spread=args.lesson_spread,
        segment_seconds=args.segment_seconds,
        arrivals=args.arrivals,
        arrival_hours=min(args.arrival_hours, args.hours),
        hours=args.hours,
        bulk=args.bulk,
        places=args.lessons_in_work if args.lessons_in_work is not None else 32,
        deaths_a_day=args.deaths_a_day,
        speed={"cpu": args.cpu_speed, "gpu": args.gpu_speed},
        seed=args.seed,
    )
    if len(fixed) == len(ROOMS):
        return replace(night, places=args.lessons_in_work or default_places(night.workers))
    return smallest(night, fit, fixed, args.lessons_in_work)


def _check(args: argparse.Namespace) -> None:
    for name in ("analytics", "cpu_price", "gpu_price"):
        most = 1.0 if name == "analytics" else 1e6
        if not 0 <= getattr(args, name) <= most:
            raise CapacityInvalid(f"--{name.replace('_', '-')} is {getattr(args, name):g}; it can be from 0 to {most:g}.")
    if args.check_part is not None and not 2 <= args.check_part <= 1000:
        raise CapacityInvalid(f"--check-part is {args.check_part}; it can be from 2 to 1000.")


def answer(args: argparse.Namespace, fit: Fit) -> dict[str, Any]:
    """Everything the command tells."""
    night = night_of(args, fit)
    began = time.perf_counter()
    played = play(night, fit, most_tasks=_EVERY if args.exact else MOST_TASKS)
    took = time.perf_counter() - began
    outcome = played.outcome
    loads = loads_of(night, fit, outcome, kept_nights=RETENTION_NIGHTS, analytics=args.analytics)
    hours = outcome.last_end / HOUR
    prices = {"cpu": args.cpu_price, "gpu": args.gpu_price}
    return {
        "lessons": night.lessons,
        "workers": night.workers,
        "searched": [room for room in ROOMS if getattr(args, room) is None],
        "lessons_in_work": night.places,
        "ends_by_morning": by_morning(night, played),
        "last_end_hours": round(hours, 2),
        "ended": outcome.ended,
        **_found(night, outcome),
        "cost": round(sum(night.workers[room] * prices[room] * hours for room in ROOMS), 2),
        "deaths": outcome.deaths,
        "sent_again": outcome.sent_again,
        "tasks": outcome.tasks,
        "peak_tasks_a_second": round(outcome.peak_tasks_a_second, 1),
        "amounts": {name: round(value) for name, value in amounts_of(night, fit, outcome, analytics=args.analytics).items()},
        "loads": [asdict(load) | {"share": round(load.share, 4)} for load in loads],
        "breaks_first": loads[0].name,
        "played_part": played.part,
        "played_seconds": round(took, 1),
        "measured": {"where": fit.where, "command": fit.command},
    }


def _found(night: Night, outcome: Outcome) -> dict[str, Any]:
    """What scales with the part that was played, or not: what `compare` sets side by side as well."""
    waits = waits_of(outcome)
    return {
        "busy": {room: round(outcome.busy_seconds[room] / night.workers[room] / max(outcome.last_end, 1.0), 3) for room in ROOMS},
        "bottleneck": bottleneck(waits, outcome.idle_while_waiting),
        "wait_seconds_per_lesson": {name: round(seconds, 1) for name, seconds in waits.items()},
        "lesson_seconds": {
            kind: {f"p{rank}": round(percentile(seconds, rank), 1) for rank in PERCENTILES}
            for kind, seconds in outcome.lesson_seconds.items()
            if seconds
        },
        "longest_queue": outcome.longest_queue,
        "most_lessons_in_work": outcome.most_in_work,
        "most_lessons_waiting_for_a_place": outcome.most_waiting,
    }


def waits_of(outcome: Outcome) -> dict[str, float]:
    """Seconds that a lesson waits for a place, and on its way through each queue: its messages wait side by side."""
    lessons, messages = max(outcome.lessons, 1), max(outcome.tasks, 1)
    hops = Counter(ROOM_OF.values())
    share = {room: sum(ROOM_OF[stage] == room for stage in SEGMENT_STAGES) / len(SEGMENT_STAGES) for room in ROOMS}
    return {
        name: seconds / lessons if name == "places" else seconds / (messages * share[name]) * hops[name]
        for name, seconds in outcome.waits.items()
    }


def bottleneck(waits: Mapping[str, float], idle_while_waiting: Mapping[str, float]) -> str:
    """What lessons wait for: the room "cpu" or "gpu", or "places" where workers idle while lessons wait for one; "none" if nothing."""
    if waits["places"] > max(waits[room] for room in ROOMS) and min(idle_while_waiting.values()) > MOST_IDLE:
        return "places"
    room = max(ROOMS, key=lambda each: waits[each])
    return room if waits[room] > 0 else "none"


def percentile(values: Sequence[float], rank: float) -> float:
    """The value that `rank` percent of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(rank / 100 * len(ordered)))]


def compare(args: argparse.Namespace, fit: Fit) -> dict[str, Any]:
    """The night played whole and its part: what the approximation is off by."""
    night = night_of(args, fit)
    sides: dict[str, Any] = {}
    for name, part in {"whole": 1, "part": args.check_part}.items():
        began = time.perf_counter()
        played: Played = play(night, fit, part=part)
        sides[name] = {
            "last_end_hours": round(played.outcome.last_end / HOUR, 3),
            "peak_tasks_a_second": round(played.outcome.peak_tasks_a_second, 1),
            **_found(night, played.outcome),
            "played_seconds": round(time.perf_counter() - began, 1),
        }
    return {
        "lessons": night.lessons,
        "workers": night.workers,
        "lessons_in_work": night.places,
        "in_small": args.check_part,
        **sides,
    }


def comparison_text(compared: Mapping[str, Any]) -> str:
    """Both sides, a line a figure."""
    flat = [dict(_flat(compared[side])) for side in ("whole", "part")]
    lines = [f"{compared['lessons']:,} lessons, workers {compared['workers']}, whole and 1/{compared['in_small']} of it"]
    width = max(len(name) for name in flat[0])
    lines += [f"{name:{width}} {value!s:>20} {flat[1].get(name, '')!s:>20}" for name, value in flat[0].items()]
    return "\n".join(lines)


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        found += _flat(value, f"{prefix}{name} ") if isinstance(value, Mapping) else [(f"{prefix}{name}", value)]
    return found


def text(told: Mapping[str, Any]) -> str:
    """The answer for people."""
    workers, searched = told["workers"], told["searched"]
    found = f" (as few as end by the morning: {' and '.join(searched)})" if searched else ""
    end = "all end by the morning" if told["ends_by_morning"] else f"NOT all end by the morning: {told['ended']:,} ended at all"
    lines = [
        f"{told['lessons']:,} lessons, {workers['cpu']:,} CPU and {workers['gpu']:,} GPU worker processes{found}, "
        f"{told['lessons_in_work']:,} lessons in work at once",
        f"last lesson ends after {told['last_end_hours']:.2f} hours; {end}; cost {told['cost']:,.2f}",
        f"workers busy: CPU {told['busy']['cpu']:.0%}, GPU {told['busy']['gpu']:.0%}; bottleneck: {told['bottleneck']} "
        f"(a lesson waits {', '.join(f'{seconds:,.0f} s for {name}' for name, seconds in told['wait_seconds_per_lesson'].items())})",
    ]
    for kind, times in told["lesson_seconds"].items():
        lines.append(f"a {kind} lesson takes " + ", ".join(f"{name} {_time(seconds)}" for name, seconds in times.items()))
    lines.append(f"workers died {told['deaths']:,} times, {told['sent_again']:,} lessons were sent again for it")
    lines += ["", "a night's amounts:", *(f"  {name:26} {value:>22,}" for name, value in told["amounts"].items())]
    lines += ["", "limits, in the busiest ten minutes; the first one breaks first:"]
    for load in told["loads"]:
        kind = "measured" if load["measured"] else "assumed"
        number = f"{load['load']:>16,.1f} of {load['limit']:>16,.1f} {load['unit']:8}"
        lines.append(
            f"  {load['name']:32} {number} {load['share']:>8.1%} {kind}" + (f": {load['then']}" if load["share"] > 1 else "")
        )
    part = told["played_part"]
    how = "every task was played" if part == 1 else f"1/{part} of lessons, workers and places was played and multiplied"
    lines += ["", f"{told['tasks']:,} tasks; {how}, in {told['played_seconds']} s; times measured on {told['measured']['where']}"]
    return "\n".join(lines)


def _time(seconds: float) -> str:
    return (
        f"{seconds:,.0f} s" if seconds < 600 else f"{seconds / 60:,.0f} min" if seconds < 36_000 else f"{seconds / 3600:,.1f} h"
    )
