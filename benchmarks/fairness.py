"""How much later a fresh lesson ends beside a night's bulk than alone: `python -m benchmarks.fairness [--bulk 60] [--times 5] [--json]`.

Real workers, two of each room, with stand-in models that sleep, so that the GPU queue is what everybody waits for. Measured is the time
from the hand-in of a fresh lesson to its end: alone, while a bulk is worked on, and behind the same lessons when nobody said that they
are bulk. Ends with 1 if a fresh lesson waited for the bulk's end.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from shared.client import close, enqueue_lesson
from shared.ledger import Ledger, open_ledger
from shared.settings import Settings
from workers.chaos.assembly import Options, parts_of
from workers.chaos.cluster import Cluster
from workers.chaos.lessons import document_of, render_films
from workers.chaos.plan import PlannedLesson

POLL_SECONDS = 0.05
PATIENCE_SECONDS = 600.0
FRAME_SECONDS = 0.1
# As shipped where it matters: 32 places, 24 of them for bulk, half of each queue.
SETTINGS: dict[str, object] = {
    "segment_seconds": 5,
    "stand_in_frame_seconds": FRAME_SECONDS,
    "decode_threads": 1,
    "reel_frames": 5,
    "reel_side": 96,
}


@dataclass
class Bench:
    """The running parts, and the ledger."""

    cluster: Cluster
    ledger: Ledger
    settings: Settings
    names: Iterator[int] = field(default_factory=lambda: iter(range(1_000_000)))

    def hand_in(self, *, bulk: bool) -> str:
        """A lesson of twenty seconds in four segments."""
        name = f"lesson-{next(self.names)}"
        enqueue_lesson(document_of(PlannedLesson(name, "reel", 0.0, 3)), bulk=bulk, settings=self.settings)
        return name

    def seconds_of_a_fresh_one(self) -> float:
        """From its hand-in to its end."""
        began = time.monotonic()
        self.wait_for([self.hand_in(bulk=False)])
        return time.monotonic() - began

    def wait_for(self, names: list[str]) -> None:
        """Until all of them have ended."""
        deadline, left = time.monotonic() + PATIENCE_SECONDS, list(names)
        while left:
            self.cluster.keep_running()
            time.sleep(POLL_SECONDS)
            left = [name for name in left if not self.ledger.require(name).state.final]
            if time.monotonic() > deadline:
                raise SystemExit(f"nothing ended for {PATIENCE_SECONDS:.0f} seconds; logs: {self.cluster.places.logs}")

    def n_ended(self, names: list[str]) -> int:
        """How many of these have ended."""
        return sum(self.ledger.require(name).state.final for name in names)


@contextmanager
def bench_of(n_lessons: int) -> Iterator[Bench]:
    """Inside it the workers wait for lessons."""
    options = Options(seed=0, lessons=n_lessons, seconds=5, workers={"cpu": 2, "gpu": 2})
    with parts_of(options, SETTINGS) as (cluster, address):
        places = cluster.places
        render_films(places.media, with_faces=False)
        cluster.start()
        settings = Settings(
            redis_url=f"redis+socket://{places.socket}",
            database_url=f"sqlite:///{address}",
            store_url=f"file://{places.store}",
            media_root=places.media,
        )
        ledger = open_ledger(settings.database_url)
        try:
            yield Bench(cluster, ledger, settings)
        finally:
            ledger.close()
            close()


def measure(n_bulk: int, n_times: int) -> dict[str, object]:
    """All three, in seconds; `bulk_left` is how many of the bulk had not ended when the last fresh lesson had."""
    with bench_of(2 * n_bulk + 3 * n_times) as bench:
        bench.seconds_of_a_fresh_one()
        alone = [bench.seconds_of_a_fresh_one() for _ in range(n_times)]
        print(f"alone: {_told(alone)}", file=sys.stderr, flush=True)

        began = time.monotonic()
        bulk = [bench.hand_in(bulk=True) for _ in range(n_bulk)]
        while not bench.n_ended(bulk):
            time.sleep(POLL_SECONDS)
        beside = [bench.seconds_of_a_fresh_one() for _ in range(n_times)]
        left = n_bulk - bench.n_ended(bulk)
        bench.wait_for(bulk)
        whole = time.monotonic() - began
        print(f"beside bulk: {_told(beside)}, {left} of {n_bulk} left; all in {whole:.0f} s", file=sys.stderr, flush=True)

        unsaid = [bench.hand_in(bulk=False) for _ in range(n_bulk)]
        while not bench.n_ended(unsaid):
            time.sleep(POLL_SECONDS)
        behind = bench.seconds_of_a_fresh_one()
        bench.wait_for(unsaid)
    return {
        "alone_seconds": round(statistics.median(alone), 2),
        "beside_bulk_seconds": round(statistics.median(beside), 2),
        "beside_bulk_longest_seconds": round(max(beside), 2),
        "later_by_factor": round(statistics.median(beside) / statistics.median(alone), 2),
        "behind_unsaid_bulk_seconds": round(behind, 2),
        "bulk": n_bulk,
        "bulk_left": left,
        "bulk_seconds": round(whole, 1),
    }


def _told(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.1f} s ({', '.join(f'{one:.1f}' for one in seconds)})"


def main() -> None:
    """Measure, print a table, and say whether fresh lessons passed."""
    parser = argparse.ArgumentParser(description="How much later a fresh lesson ends beside a night's bulk than alone.")
    parser.add_argument("--bulk", type=int, default=60, help="lessons in bulk")
    parser.add_argument("--times", type=int, default=5, help="fresh lessons, one after another")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    figures = measure(args.bulk, args.times)
    print("| A fresh lesson | seconds until its end |\n| -- | -- |")
    print(f"| alone | {figures['alone_seconds']} |")
    print(
        f"| beside {args.bulk} lessons in bulk | {figures['beside_bulk_seconds']} ({figures['later_by_factor']} times as long) |"
    )
    print(f"| behind the same {args.bulk}, not handed in as bulk | {figures['behind_unsaid_bulk_seconds']} |")
    if args.json:
        print(json.dumps(figures))
    sys.exit(0 if figures["bulk_left"] else 1)


if __name__ == "__main__":
    main()
