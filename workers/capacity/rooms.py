"""What the simulation is made of: lessons, messages, and rooms whose workers take them from two queues. Used by `events.py`."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import simpy


@dataclass(slots=True, eq=False)
class Lesson:
    """A lesson on its way; `done` counts the finished stages of each segment."""

    bulk: bool
    created: float
    frames: list[int]
    done: list[int] = field(default_factory=list)
    segments_left: int = 0
    bodies: int = 0
    admitted: bool = False
    planned: bool = False
    in_flight: int = 0
    lost: bool = False


@dataclass(slots=True, eq=False)
class Task:
    """A message, and where it stands in its chain."""

    stage: str
    lesson: Lesson
    segment: int = -1
    step: int = 0
    queued: float = 0.0
    began: float = 0.0
    killed: bool = False


class Room:
    """Workers of one room and their two queues; a free worker takes from them in turn, as kombu does."""

    def __init__(
        self, env: simpy.Environment, count: int, seconds_of: Callable[[Task], float], finish: Callable[[Task], None]
    ) -> None:
        self.env, self.count, self.idle = env, count, count
        self.queues: tuple[deque[Task], deque[Task]] = (deque(), deque())
        self.running: set[Task] = set()
        self.turn, self.busy, self.waited, self.longest = 0, 0.0, 0.0, 0
        self._seconds_of, self._finish = seconds_of, finish

    def put(self, task: Task) -> None:
        """A message comes."""
        if self.idle:
            self.idle -= 1
            self._start(task)
            return
        task.queued = self.env.now
        self.queues[task.lesson.bulk].append(task)
        self.longest = max(self.longest, len(self.queues[0]) + len(self.queues[1]))

    def release(self) -> None:
        """A worker is free."""
        queue = self.queues[self.turn] or self.queues[1 - self.turn]
        if not queue:
            self.idle += 1
            return
        task = queue.popleft()
        self.turn = 1 - task.lesson.bulk
        self.waited += self.env.now - task.queued
        self._start(task)

    def _start(self, task: Task) -> None:
        seconds = self._seconds_of(task)
        task.began = self.env.now
        self.running.add(task)
        self.env.timeout(seconds, task).callbacks.append(self._ended)

    def _ended(self, event: Any) -> None:
        task: Task = event.value
        if task.killed:
            return
        self.running.remove(task)
        self.busy += self.env.now - task.began
        self._finish(task)
        self.release()

    def kill_one(self, rng: random.Random) -> tuple[bool, Task | None]:
        """A worker dies, unless chance meets one that is dead; whether it did, and the task in its hands if there was one."""
        chance = rng.random() * self.count
        if chance < len(self.running):
            task = rng.choice(list(self.running))
            task.killed = True
            self.busy += self.env.now - task.began
            self.running.remove(task)
            return True, task
        dies = chance < len(self.running) + self.idle
        self.idle -= dies
        return dies, None
