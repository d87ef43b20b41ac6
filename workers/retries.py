"""How often and after which waits each task is tried again: data beside the tasks, read by their common frame in `doors.py`."""

from __future__ import annotations

import random
from dataclasses import dataclass

from shared.catalogue import LESSON_TASKS, SEGMENT_TASKS


@dataclass(frozen=True, slots=True)
class Waits:
    """Exponential waits with jitter: `first_seconds`, then `factor` times as long each, at most `longest_seconds`.

    Each wait is drawn between half and all of that, so that what failed together does not come back together. How often is a setting:
    `segment_attempts` for a stage of a segment, `lesson_attempts` for the lesson.
    """

    first_seconds: float
    longest_seconds: float
    factor: float = 2.0

    def before(self, attempt: int) -> float:
        """Seconds to wait after this many failed attempts (1 and up)."""
        full = min(self.first_seconds * self.factor ** (min(attempt, 60) - 1), self.longest_seconds)
        return full * random.uniform(0.5, 1.0)


SEGMENT = Waits(first_seconds=1.0, longest_seconds=30.0)
LESSON = Waits(first_seconds=2.0, longest_seconds=120.0)

WAITS = dict.fromkeys(SEGMENT_TASKS, SEGMENT) | dict.fromkeys(LESSON_TASKS, LESSON)
# A store, a disk or a database that is away comes back some time: it is asked at this pace for as long as it takes.
AWAY = Waits(first_seconds=4.0, longest_seconds=4.0)
