"""What `run` and `demo` share: process a lesson, show how far it is, and end with one line that says how it went."""

from __future__ import annotations

import json
import time
from pathlib import Path

from shared.ledger import LessonState
from shared.lesson import Lesson
from shared.reel import NoReelReason
from workers.local.progress import make_watcher
from workers.local.run import RunResult, run_lesson


def process(lesson: Lesson, out: Path, *, lesson_file: Path | None, quiet: bool) -> int:
    """Process and report; 0 with a reel, 3 without one."""
    started = time.monotonic()
    watcher = make_watcher(quiet=quiet)
    try:
        result = run_lesson(lesson, out, lesson_file=lesson_file, watcher=watcher)
    finally:
        if watcher is not None:
            watcher.close()
    print(last_line(result, time.monotonic() - started))  # noqa: T201
    return 0 if result.state is LessonState.DONE else 3


def last_line(result: RunResult, seconds: float) -> str:
    """One line: the reel and where it lies, or why there is none."""
    record = json.loads((result.out / "lesson.json").read_text(encoding="utf-8"))
    ending = f"in {seconds:.1f} s" if result.computed else "computed before"
    if result.skipped_segments:
        n = result.skipped_segments
        ending = f"{n} segment{'' if n == 1 else 's'} skipped (see lesson.json), {ending}"
    bounded = " (bounded by the student's own times)" if record["bounded_by"] == "student" else ""
    if result.state is LessonState.DONE:
        reel = record["reel"]
        size = f"{reel['frames']} frames, {reel['width']}x{reel['height']}, {reel['bytes'] // 1000} kB"
        return f"{result.out / 'reel.gif'}: {size}{bounded}, {ending}"
    reason = NoReelReason(record["reason"])
    detail = f" ({record['reason_detail']})" if record["reason_detail"] else ""
    return f"no reel: {reason}: {reason.explanation}{detail}{bounded}, {ending}"
