"""`smilereel lessons`: where the lessons stand."""

from __future__ import annotations

import argparse
import json

MOST_LESSONS = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--state", action="append", default=[], metavar="STATE", help="only lessons in this state; repeatable")
    add_listing_arguments(parser)


def add_listing_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of every command that lists lessons."""
    parser.add_argument("--limit", type=_how_many, default=100, metavar="N", help="the N that changed last (default: 100)")
    parser.add_argument("--json", action="store_true", help="print a JSON object a line instead")


def main(args: argparse.Namespace) -> int:
    """Print a line a lesson, the one that changed last first."""
    from contextlib import closing

    from shared.errors import SettingsInvalid
    from shared.ledger import open_ledger
    from shared.schema import check
    from shared.settings import load_settings
    from shared.states import LessonState

    known = [str(state) for state in LessonState]
    if unknown := [state for state in args.state if state not in known]:
        raise SettingsInvalid(f"There is no state {unknown[0]!r}; choose from {', '.join(known)}.")
    with closing(open_ledger(load_settings().database_url)) as ledger:
        # Before anything is asked, since SQLite would make the file of a mistyped address.
        check(ledger.database)
        records = ledger.find([LessonState(state) for state in args.state], limit=args.limit)
        counts = ledger.count()
    for record in records:
        shown = {
            "lesson_id": record.lesson_id,
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
            reason = _one_line(record.reason or "")
            print(f"{shown['lesson_id']:32} {shown['state']:11} {shown['updated_at']}  {times}  {reason}".rstrip())  # noqa: T201
    if not args.json:
        print(", ".join(f"{n} {state}" for state, n in sorted(counts.items())) or "no lessons")  # noqa: T201
    return 0


def _one_line(text: str) -> str:
    """The text without line ends and what else a terminal would obey: a reason may repeat a file's name."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _how_many(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_LESSONS:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to {MOST_LESSONS}")
    return int(text)
