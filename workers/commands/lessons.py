"""`smilereel lessons`: where the lessons stand."""

from __future__ import annotations

import argparse
import json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--state", action="append", default=[], metavar="STATE", help="only lessons in this state; repeatable")
    parser.add_argument("--limit", type=int, default=100, metavar="N", help="the N that changed last (default: 100)")
    parser.add_argument("--json", action="store_true", help="print a JSON object a line instead")


def main(args: argparse.Namespace) -> int:
    """Print a line a lesson, the one that changed last first."""
    from contextlib import closing

    from shared.errors import SettingsInvalid
    from shared.ledger import open_ledger
    from shared.settings import load_settings
    from shared.states import LessonState

    known = [str(state) for state in LessonState]
    if unknown := [state for state in args.state if state not in known]:
        raise SettingsInvalid(f"There is no state {unknown[0]}; choose from {', '.join(known)}.")
    with closing(open_ledger(load_settings().database_url)) as ledger:
        records = ledger.find([LessonState(state) for state in args.state], limit=max(args.limit, 1))
        counts = ledger.count()
    for record in records:
        shown = {
            "lesson_id": record.lesson.lesson_id,
            "state": str(record.state),
            "attempts": record.attempts,
            "sent": record.generation,
            "updated_at": record.updated_at.isoformat(timespec="seconds"),
            "reason": record.reason,
        }
        if args.json:
            print(json.dumps(shown))  # noqa: T201
        else:
            times = f"sent {record.generation}x, {record.attempts} since the last progress"
            print(f"{shown['lesson_id']:32} {shown['state']:11} {shown['updated_at']}  {times}  {record.reason or ''}".rstrip())  # noqa: T201
    if not args.json:
        print(", ".join(f"{n} {state}" for state, n in sorted(counts.items())) or "no lessons")  # noqa: T201
    return 0
