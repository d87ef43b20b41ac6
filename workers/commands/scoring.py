"""What `detect` and `faces` share: look for the pictures, load the models in this process, print a line a picture."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.errors import PictureMissing

if TYPE_CHECKING:
    from workers.gpu.weights import Models


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the commands' arguments."""
    parser.add_argument("path", metavar="PATH", help="a picture, or a folder that is searched with all below it")
    parser.add_argument("--json", action="store_true", help="a JSON object a line (the only form there is)")


def print_lines(path: str, score: Callable[[str, Models], Iterator[dict[str, Any]]]) -> int:
    """Print a line of JSON for each picture.

    Raises:
        PictureMissing: there is nothing at the path.
    """
    if not Path(path).exists():
        raise PictureMissing(f"There is no picture and no folder at {path}; check the path.")
    for line in score(path, open_models()):
        print(json.dumps(line), flush=True)  # noqa: T201
    return 0


def open_models() -> Models:
    """The released models on the device that the settings name.

    Raises:
        ModelError: weights or device cannot be used.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from workers.gpu.loading import load_for_process

    return load_for_process()
