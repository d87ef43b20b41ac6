"""`smilereel prelabel`: pictures and videos in, label files with the models' boxes and scores out, for a person to correct."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import OutputRefused, PictureMissing, RecordingUnreadable

if TYPE_CHECKING:
    from workers.training.prelabel import Shot

VIDEOS = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".flv", ".wmv", ".3gp", ".ogv"})
# Enough for faces of every size that the models look at, as the pictures they were trained on.
LONGEST_SIDE = 640
SHOTS_AT_ONCE = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = (
        "Writes boxes.csv, faces.csv and frames.csv, the least sure first. Correct them (unsure trains nothing; an age is years), then: "
        "smilereel train detector --labels OUT/boxes.csv, train smile --labels OUT/faces.csv, and so on."
    )
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="a picture, a video, or a folder that is searched with all below it"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder for the label files, frames and faces")
    parser.add_argument(
        "--every", type=int, default=5, metavar="SECONDS", help="one frame of a video in so many seconds (default: 5)"
    )
    parser.add_argument("--person", default="", help="whom they show; by default each video and each picture stands for itself")


def main(args: argparse.Namespace) -> int:
    """Score, and write the label files."""
    from workers.commands.scoring import open_models
    from workers.training.prelabel import TABLES, Sheets, add_shots, write_sheets

    out: Path = args.out
    if missing := [path for path in args.paths if not Path(path).exists()]:
        raise PictureMissing(f"There is no picture, video or folder at {missing[0]}; check the path.")
    if args.every < 1:
        raise OutputRefused(f"--every is {args.every}; give the seconds between two frames, at least 1.")
    if there := [name for name in TABLES if (out / name).exists()]:
        raise OutputRefused(f"{out / there[0]} exists and may hold a person's corrections; choose another --out.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        sheets, models = Sheets(), open_models()
        shots = _shots(args.paths, out, args.every, args.person)
        while batch := list(islice(shots, SHOTS_AT_ONCE)):
            add_shots(sheets, batch, models, out)
            print(f"\r{sheets.shots} frames, {sheets.faces} faces", end="", file=sys.stderr, flush=True)  # noqa: T201
        print(file=sys.stderr)  # noqa: T201
        if not sheets.shots:
            raise PictureMissing(f"Nothing at {', '.join(args.paths)} could be read as a picture or a video.")
        write_sheets(sheets, out)
    except OSError as error:
        raise OutputRefused(f"The label files cannot be written to {out}: {error.strerror}; choose another --out.") from error
    print(f"{out}: boxes.csv, faces.csv and frames.csv of {sheets.shots} frames and {sheets.faces} faces; least sure first")  # noqa: T201
    return 0


def _shots(paths: list[str], out: Path, every: int, person: str) -> Iterator[Shot]:
    number = 0
    for path in paths:
        for file in _files(path, out):
            number += 1
            stem = f"{number:05}-{Path(file).stem}"
            yield from _of_video(file, stem, out, every, person) if _is_video(file) else _of_picture(file, stem, out, person)


def _files(path: str, out: Path) -> list[str]:
    """Pictures and videos at a path; what an earlier run wrote into `out` is no input."""
    from workers.pictures import picture_files

    if not Path(path).is_dir():
        return [path]
    videos = [str(file) for file in Path(path).rglob("*") if _is_video(str(file)) and file.is_file()]
    files = sorted([*picture_files(path), *videos])
    return [file for file in files if not Path(file).resolve().is_relative_to(out.resolve())]


def _is_video(file: str) -> bool:
    return Path(file).suffix.lower() in VIDEOS


def _of_picture(file: str, stem: str, out: Path, person: str) -> Iterator[Shot]:
    from workers.pictures import load_picture
    from workers.training.prelabel import Shot, relative

    loaded = load_picture(file)
    if loaded.pixels is None:
        _complain(file, loaded.error)
        return
    name = relative(file, out)
    yield Shot(name, stem, person or name, loaded.pixels, loaded.to_own)


def _of_video(file: str, stem: str, out: Path, every: int, person: str) -> Iterator[Shot]:
    from workers.cpu.decode import sample_frames
    from workers.cpu.probe import probe
    from workers.training.prelabel import Shot, write_frame

    try:
        measured = probe(Path(file))
        seconds = list(range(0, int(measured.seconds) + 1, every))
        # A long video's frames are never all held at once.
        for start in range(0, len(seconds), SHOTS_AT_ONCE):
            part = seconds[start : start + SHOTS_AT_ONCE]
            for frame in sample_frames(Path(file), part, measured.first_pts_seconds, longest_side=LONGEST_SIDE).frames:
                name = f"{stem}-{frame.ref.second:05}"
                yield Shot(write_frame(out, name, frame.rgb), name, person or Path(file).stem, frame.rgb)
    except RecordingUnreadable as error:
        _complain(file, error.message)


def _complain(file: str, text: str) -> None:
    print(f"\nsmilereel: {file}: error: {text}", file=sys.stderr)  # noqa: T201
