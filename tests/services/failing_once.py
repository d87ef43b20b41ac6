"""The CPU room with a decoding that fails the first time it meets a lesson's first segment. Loaded into a real worker by `-I`."""

from __future__ import annotations

from typing import Any

from workers import retries
from workers.cpu import segment_work, tasks
from workers.cpu.decode import sample_frames

__all__ = ["tasks"]

_seen: set[str] = set()


def fail_once(media: Any, seconds: range, *args: Any, **options: Any) -> Any:
    """A fault that passes."""
    if seconds.start == 0 and "failed" not in _seen:
        _seen.add("failed")
        raise OSError("for once")
    return sample_frames(media, seconds, *args, **options)


segment_work.sample_frames = fail_once  # type: ignore[attr-defined,assignment]
retries.WAITS.update(dict.fromkeys(retries.WAITS, retries.Waits(first_seconds=0.1, longest_seconds=0.2)))
