"""`smilereel demo`: render a lesson from public-domain portraits and run the main job on it."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--out", type=Path, default=Path("out"), metavar="DIR", help="folder for recordings and outputs (default: out)"
    )
    parser.add_argument("--quiet", action="store_true", help="show nothing but the last line")


def main(args: argparse.Namespace) -> int:
    """Render, run, and say where to look."""
    from shared.errors import OutputRefused
    from workers.commands.outcome import process
    from workers.demo import render_demo_lesson
    from workers.local.source import read_lesson_file

    out: Path = args.out
    recordings = out / "recordings"

    def say(text: str) -> None:
        if not args.quiet:
            print(text, flush=True)  # noqa: T201

    say("Rendering a two-camera lesson of two minutes from public-domain portraits that dependencies ship ...")
    try:
        recordings.mkdir(parents=True, exist_ok=True)
        lesson_file = render_demo_lesson(recordings)
    except OSError as error:
        raise OutputRefused(
            f"The demo's recordings cannot be written to {recordings}: {error.strerror}; choose another --out."
        ) from error
    say(f"Running the main job on it, as `smilereel run {lesson_file} --out {out}` would ...")
    code = process(read_lesson_file(lesson_file), out, lesson_file=lesson_file, quiet=args.quiet)
    say(f"Look at {out / 'reel.gif'}, {out / 'contact-sheet.jpg'}, {out / 'lesson.json'} and {out / 'seconds.csv'}.")
    return code
