"""`smilereel run`: the main job on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path

from shared.errors import LessonInvalid


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("lesson", nargs="?", type=Path, metavar="LESSON.json", help="the lesson; or name recordings instead")
    parser.add_argument(
        "--student", action="append", default=[], metavar="FILE[@TIME]", help="a recording of the pupil; repeatable"
    )
    parser.add_argument(
        "--teacher", action="append", default=[], metavar="FILE[@TIME]", help="a recording of the teacher; repeatable"
    )
    parser.add_argument("--subject", choices=["child", "anyone"], default=None, help="whose smiles (default: child)")
    parser.add_argument("--lesson-id", default=None, help="the id of a lesson of named recordings")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the outputs; a second run goes on there"
    )
    parser.add_argument("--quiet", action="store_true", help="show nothing but the last line")


def main(args: argparse.Namespace) -> int:
    """Run the lesson; 0 with a reel, 3 without one."""
    from workers.commands.outcome import process
    from workers.local.source import lesson_of_recordings, read_lesson_file

    if args.lesson is not None:
        if args.student or args.teacher or args.subject or args.lesson_id:
            raise LessonInvalid("Give either LESSON.json or recordings by --student and --teacher, not both.")
        lesson = read_lesson_file(args.lesson)
    elif args.student:
        lesson = lesson_of_recordings(args.student, args.teacher, subject=args.subject or "child", lesson_id=args.lesson_id)
    else:
        raise LessonInvalid("There is no lesson: give LESSON.json, or the pupil's recording with --student.")
    return process(lesson, args.out, lesson_file=args.lesson, quiet=args.quiet)
