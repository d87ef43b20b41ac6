"""`smilereel settings`: every setting, its value, where it came from, and what it is for."""

from __future__ import annotations

import argparse
import json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--json", action="store_true", help="print a JSON object instead")


def main(args: argparse.Namespace) -> int:
    """Print them."""
    from shared.settings import describe, load_settings

    rows = describe(load_settings())
    if args.json:
        print(json.dumps({name: {"value": str(value), "source": source, "about": about} for name, value, source, about in rows}))  # noqa: T201
        return 0
    width = max(len(name) for name, *_ in rows)
    for name, value, source, about in rows:
        print(f"{name:{width}} = {value}  [{source}]\n{'':{width}}   {about}")  # noqa: T201
    return 0
