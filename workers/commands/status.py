"""`smilereel status`: where a lesson stands, and its reel once there is one."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("lesson", metavar="LESSON", help="the lesson's id")


def main(args: argparse.Namespace) -> int:
    """Print a line of JSON: the status, and under `reel` what may be shown now."""
    from contextlib import closing

    from shared.client import find_reel, lesson_status
    from shared.errors import LessonUnknown
    from shared.ledger import open_ledger
    from shared.schema import check
    from shared.settings import load_settings

    with closing(open_ledger(load_settings().database_url)) as ledger:
        check(ledger.database)
    status = lesson_status(args.lesson)
    if status is None:
        raise LessonUnknown(f"The ledger knows no lesson {args.lesson[:80]!r}.")
    reel = find_reel(args.lesson)
    print(json.dumps({**asdict(status), "reel": asdict(reel) if reel else None}, default=str))  # noqa: T201
    return 0
