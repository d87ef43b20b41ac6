"""A task of a wished length, loaded into a real worker by `-I tests.services.slow_task`."""

from __future__ import annotations

import time
from pathlib import Path

from workers.app import app


@app.task(name="smilereel.cpu.slow")  # type: ignore[untyped-decorator]
def slow(seconds: float, folder: str) -> None:
    """Leave a file when it begins and another when it ends."""
    (Path(folder) / "begun").touch()
    time.sleep(seconds)
    (Path(folder) / "ended").touch()
