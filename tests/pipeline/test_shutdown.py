"""SIGTERM: a real worker finishes what it has begun, or hands it back when its grace is over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from celery import Celery

from shared.catalogue import CPU_QUEUE
from tests.processes import wait_until
from tests.services.valkey import Valkey

pytestmark = [pytest.mark.redis, pytest.mark.slow]


@contextmanager
def a_worker(valkey: Valkey, folder: Path, grace_seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    settings = {
        "SMILEREEL_REDIS_URL": valkey.url,
        "SMILEREEL_DATABASE_URL": f"sqlite:///{folder}/ledger.sqlite3",
        "SMILEREEL_STORE_URL": f"file://{folder}/store",
        "SMILEREEL_SHUTDOWN_GRACE_SECONDS": str(grace_seconds),
        "C_FORCE_ROOT": "1",
    }
    command = [sys.executable, "-m", "celery", "-A", "workers.app", "worker", "-I", "tests.services.slow_task", "-Q", CPU_QUEUE]
    options = ["--pool", "prefork", "--concurrency", "1", "--without-gossip", "--without-mingle"]
    with (folder / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [*command, *options], env={**os.environ, **settings}, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield worker
    finally:
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


@pytest.mark.parametrize(("task_seconds", "grace_seconds", "finishes"), [(3.0, 30.0, True), (60.0, 1.5, False)])
def test_sigterm(tmp_path: Path, task_seconds: float, grace_seconds: float, finishes: bool) -> None:
    with Valkey() as valkey, a_worker(valkey, tmp_path, grace_seconds) as worker:
        app = Celery("test", broker=valkey.url, set_as_current=False)
        app.send_task("smilereel.cpu.slow", args=[task_seconds, str(tmp_path)], queue=CPU_QUEUE, ignore_result=True)
        app.close()
        assert wait_until((tmp_path / "begun").exists, 60), (tmp_path / "worker.log").read_text()
        asked = time.monotonic()
        worker.terminate()
        worker.wait(45)
        assert time.monotonic() - asked < 20
        with valkey.client() as client:
            waiting = client.llen(CPU_QUEUE)
        assert ((tmp_path / "ended").exists(), waiting) == ((True, 0) if finishes else (False, 1))
