"""Throughput with 1, 2, 3 workers, beside what the simulation says from the run with one of each: `python -m benchmarks.scaling --check`.

Real Valkey, PostgreSQL, Celery workers and client. Two cores carry few workers that compute, so in the profiles `card` and `store` the
workers mostly sleep: over each frame, as one waits for a card, or over each read and write, as one waits for a far store. `released` is
the true figure, with the real models on the CPU, and runs only where it is named. Ends with 1 if a prediction is off by more than a tenth.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.scaling_loads import fit_of
from benchmarks.scaling_run import Figures, Profile, measure
from workers.capacity.events import Simulation
from workers.capacity.night import Night
from workers.capacity.service import ROOMS, SHIPPED, Fit

MOST_OFF = 0.1
SEEDS = 9
SMALL = {"segment_seconds": 10, "decode_threads": 1, "torch_threads": 1, "reel_side": 64, "reel_frames": 5}
PROFILES = {
    "card": Profile((60,) * 10, {**SMALL, "stand_in_frame_seconds": 0.15}),
    "store": Profile((40,) * 16, SMALL, store_seconds=0.08),
    "released": Profile((2700, 150, 300, 530), {"decode_threads": 1, "torch_threads": 1}, released=True),
}
GRIDS = {
    "card": [(1, 1), (1, 2), (1, 3)],
    "store": [(1, 1), (2, 1), (3, 1), (2, 2), (3, 3)],
    "released": [(1, 1), (1, 2)],
}
# The real models need the two cores for themselves, so more workers of them tell of the machine, not of the queues.
SLEEPING = ["card", "store"]


@dataclass(frozen=True)
class Row:
    """A line of the table; `predicted_seconds` is None for what the fit was made on."""

    profile: str
    cpu: int
    gpu: int
    lessons: int
    seconds: float
    seconds_of_repeats: list[float]
    lessons_an_hour: float
    predicted_seconds: float | None
    busy: dict[str, float]
    bound_by: str
    stage_seconds: dict[str, float]

    @property
    def off(self) -> float | None:
        return None if self.predicted_seconds is None else self.predicted_seconds / self.seconds - 1


def predict(profile: Profile, fit: Fit, cpu: int, gpu: int) -> float:
    """Seconds until the last lesson's end, by the simulation; the mean of several."""
    night = Night(
        lessons=len(profile.lesson_seconds),
        workers={"cpu": cpu, "gpu": gpu},
        lengths=profile.lesson_seconds,
        segment_seconds=int(str(profile.settings.get("segment_seconds", 64))),
        arrivals="at-once",
    )
    return statistics.fmean(Simulation(replace(night, seed=seed), fit).run().last_end for seed in range(SEEDS))


def row_of(name: str, runs: Sequence[Figures], fit: Fit | None) -> Row:
    """The middle one of several runs."""
    figures = sorted(runs, key=lambda run: run.seconds)[len(runs) // 2]
    workers = {"cpu": figures.cpu, "gpu": figures.gpu}
    busy: dict[str, float] = defaultdict(float)
    stages: dict[str, list[float]] = defaultdict(list)
    for task in figures.watched:
        busy[task.room] += task.seconds / figures.seconds / workers[task.room]
        stages[task.stage].append(task.seconds)
    return Row(
        profile=name,
        cpu=figures.cpu,
        gpu=figures.gpu,
        lessons=figures.lessons,
        seconds=figures.seconds,
        seconds_of_repeats=[round(run.seconds, 1) for run in runs],
        lessons_an_hour=figures.lessons_an_hour,
        predicted_seconds=predict(PROFILES[name], fit, figures.cpu, figures.gpu) if fit else None,
        busy=dict(busy),
        bound_by=max(ROOMS, key=lambda room: busy[room]),
        stage_seconds={stage: statistics.fmean(seconds) for stage, seconds in stages.items()},
    )


def run_profile(name: str, grid: Sequence[tuple[int, int]], repeat: int, write_fit: Path | None = None) -> list[Row]:
    """All runs of a profile; the fit is of those with one worker of each kind, and written as soon as it is made."""
    rows: list[Row] = []
    fit: Fit | None = None
    for cpu, gpu in grid:
        runs = []
        for _ in range(repeat):
            runs.append(measure(PROFILES[name], cpu, gpu))
            print(f"{name} {cpu} x {gpu}: {runs[-1].seconds:.1f} s, {runs[-1].done} reels", file=sys.stderr, flush=True)
        rows.append(row_of(name, runs, fit))
        if fit is None:
            fit = fit_of(runs, PROFILES[name], f"benchmarks.scaling, profile {name}")
            if write_fit:
                write_fit.write_text(fit.model_dump_json(indent=2) + "\n")
    return rows


def table(rows: Sequence[Row]) -> str:
    """The rows in Markdown."""
    lines = [
        "| profile | cpu workers | gpu workers | lessons | seconds | lessons/h | predicted, s | off | cpu busy | gpu busy | bound by |",
        "| -- | -- | -- | -- | -- | -- | -- | -- | -- | -- | -- |",
    ]
    for row in rows:
        predicted = "fitted here" if row.predicted_seconds is None else f"{row.predicted_seconds:.1f}"
        off = "" if row.off is None else f"{row.off:+.1%}"
        cells = [row.profile, row.cpu, row.gpu, row.lessons, f"{row.seconds:.1f}", f"{row.lessons_an_hour:.0f}", predicted, off]
        lines.append("| " + " | ".join(map(str, [*cells, *(f"{row.busy[room]:.0%}" for room in ROOMS), row.bound_by])) + " |")
    lines += [
        "",
        "Seconds that a worker is busy with a task:",
        "",
        "| profile | workers | " + " | ".join(rows[0].stage_seconds) + " |",
    ]
    lines.append("| -- | -- |" + " -- |" * len(rows[0].stage_seconds))
    for row in rows:
        seconds = (f"{row.stage_seconds.get(stage, 0):.3f}" for stage in rows[0].stage_seconds)
        lines.append(f"| {row.profile} | {row.cpu} x {row.gpu} | " + " | ".join(seconds) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure, predict, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--profile", choices=sorted(PROFILES), action="append", help="only these (default: card, store)")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each kind; the middle one counts")
    parser.add_argument(
        "--check", action="store_true", help="end with 1 if a prediction of card or store is off by more than 10 %%"
    )
    parser.add_argument(
        "--fit", type=Path, metavar="FILE", help=f"write the fit of the profile released there, like {SHIPPED.name}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    args = parser.parse_args()
    rows: list[Row] = []
    for name in args.profile or SLEEPING:
        rows += run_profile(name, GRIDS[name], args.repeat, args.fit if name == "released" else None)
    print(table(rows))
    if args.json:
        args.json.write_text(json.dumps([asdict(row) | {"off": row.off} for row in rows], indent=2))
    checked = [abs(row.off) for row in rows if row.off is not None and row.profile != "released"]
    if checked:
        print(f"\nfarthest off, without the profile released: {max(checked):.1%}")
    sys.exit(1 if args.check and (not checked or max(checked) > MOST_OFF) else 0)


if __name__ == "__main__":
    main()
