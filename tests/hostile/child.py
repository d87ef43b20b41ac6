"""The long-lived process that reads hostile files as a worker's child does: URIs come in as JSON lines, outcomes go out.

python -m tests.hostile.child MEDIA_ROOT FORBIDDEN_FOLDER
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from shared.errors import InputError
from workers.cpu.decode import Sampling, sample_frames
from workers.cpu.fetch import SourceRules
from workers.cpu.limits import MediaLimits, limit_memory
from workers.cpu.probe import probe
from workers.cpu.sources import open_recording
from workers.packs import pack_frames

# Smaller than in use, so that thousands of files fit into minutes.
LIMITS = MediaLimits(max_bytes=256 << 20, max_seconds=3600, max_packets=200_000, max_cpu_seconds=8, max_open_seconds=8)
SEGMENT_SECONDS = 64
MEMORY_GROWTH_BYTES = 1 << 30
MAGENTA = np.array((255, 0, 255))


class Watch:
    """What Python itself opens and connects to; FFmpeg's own files are watched from outside."""

    def __init__(self, root: str) -> None:
        self.root, self.on, self.strayed = root, False, list[str]()
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "open" and isinstance(arguments[0], str):
            inside = arguments[0].startswith(self.root) or not arguments[0].startswith("/")  # relative: walked from the root
            if not inside and not arguments[0].startswith((sys.prefix, sys.base_prefix)):
                self.strayed.append(f"open {arguments[0]}")
        elif event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system"):
            self.strayed.append(event)


def read(uri: str, rules: SourceRules) -> tuple[str, str, Sampling | None]:
    """One recording through probe, decode and packing: its outcome, the reason, and what was seen."""
    try:
        with open_recording(uri, rules) as media:
            measured = probe(media, rules.limits)
            seconds = range(min(SEGMENT_SECONDS, math.ceil(measured.seconds)))
            try:
                seen = sample_frames(media, seconds, measured.first_pts_seconds, longest_side=640, threads=2, limits=rules.limits)
            except InputError as error:
                return "skipped", error.message, None
    except InputError as error:
        return "refused", error.message, None
    if not seen.frames:
        return "skipped", "no readable picture", seen
    pack_frames(seen.frames, seen.unreadable, jpeg_quality=92)
    return "processed", "", seen


def shows_canary(seen: Sampling | None) -> bool:
    """Whether a picture is magenta all over, as nothing but the canary is."""
    return seen is not None and any(np.abs(frame.rgb.mean(axis=(0, 1)) - MAGENTA).max() < 30 for frame in seen.frames)


def main(root: str) -> None:
    rules = SourceRules(Path(root), limits=LIMITS)
    watch = Watch(root)
    limit_memory(MEMORY_GROWTH_BYTES)
    for line in sys.stdin:
        uri, started, escape, seen = json.loads(line), perf_counter(), "", None
        watch.strayed.clear()
        watch.on = True
        try:
            outcome, reason, seen = read(uri, rules)
        except Exception as error:  # noqa: BLE001 - the run's promise is that there are none
            outcome, reason, escape = "escaped", "", f"{type(error).__name__}: {error}"
        watch.on = False
        answer = {"outcome": outcome, "reason": reason, "escape": escape, "canary": shows_canary(seen)}
        answer |= {"seconds": perf_counter() - started, "strayed": list(watch.strayed)}
        del seen
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
