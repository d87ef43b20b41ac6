"""`smilereel quarantine`: the lessons that were set aside, each with its reason and what was tried."""

from __future__ import annotations

import argparse

from workers.commands import lessons


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = "Once the cause is mended, `smilereel retry LESSON` (or --all) processes them again with all their attempts."
    lessons.add_listing_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """As `smilereel lessons --state quarantined`."""
    args.state = ["quarantined"]
    return lessons.main(args)
