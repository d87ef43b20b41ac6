"""SIGTERM: a real worker finishes what it has begun, or hands it back when its grace is over."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from celery import Celery

from shared.catalogue import CPU_QUEUE
from tests.processes import wait_until
from tests.services.valkey import Valkey
from tests.services.workers import a_worker

pytestmark = [pytest.mark.redis, pytest.mark.slow]


@pytest.mark.parametrize(("task_seconds", "grace_seconds", "finishes"), [(3.0, 30.0, True), (60.0, 1.5, False)])
def test_sigterm(tmp_path: Path, task_seconds: float, grace_seconds: float, finishes: bool) -> None:
    settings = {"SHUTDOWN_GRACE_SECONDS": grace_seconds}
    with Valkey() as valkey, a_worker("tests.services.slow_task", CPU_QUEUE, valkey.url, tmp_path, **settings) as worker:
        app = Celery("test", broker=valkey.url, set_as_current=False)
        app.send_task("smilereel.cpu.slow", args=[task_seconds, str(tmp_path)], queue=CPU_QUEUE, ignore_result=True)
        app.close()
        assert wait_until((tmp_path / "begun").exists, 60), (tmp_path / "cpu.log").read_text()
        asked = time.monotonic()
        worker.terminate()
        worker.wait(45)
        assert time.monotonic() - asked < 20
        with valkey.client() as client:
            waiting = client.llen(CPU_QUEUE)
        assert ((tmp_path / "ended").exists(), waiting) == ((True, 0) if finishes else (False, 1))
