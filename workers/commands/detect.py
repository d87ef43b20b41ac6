"""`smilereel detect`: pictures in, their faces and scores out, a line of JSON a picture."""

from __future__ import annotations

import argparse

from workers.commands import scoring

add_arguments = scoring.add_arguments


def main(args: argparse.Namespace) -> int:
    """Print a line for each picture."""
    from workers.pictures import detect_lines

    return scoring.print_lines(args.path, detect_lines)
