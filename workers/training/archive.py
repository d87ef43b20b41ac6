"""The training pictures: one folder of archives, packed (`smile.tar`) or unpacked (`smile/`). Everything in training reads through it."""

from __future__ import annotations

import csv
import tarfile
from pathlib import Path

import cv2
import numpy as np

from workers.inputs import Pixels
from workers.training.places import DEFAULT_BASELINES, DEFAULT_DATA, DEFAULT_WORK

__all__ = ["DEFAULT_BASELINES", "DEFAULT_DATA", "DEFAULT_WORK", "Archive"]


class Archive:
    """One archive of the data folder: `smile`, `age`, `det` or `cutouts`.

    Raises:
        FileNotFoundError: neither the tar nor the folder is there.
    """

    def __init__(self, data: Path, name: str) -> None:
        self.folder = data / name
        self._packed: Path | None = None
        self._places: dict[str, tuple[int, int]] = {}
        if not self.folder.is_dir():
            packed = data / f"{name}.tar"
            if not packed.exists():
                raise FileNotFoundError(f"The data folder {data} holds neither {name}.tar nor {name}/; name another with --data.")
            self._packed = packed
            with tarfile.open(packed, "r:") as tar:
                files = [member for member in tar if member.isfile()]
            # An uncompressed tar is read in place, so no file stays open between two pictures.
            self._places = {member.name.split("/", 1)[-1]: (member.offset_data, member.size) for member in files}

    def read(self, path: str) -> bytes:
        """A file's bytes; `path` as the label files name it.

        Raises:
            FileNotFoundError: the archive has no such file.
        """
        if self._packed is None:
            return (self.folder / path).read_bytes()
        if path not in self._places:
            raise FileNotFoundError(f"the archive {self._packed} has no file {path}")
        offset, size = self._places[path]
        with self._packed.open("rb") as stream:
            stream.seek(offset)
            return stream.read(size)

    def rows(self, path: str) -> list[dict[str, str]]:
        """The rows of a label file."""
        return list(csv.DictReader(self.read(path).decode("utf-8").splitlines()))

    def picture(self, path: str) -> Pixels:
        """A picture as uint8 H x W x 3, RGB.

        Raises:
            ValueError: the file is no picture that OpenCV can read.
        """
        return _decoded(self.read(path), cv2.IMREAD_COLOR, cv2.COLOR_BGR2RGB, path)

    def cutout(self, path: str) -> Pixels:
        """A cut-out as uint8 H x W x 4, RGBA."""
        return _decoded(self.read(path), cv2.IMREAD_UNCHANGED, cv2.COLOR_BGRA2RGBA, path)


def _decoded(data: bytes, flag: int, conversion: int, path: str) -> Pixels:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    if picture is None:
        raise ValueError(f"{path} is no picture that OpenCV can read")
    return np.asarray(cv2.cvtColor(picture, conversion), dtype=np.uint8)
