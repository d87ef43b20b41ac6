"""What Flower's memory costs: `python -m benchmarks.flower_history [--tasks 20000]`; the figures of docs/flower.md.

Feeds the events of so many tasks to the memory that `smilereel flower` has, writes its file and reads it again.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from celery import Celery

from shared.catalogue import DECODE_SEGMENT
from workers.flowering.history import History


def main() -> int:
    """Print one line of JSON; 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=20_000)
    n_tasks: int = parser.parse_args().tasks
    with tempfile.TemporaryDirectory() as folder:
        history = History(Celery(), io_loop=None, db=f"{folder}/history", persistent=True, max_tasks_in_memory=n_tasks)
        events_seconds = seconds_of(lambda: feed(history, n_tasks))
        write_seconds = seconds_of(history.save_state)
        file_bytes = sum(path.stat().st_size for path in Path(folder).iterdir())
        read_seconds = seconds_of(history.load_state)
    figures = {
        "tasks": len(history.state.tasks),
        "events_per_second": round(4 * n_tasks / events_seconds),
        "file_megabytes": round(file_bytes / 1e6, 1),
        "write_seconds": round(write_seconds, 2),
        "read_seconds": round(read_seconds, 2),
    }
    print(json.dumps(figures))
    return 0


def feed(history: History, n_tasks: int) -> None:
    """Tell it of so many segments that went well."""
    named = {"name": DECODE_SEGMENT, "args": "lesson-1234567 · segment 12 · seconds 768-832", "kwargs": "sending 1", "retries": 0}
    ended = {"result": "frames_decoded · 64 frames", "runtime": 1.0}
    for number in range(n_tasks):
        uuid = str(uuid4())
        for at, (kind, more) in enumerate((("sent", named), ("received", named), ("started", {}), ("succeeded", ended))):
            when = {"timestamp": number + at / 4, "local_received": number, "clock": 4 * number + at}
            history.take({"type": f"task-{kind}", "uuid": uuid, "hostname": "cpu@host", **when, **more})


def seconds_of(work: Callable[[], object]) -> float:
    """How long it takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())
