"""`smilereel retry`: process lessons again that have ended, with all their attempts."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.ledger import LessonRecord


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help="ids of lessons that have ended, in whichever way")
    parser.add_argument("--all", action="store_true", help="every quarantined lesson")


def main(args: argparse.Namespace) -> int:
    """Open them and tell the workers; 2 if one of them is unknown or has not ended."""
    from contextlib import closing

    from shared.errors import InputError, LessonInvalid
    from shared.ledger import open_ledger
    from shared.schema import check
    from shared.sender import send_lesson
    from shared.settings import load_settings
    from shared.states import LessonState

    if bool(args.lessons) == args.all:
        raise LessonInvalid("Name the lessons to process again, or give --all for every quarantined one.")
    _refuse_other_than_ids(args.lessons)
    settings, failed = load_settings(), False
    with closing(open_ledger(settings.database_url)) as ledger:
        # Before anything is asked, since SQLite would make the file of a mistyped address.
        check(ledger.database)
        # A lesson that is named twice is opened once, and is then no longer one that has ended.
        ids = list(dict.fromkeys(args.lessons)) or [
            record.lesson_id for record in ledger.find([LessonState.QUARANTINED], limit=1_000_000)
        ]
        for lesson_id in ids:
            if ledger.reopen(lesson_id):
                sent = send_lesson(ledger, lesson_id, settings)
                print(f"{lesson_id}: opened again{'' if sent else ', and sent as soon as Redis can be reached'}")  # noqa: T201
                continue
            failed = True
            record = ledger.read(lesson_id)
            print(f"{lesson_id}: {_why_not(record)}")  # noqa: T201
    if not ids:
        print("no lesson is quarantined")  # noqa: T201
    return InputError.exit_code if failed else 0


def _why_not(record: LessonRecord | None) -> str:
    if record is None:
        return "is not in the ledger"
    if not record.consent.process:
        return "may not be processed: consent was withdrawn"
    return f"is {record.state} and has not ended"


def _refuse_other_than_ids(lesson_ids: list[str]) -> None:
    """Before the first is opened, so that a wrong call changes nothing.

    Raises:
        LessonInvalid: names the first that cannot be a lesson's id.
    """
    from pydantic import TypeAdapter, ValidationError

    from shared.errors import LessonInvalid
    from shared.lesson import LessonId

    kind: TypeAdapter[str] = TypeAdapter(LessonId)
    for lesson_id in lesson_ids:
        try:
            kind.validate_python(lesson_id)
        except ValidationError:
            raise LessonInvalid(f"{lesson_id[:80]!r} is no lesson's id; `smilereel lessons` shows them.") from None
