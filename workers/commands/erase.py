"""`smilereel erase`: forget a lesson, or all lessons of a pupil, wherever they stand."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("lesson", nargs="?", metavar="LESSON", help="the lesson's id")
    whose.add_argument("--pupil", metavar="ID", help="all lessons of this pupil")
    parser.add_argument("--yes", action="store_true", help="do it: what is erased does not come back")


def main(args: argparse.Namespace) -> int:
    """Print the receipt as a line of JSON; without --yes only what would be erased."""
    from contextlib import closing

    from shared.client import erase_lesson, erase_pupil
    from shared.errors import InputError
    from shared.ledger import open_ledger
    from shared.schema import check
    from shared.settings import load_settings

    with closing(open_ledger(load_settings().database_url)) as ledger:
        check(ledger.database)
        if not args.yes:
            of_pupil = ledger.rights.lessons_of(args.pupil) if args.pupil else [args.lesson]
            print(f"This would erase {', '.join(of_pupil) or 'nothing'}; give --yes to do it.")  # noqa: T201
            return InputError.exit_code
    erasure = erase_pupil(args.pupil, actor="operator") if args.pupil else erase_lesson(args.lesson, actor="operator")
    print(json.dumps(asdict(erasure), default=str))  # noqa: T201
    return 0
