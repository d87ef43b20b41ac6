"""`smilereel enqueue`: hand a lesson in, as a backend's `enqueue_lesson` would, for those who are not Python."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "lesson", type=Path, metavar="LESSON.json", help="the lesson's document, see `smilereel schema`; - for stdin"
    )
    parser.add_argument("--bulk", action="store_true", help="it may wait: fresh lessons pass it")


def main(args: argparse.Namespace) -> int:
    """Print the job as a line of JSON."""
    from shared.client import enqueue_lesson
    from shared.errors import LessonInvalid

    try:
        document = sys.stdin.read() if str(args.lesson) == "-" else args.lesson.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise LessonInvalid(f"{args.lesson} cannot be read: {reason}; give a LESSON.json.") from error
    print(json.dumps(asdict(enqueue_lesson(document, bulk=args.bulk))))  # noqa: T201
    return 0
