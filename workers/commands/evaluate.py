"""`smilereel evaluate`: score weights on the test split, beside the baselines that they replace."""

from __future__ import annotations

import argparse
import os


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    from workers.training.evaluation.command import add_options

    add_options(parser)


def main(args: argparse.Namespace) -> int:
    """Print the tables."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from workers.training.evaluation.command import run

    return run(args)
