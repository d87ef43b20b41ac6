"""A source that is slow, away or at fault never holds the answer up."""

from __future__ import annotations

import threading
import time

import pytest

from tests.processes import wait_until
from workers.watching.source import Source


def test_facts_are_kept_for_a_while() -> None:
    read = iter(range(100))
    source = Source("numbers", lambda: next(read), (OSError,), patience_seconds=5, keep_seconds=0.3)
    assert [source.look().facts for _ in range(3)] == [0, 0, 0]
    time.sleep(0.35)
    assert source.look().facts == 1


def test_a_frozen_source_is_waited_for_once_and_comes_back() -> None:
    thawed = threading.Event()
    calls = []

    def read() -> str:
        calls.append(1)
        thawed.wait(30)
        return "here"

    source = Source("ice", read, (OSError,), patience_seconds=0.1, keep_seconds=0.0)
    started = time.monotonic()
    assert [source.look().facts for _ in range(3)] == [None] * 3
    assert time.monotonic() - started < 2
    assert len(calls) == 1, "nobody asks again while one reading hangs"
    thawed.set()
    assert wait_until(lambda: source.look().facts == "here", 5)


@pytest.mark.parametrize("error", [OSError("away"), KeyError("a fault of ours")])
def test_what_fails_is_away_and_is_said_once(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    def read() -> str:
        raise error

    source = Source("the cellar", read, (OSError,), patience_seconds=5, keep_seconds=0.0)
    for _ in range(2):
        assert source.look().facts is None
    said = [record for record in caplog.records if "the cellar" in record.getMessage()]
    assert len(said) == (1 if isinstance(error, OSError) else 2)
    assert all("away" not in record.getMessage() for record in said), "what an exception says may name anything"
