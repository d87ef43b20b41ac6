"""`smilereel detect`: pictures in, a line of JSON a picture out."""

from __future__ import annotations

import argparse
import json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("path", metavar="PATH", help="a picture, or a folder that is searched with all below it")
    parser.add_argument("--json", action="store_true", help="a JSON object a line (the only form there is)")


def main(args: argparse.Namespace) -> int:
    """Print a line for each picture."""
    from workers.commands.scoring import open_models
    from workers.pictures import detect_lines

    for line in detect_lines(args.path, open_models()):
        print(json.dumps(line), flush=True)  # noqa: T201
    return 0
