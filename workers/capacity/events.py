"""The simulation itself, task by task with SimPy: queues, places, the chord, dying workers. A night and a fit in, `Outcome` out.

plan ─> decode ─> detect ─> crop ─> classify (each segment) ─> pick ─> assemble ─> publish
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from typing import Any

import simpy

from workers.capacity.night import Night
from workers.capacity.rooms import Lesson, Room, Task
from workers.capacity.service import LESSON_STAGES, ROOM_OF, ROOMS, SEGMENT_STAGES, Fit

PLAN, BODY = LESSON_STAGES[0], LESSON_STAGES[1:]
BUCKET_SECONDS = 600.0
# By then whatever still waits will wait for ever.
MOST_NIGHTS = 20


@dataclass
class Outcome:
    """What came of a night; times in seconds from its beginning, waits in seconds of all lessons or messages together.

    `idle_while_waiting` is the share of a room's workers that had nothing to do while lessons waited for a place.
    """

    lessons: int
    ended: int
    last_end: float
    busy_seconds: dict[str, float]
    lesson_seconds: dict[str, list[float]]
    waits: dict[str, float]
    idle_while_waiting: dict[str, float]
    longest_queue: dict[str, int]
    most_in_work: int
    most_waiting: int
    tasks: int
    peak_tasks_a_second: float
    deaths: int
    sent_again: int


class Simulation:
    """One night; `run` plays it once."""

    def __init__(self, night: Night, fit: Fit) -> None:
        self.night, self.fit = night, fit
        self.env = simpy.Environment()
        self.rng = random.Random(night.seed)
        self.rooms = {name: Room(self.env, night.workers[name], self._seconds, self._finished) for name in ROOMS}
        self._room_of = {stage: self.rooms[room] for stage, room in ROOM_OF.items()}
        self._waiting: tuple[deque[Lesson], deque[Lesson]] = (deque(), deque())
        self._taken = [0, 0]
        self._left = night.lessons
        self._per_bucket: Counter[int] = Counter()
        self.outcome = Outcome(
            night.lessons, 0, 0.0, {}, {"fresh": [], "bulk": []}, {"places": 0.0}, dict.fromkeys(ROOMS, 0.0), {}, 0, 0, 0, 0.0, 0, 0
        )  # fmt: skip

    def run(self) -> Outcome:
        """Play it to the last lesson's end, or until nothing can end any more."""
        self.env.process(self._come())
        self.env.process(self._reconcile())
        if self.night.deaths_a_day:
            for name, room in self.rooms.items():
                self.env.process(self._deaths(room, self.fit.warm_seconds[name]))
        limit = self.env.timeout(MOST_NIGHTS * self.night.hours * 3600)
        self._all_ended = self.env.event()
        self.env.run(until=self._all_ended | limit)
        outcome = self.outcome
        for name, room in self.rooms.items():
            outcome.busy_seconds[name], outcome.waits[name], outcome.longest_queue[name] = room.busy, room.waited, room.longest
        outcome.tasks = sum(self._per_bucket.values())
        outcome.peak_tasks_a_second = max(self._per_bucket.values(), default=0) / max(min(BUCKET_SECONDS, outcome.last_end), 1.0)
        return outcome

    def _come(self) -> Generator[simpy.Event, Any, Any]:
        size = self.night.segment_seconds
        for number, (at, bulk) in enumerate(self.night.arrival_times(self.rng)):
            if at > self.env.now:
                yield self.env.timeout(at - self.env.now)
            length = max(1, round(self.night.length(number, self.rng)))
            frames = [size] * (length // size) + ([length % size] if length % size else [])
            lesson = Lesson(bulk, self.env.now, frames, [0] * len(frames))
            self._put(PLAN, lesson)

    def _reconcile(self) -> Generator[simpy.Event, Any, Any]:
        """Fills places from the ledger, fresh lessons before bulk."""
        looks = 0
        while True:
            yield self.env.timeout(self.night.reconcile_seconds)
            if any(self._waiting):
                looks += 1
                for name, room in self.rooms.items():
                    so_far = self.outcome.idle_while_waiting[name]
                    self.outcome.idle_while_waiting[name] += (room.idle / room.count - so_far) / looks
            for bulk, waiting in enumerate(self._waiting):
                while waiting and self._has_place(bool(bulk)):
                    lesson = waiting.popleft()
                    self._admit(lesson)
                    self._put(PLAN, lesson)

    def _has_place(self, bulk: bool) -> bool:
        free = self.night.places - sum(self._taken)
        return free > 0 and (not bulk or self._taken[1] < max(1, self.night.places * self.night.bulk_places))

    def _admit(self, lesson: Lesson) -> None:
        lesson.admitted = True
        self._taken[lesson.bulk] += 1
        self.outcome.waits["places"] += self.env.now - lesson.created
        self.outcome.most_in_work = max(self.outcome.most_in_work, sum(self._taken))

    def _put(self, stage: str, lesson: Lesson, segment: int = -1, step: int = 0) -> None:
        lesson.in_flight += 1
        self._room_of[stage].put(Task(stage, lesson, segment, step))

    def _seconds(self, task: Task) -> float:
        lesson, fit, room = task.lesson, self.fit, ROOM_OF[task.stage]
        speed, gap = self.night.speed[room], fit.gap_seconds[room]
        if self._is_done(task):
            return fit.unchanged_seconds + gap
        times = fit.stages[task.stage]
        frames = lesson.frames[task.segment] if task.segment >= 0 else sum(lesson.frames)
        mean = times.mean(frames)
        slow = min(mean, fit.unchanged_seconds + fit.host_seconds_per_frame * frames) if room == "gpu" else 0.0
        mean = slow + (mean - slow) / speed
        if times.spread:
            # Of mean one, so that the fit's mean stays the mean.
            mean *= self.rng.gammavariate(times.spread**-2, times.spread**2)
        return mean + gap

    def _is_done(self, task: Task) -> bool:
        lesson = task.lesson
        if task.segment >= 0:
            return task.step < lesson.done[task.segment]
        if task.stage == PLAN:
            return lesson.planned or not (lesson.admitted or self._has_place(lesson.bulk))
        return task.step < lesson.bodies

    def _finished(self, task: Task) -> None:
        lesson = task.lesson
        lesson.in_flight -= 1
        self._per_bucket[int(self.env.now / BUCKET_SECONDS)] += 1
        if task.segment >= 0:
            self._segment_on(task)
        elif task.stage == PLAN:
            self._planned(lesson)
        else:
            self._body_on(task)
        if lesson.lost and not lesson.in_flight:
            self._send_again(lesson)

    def _planned(self, lesson: Lesson) -> None:
        if not lesson.admitted:
            if not self._has_place(lesson.bulk):
                self._waiting[lesson.bulk].append(lesson)
                self.outcome.most_waiting = max(self.outcome.most_waiting, sum(map(len, self._waiting)))
                return
            self._admit(lesson)
        lesson.planned = True
        if lesson.bodies:
            self._put(BODY[0], lesson)
            return
        lesson.segments_left = len(lesson.frames)
        for segment in range(len(lesson.frames)):
            self._put(SEGMENT_STAGES[0], lesson, segment)

    def _segment_on(self, task: Task) -> None:
        lesson, step = task.lesson, task.step + 1
        lesson.done[task.segment] = max(lesson.done[task.segment], step)
        if step < len(SEGMENT_STAGES):
            self._put(SEGMENT_STAGES[step], lesson, task.segment, step)
            return
        lesson.segments_left -= 1
        if not lesson.segments_left:
            self._put(BODY[0], lesson)

    def _body_on(self, task: Task) -> None:
        lesson, step = task.lesson, task.step + 1
        lesson.bodies = max(lesson.bodies, step)
        if step < len(BODY):
            self._put(BODY[step], lesson, step=step)
            return
        self._taken[lesson.bulk] -= 1
        self._left -= 1
        outcome = self.outcome
        outcome.ended, outcome.last_end = outcome.ended + 1, self.env.now
        outcome.lesson_seconds["bulk" if lesson.bulk else "fresh"].append(self.env.now - lesson.created)
        if not self._left:
            self._all_ended.succeed()

    def _deaths(self, room: Room, warm: float) -> Generator[simpy.Event, Any, Any]:
        rate = room.count * self.night.deaths_a_day / 86400
        while True:
            yield self.env.timeout(self.rng.expovariate(rate))
            died, task = room.kill_one(self.rng)
            if not died:
                continue
            self.outcome.deaths += 1
            self.env.timeout(self.night.restart_seconds + warm).callbacks.append(lambda _event: room.release())
            if task is not None:
                task.lesson.in_flight -= 1
                task.lesson.lost = True
                if not task.lesson.in_flight:
                    self._send_again(task.lesson)

    def _send_again(self, lesson: Lesson) -> None:
        """Nobody works on it and no message of it waits: its lease runs out, and all that is done goes by quickly."""
        lesson.lost = False
        self.outcome.sent_again += 1
        wait = self.night.lease_seconds + self.rng.random() * self.night.reconcile_seconds
        self.env.timeout(wait).callbacks.append(partial(self._plan_again, lesson))

    def _plan_again(self, lesson: Lesson, _event: Any) -> None:
        self._put(PLAN, lesson)
