"""How long a lesson stands still after a fault, with the shipped settings: `python -m benchmarks.recovery [--times 5] [--json]`.

Two workers of each room, a lesson of one segment, a store that answers slowly so that each stage lasts some seconds. The fault hits
whoever works on the lesson; measured is the time until the ledger sees the next run of a stage of that lesson begin. Ends with 1 if a
single one took longer than 15 seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress

from shared.client import enqueue_lesson
from shared.settings import Settings
from workers.chaos.assembly import Options, parts_of
from workers.chaos.cluster import Cluster
from workers.chaos.hooks import DELAY
from workers.chaos.lessons import document_of, render_films
from workers.chaos.parts import Part
from workers.chaos.plan import PlannedLesson

MUST_SECONDS = 15.0
SLOW_SECONDS = 0.8
POLL_SECONDS = 0.02
PATIENCE_SECONDS = 90.0
STAGES = {"cpu": "decode_segment", "gpu": "detect_faces"}
SETTINGS: dict[str, object] = {"decode_threads": 1, "reel_side": 128}

Runs = dict[tuple[str, str], int]


class Bench:
    """The parts, and the ledger as seen by plain SQL."""

    def __init__(self, cluster: Cluster, ledger: str) -> None:
        self.cluster, self.ledger = cluster, ledger
        places = cluster.places
        self._settings = Settings(
            redis_url=f"redis+socket://{places.socket}",
            database_url=f"sqlite:///{ledger}",
            store_url=f"file://{places.store}",
            media_root=places.media,
        )
        self._n_lessons = 0

    def measure(self, room: str, hit: Callable[[Part], None]) -> float:
        """Enqueue a lesson, hit who works on its stage of this room, and wait; seconds until it moved again."""
        self._n_lessons += 1
        lesson = PlannedLesson(f"recovery-{self._n_lessons}", "reel", 0.0, 3)
        self._wait(lambda: all(self.cluster.is_ready(part) for part in self.cluster.workers))
        enqueue_lesson(document_of(lesson), settings=self._settings)
        self._wait(lambda: self._runs(lesson.lesson_id).get((STAGES[room], "open"), 0) > 0)
        before, started = self._runs(lesson.lesson_id), time.monotonic()
        hit(self._busy(room))
        while not _begun(before, now := self._runs(lesson.lesson_id)):
            before = now
            self._tick()
            if time.monotonic() - started > PATIENCE_SECONDS:
                break
        taken = time.monotonic() - started
        for part in self.cluster.workers:
            self.cluster.signal_all(part, signal.SIGCONT)
        self._wait(lambda: self._state(lesson.lesson_id) in {"done", "no_reel", "quarantined"})
        return taken

    def _busy(self, room: str) -> Part:
        """The worker whose log's last word is of a task that it took and has not ended."""
        for part in self.cluster.workers:
            lines = self.cluster.log_of(part).read_text(errors="replace").splitlines()
            told = [line for line in lines if "Task smilereel." in line]
            if part.role == room and told and told[-1].endswith(" received"):
                return part
        raise SystemExit(f"no {room} worker is at work")

    def _runs(self, lesson_id: str) -> Runs:
        """How often each stage was begun since it ended last; an extra entry `open` for those that are under way."""
        found: Runs = {}
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(self.ledger, timeout=1)) as connection:
            query = "SELECT stage, work_version, attempts, finished FROM stage_run WHERE lesson_id = ?"
            for stage, version, attempts, finished in connection.execute(query, (lesson_id,)):
                found[(stage, version)] = attempts
                if attempts and not finished:
                    found[(stage, "open")] = attempts
        return found

    def _state(self, lesson_id: str) -> str | None:
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(self.ledger, timeout=1)) as connection:
            row = connection.execute("SELECT state FROM lesson WHERE lesson_id = ?", (lesson_id,)).fetchone()
            return str(row[0]) if row else None
        return None

    def _wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            self._tick()
            if time.monotonic() > deadline:
                raise SystemExit(f"nothing happened for {PATIENCE_SECONDS:.0f} seconds; logs: {self.cluster.places.logs}")

    def _tick(self) -> None:
        self.cluster.keep_running()
        time.sleep(POLL_SECONDS)


def _begun(before: Runs, now: Runs) -> bool:
    """Whether a run of a stage began in between."""
    return any(attempts > before.get(key, 0) for key, attempts in now.items())


def faults_of(cluster: Cluster) -> dict[str, tuple[str, Callable[[Part], None]]]:
    """Name of the fault, whose stage it comes in, and what does it to the worker at work."""

    def kill_child(part: Part) -> None:
        for child in cluster.children(part):
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def stop(part: Part) -> None:
        cluster.signal_all(part, signal.SIGSTOP)

    def kill_valkey(_part: Part) -> None:
        cluster.kill(cluster.valkey)

    def kill_valkey_empty(_part: Part) -> None:
        cluster.kill(cluster.valkey)
        cluster.empty_valkey()

    faults: dict[str, tuple[str, Callable[[Part], None]]] = {}
    for room in STAGES:
        faults[f"SIGKILL of a {room} worker's child"] = (room, kill_child)
        faults[f"SIGKILL of a {room} worker"] = (room, cluster.kill)
        faults[f"SIGSTOP of a {room} worker"] = (room, stop)
    faults["SIGKILL of Valkey, its disk kept"] = ("cpu", kill_valkey)
    faults["SIGKILL of Valkey, its disk emptied"] = ("cpu", kill_valkey_empty)
    return faults


def main() -> None:
    """Measure, print a table, and say whether the must is kept."""
    parser = argparse.ArgumentParser(description="How long a lesson stands still after a fault, with the shipped settings.")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--only", default="", help="faults whose name holds this")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    times: dict[str, list[float]] = {}
    with parts_of(Options(seed=0, lessons=args.times * 8, seconds=5), SETTINGS) as (cluster, ledger):
        render_films(cluster.places.media, with_faces=False)
        (cluster.places.hooks / DELAY).write_text(str(SLOW_SECONDS))
        cluster.start()
        bench = Bench(cluster, ledger)
        for name, (room, hit) in faults_of(cluster).items():
            if args.only in name:
                times[name] = [round(bench.measure(room, hit), 1) for _ in range(args.times)]
                print(f"{name}: {times[name]}", file=sys.stderr, flush=True)
    print("| Fault | median, s | longest, s |\n| -- | -- | -- |")
    for name, seconds in times.items():
        print(f"| {name} | {statistics.median(seconds):.1f} | {max(seconds):.1f} |")
    if args.json:
        print(json.dumps(times))
    sys.exit(0 if all(max(seconds) <= MUST_SECONDS for seconds in times.values()) else 1)


if __name__ == "__main__":
    main()
