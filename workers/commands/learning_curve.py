"""`smilereel learning-curve`: tune again and again on shares of the people, and say whether more labels would pay."""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path

from shared.errors import OutputRefused, TrainingRefused
from workers.training.options import TrainingOptions, add_data_options
from workers.training.places import DEFAULT_WORK

SHARES = {"smile": (0.1, 0.25, 0.5, 1.0), "detector": (0.25, 0.5, 1.0)}
REPEATS = {"smile": 3, "detector": 2}
STEPS_EACH = {"smile": 450, "detector": 300}
DRAWINGS = (".svg", ".png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = "Finished tunings are kept in --work, so that a command that was ended goes on where it was."
    parser.add_argument("model", choices=tuple(SHARES))
    add_data_options(parser)
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK, metavar="DIR", help="where finished tunings are kept")
    parser.add_argument(
        "--shares", type=float, nargs="+", help="of the people, above 0 to 1 (smile: .1 .25 .5 1, detector: .25 .5 1)"
    )
    parser.add_argument("--repeats", type=int, help="tunings a share (smile: 3, detector: 2)")
    parser.add_argument(
        "--steps-each", type=int, help="of one tuning (smile: 450, detector: 300: two or three minutes on one core)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (default: 1)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curve (.svg or .png)")


def main(args: argparse.Namespace) -> int:
    """Tune, fit, print."""
    shares = tuple(sorted(set(args.shares or SHARES[args.model])))
    repeats, steps = args.repeats or REPEATS[args.model], args.steps_each or STEPS_EACH[args.model]
    if len(shares) < 2 or not all(0 < share <= 1 for share in shares):
        raise TrainingRefused("A curve needs at least two --shares, each above 0 and at most 1.")
    if repeats < 1 or len(shares) * repeats < 3 or steps < 1:
        raise TrainingRefused("A curve needs at least three tunings: raise --shares or --repeats, with --steps-each above 0.")
    if args.plot and args.plot.suffix.lower() not in DRAWINGS:
        raise OutputRefused(f"{args.plot} cannot be drawn; name a file that ends in .svg or .png.")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    options = TrainingOptions(
        data=args.data,
        baselines=args.baselines,
        work=args.work,
        weights=None,
        steps=steps,
        seed=args.seed,
        threads=args.threads,
    )
    return _run(args, shares, repeats, options)


def _run(args: argparse.Namespace, shares: tuple[float, ...], repeats: int, options: TrainingOptions) -> int:
    from workers.commands.train import prepare_process
    from workers.training.curve_runs import MEASURES, run_curve
    from workers.training.learning_curve import curve_of, draw, table

    prepare_process(options.threads)
    # The tunings speak of their progress; with --json that is not for whoever reads the document.
    with redirect_stdout(sys.stderr if args.json else sys.stdout):
        try:
            runs = run_curve(args.model, shares, repeats, options)
        except FileNotFoundError as error:
            raise TrainingRefused(str(error)) from error
    curve = curve_of(MEASURES[args.model], runs)
    if args.plot:
        draw(curve, runs, f"{args.model}: {options.steps} steps a tuning", args.plot)
    print(json.dumps(curve.as_json(), indent=2) if args.json else table(curve))  # noqa: T201
    return 0
