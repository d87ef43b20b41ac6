"""Loaded into a measured run's workers (`celery -I`): writes a line a task into the folder in `SMILEREEL_STOPWATCH`, times by the
monotonic clock of the machine, with what the task asked of a store in a folder. Read by `fitting.py`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from celery.signals import task_postrun, task_prerun

from shared.catalogue import LESSON_TASKS, SEGMENT_TASKS, queue_of, stage_of
from shared.stores.folder import FolderStore
from workers.pipeline import lesson_of

FOLDER = "SMILEREEL_STOPWATCH"
_WATCHED = frozenset((*SEGMENT_TASKS, *LESSON_TASKS))
# Of the task at hand; a pool's child does one at a time.
_now: dict[str, Any] = {}


def frames_of(args: Any) -> int | None:
    """Seconds of video in a segment's message, which is its frames; None for a message of a whole lesson."""
    if args and isinstance(args[0], Mapping) and isinstance(args[0].get("segment"), Mapping):
        segment = args[0]["segment"]
        return int(segment["end_second"]) - int(segment["start_second"])
    return None


@task_prerun.connect  # type: ignore[untyped-decorator]
def _begin(task: Any = None, args: Any = (), kwargs: Any = None, **_: object) -> None:
    _now.clear()
    if task is not None and task.name in _WATCHED:
        named = {"stage": stage_of(task.name), "room": queue_of(task.name), "worker": os.getpid()}
        _now.update(named, lesson=lesson_of(args, kwargs or {}), frames=frames_of(args), began=time.monotonic())
        _now.update(puts=0, gets=0, put_bytes=0, get_bytes=0)


@task_postrun.connect  # type: ignore[untyped-decorator]
def _end(**_: object) -> None:
    if _now:
        line = json.dumps({**_now, "ended": time.monotonic()})
        with (Path(os.environ[FOLDER]) / f"{os.getpid()}.jsonl").open("a") as record:
            record.write(line + "\n")
        _now.clear()


def _count_store() -> None:
    put, get = FolderStore.put, FolderStore.get

    def counted_put(self: FolderStore, key: str, data: bytes) -> None:
        put(self, key, data)
        _count("put", len(data))

    def counted_get(self: FolderStore, key: str) -> bytes:
        data = get(self, key)
        _count("get", len(data))
        return data

    wrapped: list[tuple[str, Callable[..., Any]]] = [("put", counted_put), ("get", counted_get)]
    for name, method in wrapped:
        setattr(FolderStore, name, method)


def _count(what: str, n_bytes: int) -> None:
    if _now:
        _now[f"{what}s"] += 1
        _now[f"{what}_bytes"] += n_bytes


if FOLDER in os.environ:
    _count_store()
