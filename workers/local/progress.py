"""Shows how far a lesson is: a bar for each stage in a terminal, short lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from tqdm import tqdm

from shared.catalogue import SEGMENT_TASKS, STAGES, stage_of
from shared.ledger import LessonRecord
from shared.records import StageProgress

SECONDS_BETWEEN_LINES = 5.0
_SEGMENT_STAGES = {stage_of(name) for name in SEGMENT_TASKS}
_UNITS = {"decode_segment": "frames", "detect_faces": "frames", "crop_faces": "faces", "classify_faces": "faces"}


class Bars:
    """A bar a stage, for a terminal; a segment is the step."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._bars: dict[str, tqdm[None]] = {}
        self._told: dict[str, str] = {}

    def update(self, record: LessonRecord, progress: dict[str, StageProgress]) -> None:
        """Draw what has changed."""
        if record.n_segments == 0:
            return
        for position, stage in enumerate(STAGES):
            bar = self._bars.get(stage)
            if bar is None:
                total = record.n_segments if stage in _SEGMENT_STAGES else 1
                bar = self._bars[stage] = tqdm(
                    total=total, desc=f"{stage:15}", position=position, file=self._stream, unit="part", leave=True, ncols=88
                )
            done = progress.get(stage)
            if done is None:
                continue
            bar.update(max(done.finished - bar.n, 0))
            told = f"{done.items} {_UNITS.get(stage, '')}{_trouble(done)}".strip()
            if told != self._told.get(stage):
                self._told[stage] = told
                bar.set_postfix_str(told, refresh=True)

    def close(self) -> None:
        """Leave the cursor below the bars."""
        for bar in self._bars.values():
            bar.close()


class Lines:
    """A line every few seconds, for logs and pipes."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._last_text = ""
        self._last_time = 0.0

    def update(self, record: LessonRecord, progress: dict[str, StageProgress]) -> None:
        """Write a line if something has changed and the last one is a while ago."""
        if record.n_segments == 0 or time.monotonic() - self._last_time < SECONDS_BETWEEN_LINES:
            return
        parts = []
        for stage in STAGES:
            done = progress.get(stage)
            total = record.n_segments if stage in _SEGMENT_STAGES else 1
            parts.append(f"{stage} {done.finished if done else 0}/{total}{_trouble(done)}")
        text = ", ".join(parts)
        if text != self._last_text:
            self._last_text, self._last_time = text, time.monotonic()
            print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """Nothing is left open."""


def _trouble(done: StageProgress | None) -> str:
    """What did not go straight on: runs that are tried again, segments that were given up."""
    if done is None:
        return ""
    again = f" (attempt {done.attempts})" if done.attempts > 1 else ""
    return again + (f" ({done.skipped} skipped)" if done.skipped else "")


def make_watcher(*, quiet: bool) -> Bars | Lines | None:
    """What fits where stderr leads."""
    if quiet:
        return None
    return Bars() if sys.stderr.isatty() else Lines()
