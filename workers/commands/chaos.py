"""`smilereel chaos`: a repeatable fault run on this machine."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

ROOMS = ("cpu", "gpu")
GUARDS = ("lease", "unique_reel", "temporary_name", "reconciler")
MOST_WORKERS = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--lessons", type=_at_least(1), default=40, metavar="N", help="how many lessons come (default: 40)")
    parser.add_argument(
        "--seed", type=_at_least(0), default=1, metavar="S", help="what decides which faults come when (default: 1)"
    )
    parser.add_argument("--seconds", type=_at_least(5), default=75, metavar="T", help="how long faults come (default: 75)")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite", help="where the ledger lies")
    parser.add_argument(
        "--models", choices=["stand_in", "released"], default="stand_in", help="made-up scores, or the real models"
    )
    parser.add_argument(
        "--workers", type=_workers, default={"cpu": 2, "gpu": 2}, metavar="cpu=2,gpu=2", help="worker processes of each room"
    )
    parser.add_argument(
        "--without", choices=GUARDS, default=None, metavar="GUARD", help=f"take a guard away: {', '.join(GUARDS)}"
    )
    parser.add_argument("--keep", type=Path, default=None, metavar="DIR", help="copy logs, ledger and store there at the end")
    parser.add_argument("--json", action="store_true", help="print a JSON object as the last line")


def main(args: argparse.Namespace) -> int:
    """Do the run; 0 where nothing was lost, nothing doubled and nothing left over, else 1."""
    from workers.chaos.assembly import Options
    from workers.chaos.run import run_chaos

    report = run_chaos(
        Options(
            seed=args.seed,
            lessons=args.lessons,
            seconds=args.seconds,
            database=args.database,
            models=args.models,
            workers=args.workers,
            without=args.without,
            keep=args.keep,
        )
    )
    figures = report.figures
    if args.json:
        print(json.dumps(figures), flush=True)  # noqa: T201
    else:
        print(", ".join(f"{name} {value}" for name, value in figures.items()))  # noqa: T201
    return 1 if figures["lost"] or figures["double"] or figures["orphans"] else 0


def _at_least(least: int):  # type: ignore[no-untyped-def]
    def number(text: str) -> int:
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} up")
        return int(text)

    return number


def _workers(text: str) -> dict[str, int]:
    """`cpu=2,gpu=1` as numbers by room; each room needs one."""
    counts: dict[str, int] = {}
    for part in text.split(","):
        room, _, number = part.partition("=")
        if room not in ROOMS or room in counts or not number.isdigit() or not 1 <= int(number) <= MOST_WORKERS:
            raise argparse.ArgumentTypeError(f"{text!r} does not look like cpu=2,gpu=2, with 1 to {MOST_WORKERS} of each room")
        counts[room] = int(number)
    if len(counts) < len(ROOMS):
        raise argparse.ArgumentTypeError(f"{text!r} names not both rooms, like cpu=2,gpu=2")
    return counts
