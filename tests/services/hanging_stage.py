"""The CPU room with a decoding of the first segment that hangs, and its time limits in small. Loaded into a real worker by `-I`."""

from __future__ import annotations

import os
import time
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded

from shared.catalogue import DECODE_SEGMENT
from workers.app import app
from workers.cpu import segment_work, tasks
from workers.cpu.decode import sample_frames

__all__ = ["tasks"]

# "soft": the stage can be interrupted; "hard": it hears nothing, as code outside of Python does.
HANGS = "HANGING_STAGE"
SOFT_IN_SMALL = 300
HARD_IN_SMALL = {"soft": 20, "hard": 250}
HOURS = 7200.0

hangs = os.environ[HANGS]


def hang(media: Any, seconds: range, *args: Any, **options: Any) -> Any:
    """Hang in the first segment."""
    if seconds.start > 0:
        return sample_frames(media, seconds, *args, **options)
    until = time.monotonic() + HOURS
    while time.monotonic() < until:
        try:
            time.sleep(HOURS)
        except SoftTimeLimitExceeded:
            if hangs == "soft":
                raise
    raise AssertionError("nobody ended it")


segment_work.sample_frames = hang  # type: ignore[attr-defined,assignment]
decoding = app.tasks[DECODE_SEGMENT]
decoding.soft_time_limit /= SOFT_IN_SMALL
decoding.time_limit /= HARD_IN_SMALL[hangs]
