"""`smilereel up`: docker-compose.yml without Docker, as processes of this machine."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--file",
        type=Path,
        default=Path("docker-compose.yml"),
        metavar="FILE",
        help="the compose file (default: docker-compose.yml)",
    )
    parser.add_argument(
        "--scale",
        action="append",
        default=[],
        type=_scale,
        metavar="SERVICE=N",
        help="so many of a service; repeatable, and also while it is up, from another terminal",
    )
    parser.add_argument("--profile", action="append", default=[], metavar="NAME", help="services of this profile as well")
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="FOLDER",
        help="what services keep, and their passwords, stay in this folder (default: nothing stays)",
    )
    parser.add_argument("--log", type=Path, metavar="FILE", help="append what all services say to this file as well")
    parser.add_argument("--ps", action="store_true", help="show what runs, as JSON lines, and end")
    parser.add_argument("--down", action="store_true", help="end what runs, and end")


def main(args: argparse.Namespace) -> int:
    """Run until told to end, or give an order to what runs; 0."""
    from workers.up.control import is_running, order
    from workers.up.places import root_of
    from workers.up.run import Wishes, run

    scale, control = dict(args.scale), root_of(args.file) / "control.sock"
    if args.ps or args.down:
        for instance in order(control, {"down": args.down})["instances"]:
            print(json.dumps(instance))  # noqa: T201
        return 0
    if scale and is_running(control):
        order(control, {"scale": scale})
        return 0
    return run(Wishes(args.file, scale, tuple(args.profile), args.keep, args.log))


def _scale(text: str) -> tuple[str, int]:
    name, _, count = text.partition("=")
    if not name or not count.isascii() or not count.isdigit() or int(count) > 64:
        raise argparse.ArgumentTypeError(f"{text!r} is not SERVICE=N with N up to 64")
    return name, int(count)
