"""Many fault runs, one after the other, as a table: `python -m benchmarks.chaos_seeds --seeds 1-30`.

Further: `--lessons 200 --seconds 300 --seeds 1`, `--database postgresql --seeds 1-5`, `--models released --seeds 1-3 --seconds 120`,
and `--guards`, which takes each guard away with the seeds given until one notices. Results go to `--out`.json and `--out`.md after each
run, so that one that is stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from workers.chaos.guards import GUARDS

FIGURES = ("seed", "lessons", "faults", "done", "no_reel", "quarantined", "lost", "double", "orphans", "seconds")
BAD = ("lost", "double", "orphans")

Row = dict[str, int | str]


def main() -> None:
    """Run what is not in the results yet; exit 1 if a run found something, or, with --guards, if a guard was not missed."""
    args = _arguments()
    results: list[Row] = json.loads(args.out.with_suffix(".json").read_text()) if args.out.with_suffix(".json").exists() else []
    noticed = _guards(args, results) if args.guards else _seeds(args, results)
    sys.exit(0 if noticed else 1)


def _seeds(args: argparse.Namespace, results: list[Row]) -> bool:
    for seed in args.seeds:
        if not any(row["seed"] == seed for row in results):
            results.append(_run(args, seed))
            _write(args.out, results)
    return not any(row[name] for row in results for name in BAD)


def _guards(args: argparse.Namespace, results: list[Row]) -> bool:
    for guard in GUARDS:
        for seed in args.seeds:
            tried = [row for row in results if row["without"] == guard]
            if any(row[name] for row in tried for name in BAD):
                break
            if not any(row["seed"] == seed for row in tried):
                results.append({"without": guard, **_run(args, seed, "--without", guard)})
                _write(args.out, results)
    noticed = {row["without"] for row in results if any(row[name] for name in BAD)}
    return noticed == set(GUARDS)


def _run(args: argparse.Namespace, seed: int, *more: str) -> Row:
    """One run in a process of its own, by the command that users have; its last line."""
    options = ["--lessons", args.lessons, "--seconds", args.seconds, "--database", args.database, "--models", args.models]
    command = [sys.executable, "-m", "workers", "chaos", "--json", "--seed", str(seed), *map(str, options), *more]
    log = args.out.with_name(f"{args.out.name}-{'-'.join([*more[1:], str(seed)])}.log")
    with log.open("w") as stderr:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, text=True, check=False)
    if not done.stdout.strip():
        raise SystemExit(f"the run of seed {seed} ended with code {done.returncode} and said nothing; see {log}")
    row: Row = json.loads(done.stdout.strip().splitlines()[-1])
    print(json.dumps(row), flush=True)
    return row


def _write(out: Path, results: Sequence[Row]) -> None:
    out.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
    columns = [*(["without"] if "without" in results[0] else []), *FIGURES]
    lines = [columns, ["--"] * len(columns), *([str(row[name]) for name in columns] for row in results)]
    out.with_suffix(".md").write_text("".join(f"| {' | '.join(line)} |\n" for line in lines))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Many fault runs, one after the other.")
    parser.add_argument("--seeds", type=_span, default=range(1, 31), help="like 1-30 or 4")
    parser.add_argument("--lessons", type=int, default=40)
    parser.add_argument("--seconds", type=int, default=75)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--models", choices=["stand_in", "released"], default="stand_in")
    parser.add_argument("--guards", action="store_true", help="take each guard away until a seed notices")
    parser.add_argument("--out", type=Path, default=Path("chaos"), help="path of the results without its ending")
    return parser.parse_args()


def _span(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


if __name__ == "__main__":
    main()
