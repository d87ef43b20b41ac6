"""Ten lessons of known truth through the whole pipeline: which moments are children's smiles, and when a parent sat beside the child.

    uv run python -m benchmarks.composed_lessons [--lessons 10] [--data ../shared/data] [--keep DIR] [--json]

Everything is rendered into a temporary folder. Ends with 1 if a must is missed: 88 of 90 moments a child's smile, none with an adult,
nine tenths of the shoulders' seconds found.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shared.errors import ServiceError, SmilereelError
from shared.lesson import Lesson
from shared.settings import load_settings
from tests.composed import compose_lesson
from tests.composed.score import LessonScore, score_lesson
from workers import interruption
from workers.local.run import run_lesson
from workers.local.source import read_lesson_file
from workers.training.archive import DEFAULT_DATA

LENGTHS_SECONDS = (560, 640, 520, 680, 600)
FRAMES_PER_SECOND = 3
MUST_SMILE, MUST_SHOULDER = 88 / 90, 0.9
KEPT = ("lesson.json", "seconds.csv", "contact-sheet.jpg", "reel.gif", "truth.json")


@dataclass(frozen=True)
class Run:
    """One lesson, what became of it, and what it took."""

    seed: int
    seconds: int
    render_seconds: float
    run_seconds: float
    score: LessonScore


def run_one(data: Path, seed: int, keep: Path | None) -> Run:
    """Render, process and score the lesson of this seed.

    Raises:
        SmilereelError: the pipeline failed.
        FileNotFoundError: the data are not there.
    """
    seconds = LENGTHS_SECONDS[seed % len(LENGTHS_SECONDS)]
    with tempfile.TemporaryDirectory(prefix="composed-") as name:
        folder, started = Path(name), time.monotonic()
        lesson = compose_lesson(data, folder, seconds=seconds, fps=FRAMES_PER_SECOND, seed=seed)
        rendered = time.monotonic()
        _processed(read_lesson_file(lesson.path), folder / "out")
        ended = time.monotonic()
        record = json.loads((folder / "out" / "lesson.json").read_text(encoding="utf-8"))
        if keep is not None:
            (folder / "out" / "truth.json").write_text(json.dumps(asdict(lesson.truth), default=str), encoding="utf-8")
            (keep / f"seed-{seed}").mkdir(parents=True, exist_ok=True)
            for file in KEPT:
                if (folder / "out" / file).exists():
                    shutil.copy(folder / "out" / file, keep / f"seed-{seed}" / file)
    return Run(seed, seconds, rendered - started, ended - rendered, score_lesson(lesson.truth, record))


def _processed(lesson: Lesson, out: Path) -> None:
    # The people are no pupils and their truth is known; a smile's score tells how sure a wrong one was.
    settings = load_settings().model_copy(update={"mood_analytics": True})
    try:
        run_lesson(lesson, out, settings=settings)
    except ServiceError as error:
        # On a crowded machine a worker may be lost; a second run goes on where the first stopped.
        print(f"{error}; trying once more", file=sys.stderr)
        run_lesson(lesson, out, settings=settings)


def summary(runs: Sequence[Run]) -> dict[str, Any]:
    """All lessons together, and whether the musts are reached; a moment that was not made counts as missing."""
    scores = [run.score for run in runs]
    total = {key: sum(getattr(score, key) for score in scores) for key in ("moments", "smiles", "with_adult", "visits")}
    total |= {key: sum(getattr(score, key) for score in scores) for key in ("shoulder_seconds", "shoulder_found", "visits_found")}
    total |= {key: sum(getattr(score, key) for score in scores) for key in ("false_shoulder_seconds", "other_seconds")}
    wanted = 9 * len(runs)
    recall = total["shoulder_found"] / max(total["shoulder_seconds"], 1)
    bounds = all(score.bounds_off_seconds < 1 and score.disconnects_right for score in scores)
    return {
        "lessons": len(runs),
        "moments_wanted": wanted,
        **total,
        "shoulder_recall": round(recall, 4),
        "bounds_right": bounds,
        "wall_seconds": round(sum(run.render_seconds + run.run_seconds for run in runs)),
        "reached": total["smiles"] >= MUST_SMILE * wanted and total["with_adult"] == 0 and recall >= MUST_SHOULDER and bounds,
    }


def row(run: Run) -> str:
    """One lesson as a line of the table."""
    s = run.score
    return (
        f"{run.seed:>4} {run.seconds:>5} s  {s.smiles}/{s.moments:<7} {s.with_adult:>5}  {s.shoulder_found:>4}/{s.shoulder_seconds:<4}"
        f" {s.visits_found:>3}/{s.visits:<3} {s.false_shoulder_seconds:>4}/{s.other_seconds:<5} {s.bounds_off_seconds:>5.2f} s"
        f" {run.render_seconds:>5.0f} s {run.run_seconds:>5.0f} s"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lessons", type=int, default=10, help="how many (default: 10)")
    parser.add_argument("--first-seed", type=int, default=1, help="the first lesson's seed (default: 1)")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, metavar="DIR", help="folder with the det and cutouts archives")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep reels, contact sheets, records and truths there")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    args = parser.parse_args()
    # Stopped by a signal, it still takes its temporary folder away.
    interruption.install()
    runs: list[Run] = []
    if not args.json:
        print("seed length  smiles  adult  shoulder  visits  false      bounds  render   run")
    try:
        for seed in range(args.first_seed, args.first_seed + args.lessons):
            runs.append(run_one(args.data, seed, args.keep))
            if not args.json:
                print("\n     ".join([row(runs[-1]), *runs[-1].score.wrong]), flush=True)
    except (SmilereelError, FileNotFoundError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    total = summary(runs)
    if args.json:
        print(json.dumps({**total, "runs": [asdict(run) for run in runs]}))
    else:
        print("\n".join(f"{name:24} {value}" for name, value in total.items()))
    return 0 if total["reached"] else 1


if __name__ == "__main__":
    sys.exit(main())
