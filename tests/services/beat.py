"""A real `celery beat` for a test, as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def a_beat(
    redis_url: str, folder: Path, *, name: str = "beat", max_interval_seconds: int = 5, **settings: object
) -> Iterator[subprocess.Popen[bytes]]:
    """Beat with the app's own schedule, as the compose file calls it; the ledger and its log lie in the folder; killed at the end."""
    given = {"REDIS_URL": redis_url, "DATABASE_URL": f"sqlite:///{folder}/ledger.sqlite3", **settings}
    environment = {f"SMILEREEL_{variable}": str(value) for variable, value in given.items()}
    command = [sys.executable, "-m", "celery", "-A", "workers.app", "beat", "--scheduler", "workers.beat:OneBeat"]
    options = ["--max-interval", str(max_interval_seconds), "--loglevel", "INFO"]
    with (folder / f"{name}.log").open("wb") as log:
        beat = subprocess.Popen([*command, *options], env={**os.environ, **environment}, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield beat
    finally:
        beat.kill()
        beat.wait()
