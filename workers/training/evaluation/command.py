"""The command line of `smilereel evaluate`: options in, an exit code out. It imports nothing heavy before it runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from shared.errors import OutputRefused
from workers.training.evaluation.plan import Plan
from workers.training.options import add_data_options
from workers.training.places import PROJECT

MODELS = ("detector", "smile", "age", "shoulder")
# With `--fast` each n-th picture is taken: a look, not a figure.
FAST_EVERY = 8


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--model", choices=MODELS, action="append", help="may be given more than once; all by default")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")
    add_data_options(parser)
    parser.add_argument("--weights", type=Path, metavar="DIR", help="other weights; models that it lacks are the released ones")
    parser.add_argument("--drawings", type=Path, metavar="DIR", help="write reliability-MODEL.svg into this folder")
    parser.add_argument("--sheets", type=Path, metavar="DIR", help="write contact sheets there, outside the project")
    parser.add_argument("--fast", action="store_true", help=f"every {FAST_EVERY}th picture only: a look, not a figure")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a figure misses its must")


def run(options: argparse.Namespace) -> int:
    """Print the tables; 1 with `--check` if a must is missed, else 0.

    Raises:
        LabelsInvalid: the data are not there.
        OutputRefused: the contact sheets would lie inside the project.
        ModelError: the weights cannot be used.
    """
    if options.sheets and options.sheets.resolve().is_relative_to(PROJECT):
        raise OutputRefused(f"Contact sheets show real people and must not lie in the project, as {options.sheets} would.")
    from workers.training.evaluation.running import evaluate

    plan = Plan(
        data=options.data,
        baselines=options.baselines,
        every=FAST_EVERY if options.fast else 1,
        drawings=options.drawings,
        sheets=options.sheets,
    )
    missed = evaluate(options.model or MODELS, options.weights, plan, as_json=options.json)
    return int(options.check and bool(missed))
