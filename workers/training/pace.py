"""How long a training goes on, how far it is, and how it is asked to stop. Both training loops ask it after each step."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from types import FrameType, TracebackType

TELL_SECONDS = 60.0
RECENT = 50


@dataclass(slots=True)
class Pace:
    """Counts work over all resumptions; the time of validation and of checkpoints is not counted.

    Attributes:
        minutes: the length where `total_steps` is None.
        spent: seconds of work.
        steps: steps taken.
    """

    minutes: float
    total_steps: int | None = None
    spent: float = 0.0
    steps: int = 0
    _since: float = field(default_factory=time.monotonic)
    _told: float = field(default_factory=time.monotonic)

    @property
    def share(self) -> float:
        """How much of the training is done, 0..1."""
        if self.total_steps is not None:
            return min(self.steps / self.total_steps, 1.0)
        return min(self.spent / (60 * self.minutes), 1.0)

    @property
    def over(self) -> bool:
        return self.share >= 1.0

    @property
    def minutes_left(self) -> float:
        """Minutes of work to come, by the speed so far."""
        if self.total_steps is None:
            return max(self.minutes - self.spent / 60, 0.0)
        return (self.total_steps - self.steps) * self.spent / max(self.steps, 1) / 60

    @property
    def length(self) -> str:
        return f"{self.total_steps} steps in all" if self.total_steps else f"{self.minutes:g} min in all"

    def begin(self) -> None:
        """Work goes on from now: what happened since the last step is not counted."""
        self._since = time.monotonic()

    def stepped(self) -> None:
        """One more step is done."""
        now = time.monotonic()
        self.spent += now - self._since
        self.steps += 1
        self._since = now

    def tell(self, name: str, losses: Sequence[float]) -> None:
        """A line of progress with the mean of the last losses, at most one a minute."""
        if losses and time.monotonic() - self._told >= TELL_SECONDS:
            loss = fmean(losses[-RECENT:])
            self.say(name, f"step {self.steps}, {self.share:.0%} done, loss {loss:.4f}, {self.left()}")

    def say(self, name: str, text: str) -> None:
        """A line with the time of day."""
        self._told = time.monotonic()
        print(f"{time.strftime('%H:%M:%S')} {name}: {text}", flush=True)

    def stopped(self, name: str, *, kept: bool) -> None:
        """The line of a training that was asked to end."""
        self.say(name, f"stopped at step {self.steps}" + ("; go on with the same command and --resume" if kept else ""))

    def left(self) -> str:
        minutes = self.minutes_left
        return f"{minutes:.0f} min left" if minutes >= 2 else f"{minutes * 60:.0f} s left"


class StopWish:
    """Ctrl-C and SIGTERM as a wish that is looked at between two steps, so that a checkpoint is whole; a second one ends at once."""

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[int, signal.Handlers | None] = {}

    def __enter__(self) -> StopWish:
        # Python lets only the main thread take signals.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._hear)  # type: ignore[assignment]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if self.number:
            self.leave()
        self.number = number
        # `print` may be at work in the interrupted code and cannot be entered twice.
        os.write(2, b"smilereel: ending after this step; ask again to end at once\n")

    def leave(self) -> None:
        """End as the signal asked for.

        Raises:
            KeyboardInterrupt: on Ctrl-C.
            SystemExit: on SIGTERM, with 143.
        """
        if self.number == signal.SIGTERM:
            raise SystemExit(128 + signal.SIGTERM)
        raise KeyboardInterrupt
