"""What happens in the demo's lesson and when: the script that `render.py` plays, and the truth that tests compare with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

Event = Literal["smile", "empty", "lamp", "off", "dark", "visitor", "change"]

TEACHER_STARTS_AT = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)
STUDENT_JOINS_AFTER_SECONDS = 6
STUDENT_STAYS_ON_SECONDS = 2


@dataclass(frozen=True)
class Stretch:
    """A half-open span `[start, end)` of lesson seconds in which one thing happens.

    `smile`: Eileen Collins's whole face, upright, smiling. `lamp` and `dark`: she smiles, but a lamp shines into the
    camera or the room is dark. `visitor`: Grace Hopper alone, not smiling. `empty`: only the chair. `change`: somebody
    comes or goes, and may already or still be seen whole. `off`: the student is disconnected.
    """

    start: float
    end: float
    event: Event


@dataclass(frozen=True)
class DemoTruth:
    """The lesson's bounds on the clock, the student's disconnects and every stretch, in lesson seconds."""

    starts_at: datetime
    ends_at: datetime
    student_disconnects: tuple[tuple[float, float], ...]
    teacher_disconnects: tuple[tuple[float, float], ...]
    stretches: tuple[Stretch, ...]

    @property
    def seconds(self) -> float:
        return (self.ends_at - self.starts_at).total_seconds()

    def event_at(self, second: float) -> Event:
        """What happens then.

        Raises:
            ValueError: the second lies outside the lesson.
        """
        for stretch in self.stretches:
            if stretch.start <= second < stretch.end:
                return stretch.event
        raise ValueError(f"the demo's lesson has no second {second}")


_STRETCHES = (
    Stretch(0, 20, "smile"),
    Stretch(20, 21.5, "change"),
    Stretch(21.5, 27.5, "empty"),
    Stretch(27.5, 29, "change"),
    Stretch(29, 44, "smile"),
    Stretch(44, 56, "lamp"),
    Stretch(56, 62, "smile"),
    Stretch(62, 67, "off"),
    Stretch(67, 79, "smile"),
    Stretch(79, 91, "dark"),
    Stretch(91, 99, "smile"),
    Stretch(99, 102, "change"),
    Stretch(102, 110, "visitor"),
    Stretch(110, 113, "change"),
    Stretch(113, 124, "smile"),
)

_STARTS_AT = TEACHER_STARTS_AT + timedelta(seconds=STUDENT_JOINS_AFTER_SECONDS)

DEMO_TRUTH = DemoTruth(
    starts_at=_STARTS_AT,
    ends_at=_STARTS_AT + timedelta(seconds=124),
    student_disconnects=((62.0, 67.0),),
    teacher_disconnects=(),
    stretches=_STRETCHES,
)
