"""Makes hostile files one by one, has them read by one long-lived child, and counts how it went. Used by the command and the test."""

from __future__ import annotations

import json
import random
import select
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from tests.media import write_video

from .attacks import ATTACKS
from .canaries import Canaries
from .damage import DAMAGES, Case, Lot
from .giants import GIANTS
from .seeds import find_clips, make_seeds, paint_canary

PROJECT = Path(__file__).parents[2]
ANSWER_SECONDS = 60
FIRST_MEASURE = 200
ALLOWED_GROWTH = 1.10
Mutation = Callable[[Lot, Case], str]
KINDS: list[tuple[Mutation, int]] = [*DAMAGES, *ATTACKS, *GIANTS]


@dataclass
class Report:
    """What the run promises and what it saw; `broken` names each promise that did not hold."""

    seed: int
    files: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    by_mutation: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    crashes: list[str] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    escapes: list[str] = field(default_factory=list)
    canaries_touched: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0
    slowest: str = ""
    peak_mb: int = 0
    rss_mb: dict[int, float] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def growth(self) -> float:
        """The last memory over that at file 200 (or at a third of a shorter run)."""
        places = sorted(self.rss_mb)
        return self.rss_mb[places[-1]] / self.rss_mb[places[0]] if len(places) > 1 else 1.0

    @property
    def broken(self) -> list[str]:
        broken = [name for name in ("crashes", "hung", "escapes", "canaries_touched") if getattr(self, name)]
        ended = sum(self.outcomes[kind] for kind in ("processed", "skipped", "refused"))
        return broken + ["memory"] * (self.growth > ALLOWED_GROWTH) + ["outcomes"] * (ended != self.files)


class Child:
    """The process under attack; started anew if it dies."""

    def __init__(self, root: Path, errors: Path) -> None:
        self._root, self._errors = root, errors.open("ab")
        self._start()

    def _start(self) -> None:
        command = [sys.executable, "-m", "tests.hostile.child", str(self._root)]
        self.process = subprocess.Popen(
            command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )

    def ask(self, uri: str) -> dict[str, Any] | str:
        """The child's answer, or in a word how it failed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(uri) + "\n")
            self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], ANSWER_SECONDS)
        line = self.process.stdout.readline() if ready else ""
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        failed = "hung" if not ready else "crashed"
        if not ready:
            self.process.kill()
        code = self.process.wait()
        self.close()
        self._start()
        return f"{failed} ({code})"

    def memory_mb(self, name: str) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith(name + ":"))

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()

    def end(self) -> None:
        self.close()
        self._errors.close()


def schedule(n_files: int, lot: Lot) -> list[Mutation]:
    """Every kind once, then by weight, in an order drawn by lot."""
    drawn = [kind for kind, _ in KINDS][:n_files]
    drawn += lot.choices([kind for kind, _ in KINDS], [weight for _, weight in KINDS], k=n_files - len(drawn))
    lot.shuffle(drawn)
    return drawn


def run(
    n_files: int, seed: int, folder: Path, tell: Callable[[str], None] = lambda line: None, only: int | None = None
) -> Report:
    """Read this many hostile files in `folder` (empty, left empty of cases) and report.

    Args:
        only: all are made, but just this one is read, and its folder is kept: to look into a finding.
    """
    root, outside, good = folder / "media", folder / "outside", folder / "seeds"
    for each in (root, outside, good):
        each.mkdir()
    canary = write_video(outside / "canary.mp4", seconds=3, picture=paint_canary)
    seeds, clips = make_seeds(good), find_clips(PROJECT)
    report, lot, started = Report(seed), random.Random(seed), monotonic()
    first = min(FIRST_MEASURE, max(1, n_files // 3))
    child = Child(root, folder / "stderr")
    try:
        with Canaries(canary) as canaries:
            for index, kind in enumerate(schedule(n_files, lot), 1):
                case = Case(root / f"case{index}", seeds, clips, canary, canaries.url)
                case.folder.mkdir()
                uri = kind(lot, case)
                if only not in (None, index):
                    shutil.rmtree(case.folder)
                    continue
                _note(report, kind.__name__, f"{kind.__name__}#{index}", child.ask(uri), canaries.touched())
                if index in (first, n_files):
                    report.rss_mb[index] = round(child.memory_mb("VmRSS"), 1)
                for thread in case.threads:
                    thread.join()
                if only is None:
                    shutil.rmtree(case.folder)
                if index % 100 == 0:
                    tell(f"{index} files, {monotonic() - started:.0f} s, {child.memory_mb('VmRSS'):.0f} MB")
            sleep(0.2)  # a visitor's call may still be on its way to the listener
            if canaries.touched():
                report.canaries_touched.append("at the end")
            report.peak_mb = round(child.memory_mb("VmHWM"))
    finally:
        child.end()
    if b"Traceback" in (folder / "stderr").read_bytes():
        report.escapes.append("a traceback on stderr")
    report.seconds = round(monotonic() - started, 1)
    return report


def _note(report: Report, kind: str, where: str, answer: dict[str, Any] | str, touched: bool) -> None:
    report.files += 1
    if touched:
        report.canaries_touched.append(where)
    if isinstance(answer, str):
        (report.hung if answer.startswith("hung") else report.crashes).append(f"{where}: {answer}")
        report.by_mutation[kind]["crashed"] += 1
        return
    report.outcomes[answer["outcome"]] += 1
    report.by_mutation[kind][answer["outcome"]] += 1
    if answer["escape"]:
        report.escapes.append(f"{where}: {answer['escape'][:200]}")
    if answer["canary"] or answer["strayed"]:
        report.canaries_touched.append(f"{where}: {answer['strayed'][:3]}")
    if answer["seconds"] > report.slowest_seconds:
        report.slowest_seconds, report.slowest = round(answer["seconds"], 2), where
