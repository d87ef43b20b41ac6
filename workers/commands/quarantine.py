"""`smilereel quarantine`: the lessons that were set aside, each with its reason and what was tried."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = "Once the cause is mended, `smilereel retry LESSON` (or --all) processes them again with all their attempts."
    parser.add_argument("--limit", type=int, default=100, metavar="N", help="the N that changed last (default: 100)")
    parser.add_argument("--json", action="store_true", help="print a JSON object a line instead")


def main(args: argparse.Namespace) -> int:
    """As `smilereel lessons --state quarantined`."""
    from workers.commands import lessons

    args.state = ["quarantined"]
    return lessons.main(args)
