"""A real Celery worker for a test, as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from workers.local.parts import worker_command


@contextmanager
def a_worker(module: str, room: str, redis_url: str, folder: Path, **settings: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A worker with one child for a room's queues; ledger and store lie in the folder, and its log under its name, which is the
    room's unless another is given as `name`; killed with its children at the end.
    """
    name = settings.pop("name", room)
    defaults = {
        "REDIS_URL": redis_url,
        "DATABASE_URL": f"sqlite:///{folder}/ledger.sqlite3",
        "STORE_URL": f"file://{folder}/store",
        "MEDIA_ROOT": folder,
    }
    environment = {f"SMILEREEL_{name}": str(value) for name, value in {**defaults, **settings}.items()}
    with (folder / f"{name}.log").open("wb") as log:
        worker = subprocess.Popen(
            worker_command(room, name, modules=[module]),
            env={**os.environ, **environment, "C_FORCE_ROOT": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield worker
    finally:
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
