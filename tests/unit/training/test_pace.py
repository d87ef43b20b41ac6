"""How far a training is, and how it ends when asked."""

from __future__ import annotations

import os
import signal

import pytest

from workers.training.pace import Pace, StopWish


def test_minutes_decide_by_the_work_done() -> None:
    pace = Pace(minutes=10)
    pace.spent = 150
    assert pace.share == 0.25
    assert pace.minutes_left == 7.5
    assert pace.left() == "8 min left"
    pace.spent = 601
    assert pace.over


def test_steps_decide_where_they_are_given() -> None:
    pace = Pace(minutes=10, total_steps=40)
    pace.spent, pace.steps = 30, 10
    assert pace.share == 0.25
    assert pace.left() == "90 s left"
    pace.steps = 40
    assert pace.over


def test_only_work_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    pace, now = Pace(minutes=1), iter([100.0, 103.0, 200.0, 205.0])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    for _ in range(2):
        pace.begin()
        pace.stepped()
    assert (pace.spent, pace.steps) == (8.0, 2)


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_a_signal_is_a_wish_until_the_step_is_done(number: int, raised: type[BaseException]) -> None:
    before = signal.getsignal(number)
    with StopWish() as wish:
        os.kill(os.getpid(), number)
        assert wish.number == number
        with pytest.raises(raised):
            os.kill(os.getpid(), number)
        with pytest.raises(raised):
            wish.leave()
    assert signal.getsignal(number) is before
