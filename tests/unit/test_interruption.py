"""A signal whose exception Python swallowed is still heard."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from workers import interruption


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    interruption.install()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    interruption._asked.clear()


class Swallows:
    """Gets its signal inside a destructor, where Python only reports an exception."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        os.kill(os.getpid(), self.number)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("number", "raised"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_what_a_destructor_swallowed_is_heard_later(number: int, raised: type[BaseException]) -> None:
    doomed = Swallows(number)
    del doomed
    with pytest.raises(raised):
        interruption.check()


def test_nobody_asked() -> None:
    interruption.check()
