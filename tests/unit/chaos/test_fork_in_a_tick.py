"""What fault runs found: a pool's child that was forked in the middle of a reconciler's tick inherited locks and hung for ever."""

from __future__ import annotations

import os
import threading
import time

import pytest

from workers import reconciling


# Newer Pythons warn of what this test does on purpose, and Celery does always.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_waits_for_the_ticks_end(monkeypatch: pytest.MonkeyPatch) -> None:
    in_tick, lock = threading.Event(), threading.Lock()

    def slow_tick() -> None:
        with lock:
            in_tick.set()
            time.sleep(0.5)
        in_tick.clear()

    monkeypatch.setattr(reconciling, "reconcile_once", slow_tick)
    timer = reconciling.Timer(0.05)
    timer.start()
    assert in_tick.wait(5)
    child = os.fork()
    if child == 0:
        os._exit(0 if lock.acquire(timeout=0) else 1)
    _, status = os.waitpid(child, 0)
    timer.end()
    assert os.waitstatus_to_exitcode(status) == 0
