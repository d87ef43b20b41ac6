"""A real `celery beat` for a test, as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def a_beat(redis_url: str, folder: Path, **settings: object) -> Iterator[subprocess.Popen[bytes]]:
    """Beat with the app's own schedule; its log and what it remembers lie in the folder; killed at the end."""
    environment = {f"SMILEREEL_{name}": str(value) for name, value in {"REDIS_URL": redis_url, **settings}.items()}
    command = [sys.executable, "-m", "celery", "-A", "workers.app", "beat", "--loglevel", "INFO"]
    places = ["--schedule", str(folder / "beat-schedule"), "--pidfile", str(folder / "beat.pid")]
    with (folder / "beat.log").open("wb") as log:
        beat = subprocess.Popen([*command, *places], env={**os.environ, **environment}, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield beat
    finally:
        beat.kill()
        beat.wait()
