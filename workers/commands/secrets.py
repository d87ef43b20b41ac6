"""`smilereel secrets`: the files with passwords that docker-compose.yml wants."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the files go, like ./secrets")
    parser.add_argument(
        "--file",
        type=Path,
        default=Path("docker-compose.yml"),
        metavar="FILE",
        help="the compose file (default: docker-compose.yml)",
    )


def main(args: argparse.Namespace) -> int:
    """Write a random password into each file that is missing; 0."""
    from workers.up.compose import read_document
    from workers.up.credentials import make_secrets

    names = read_document(args.file).get("secrets") or {}
    written = make_secrets([args.folder / name for name in names], shared=True)
    for path in written:
        print(path)  # noqa: T201
    print(f"{len(written)} of {len(names)} passwords made, the others were there; keep the folder out of git and backups")  # noqa: T201
    return 0
