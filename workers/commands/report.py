"""`smilereel report`: a finished lesson as one page to read."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.settings import Settings
    from workers.published import PublishedFiles


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("lesson", metavar="LESSON", help="the id of a lesson that has ended, or a folder that `run --out` made")
    parser.add_argument(
        "--out", type=Path, default=Path("lesson.html"), metavar="FILE", help="the page to write (default: lesson.html)"
    )


def main(args: argparse.Namespace) -> int:
    """Make the page and write it whole or not at all."""
    from shared.settings import load_settings
    from workers.report import report_page

    settings = load_settings()
    files = _files(args.lesson, settings)
    page = report_page(files.lesson_json, files.seconds_csv, files.reel_gif, mood_analytics=settings.mood_analytics)
    _write(args.out, page)
    print(f"{args.out}: {-(-len(page) // 1000)} kB, to be opened in a browser")  # noqa: T201
    return 0


def _files(lesson: str, settings: Settings) -> PublishedFiles:
    """From a folder of this name if there is one, else of the lesson of this id."""
    from contextlib import closing

    from pydantic import TypeAdapter, ValidationError

    from shared.errors import LessonUnknown
    from shared.ledger import open_ledger
    from shared.lesson import LessonId
    from shared.schema import check
    from shared.store import store_of
    from workers.published import files_of_folder, files_of_lesson

    if lesson and "\0" not in lesson and Path(lesson).is_dir():
        return files_of_folder(Path(lesson))
    kind: TypeAdapter[str] = TypeAdapter(LessonId)
    try:
        kind.validate_python(lesson)
    except ValidationError:
        raise LessonUnknown(
            f"{lesson[:80]!r} is neither a folder nor a lesson's id; `smilereel lessons` shows the ids."
        ) from None
    with closing(open_ledger(settings.database_url)) as ledger:
        # Before anything is asked, since SQLite would make the file of a mistyped address.
        check(ledger.database)
        return files_of_lesson(ledger, store_of(settings), lesson)


def _write(out: Path, page: bytes) -> None:
    from shared.errors import OutputRefused

    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        try:
            temporary.write_bytes(page)
            temporary.replace(out)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no file's name"
        raise OutputRefused(f"The page cannot be written to {out}: {reason}; choose another --out.") from error
