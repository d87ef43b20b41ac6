"""The frozen truth of the detector's test and validation pictures in, checked boxes by picture out. `datasets.scenes` reads it.

It was made by eye, beside what OpenCV's DNN and YuNet find and without a look at what our detector finds; no training changes it.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TRUTH = Path(__file__).parent / "labels" / "detector_truth.csv"
COLUMNS = ["file", "x1", "y1", "x2", "y2", "kind"]
# `neither`: blurred, turned away, mostly hidden or cut, or a picture of a face. `small`: a face below the detector's design range,
# 12 px with the picture's longest side at 320, where no smile can be read; it counts neither way as well.
KINDS = ("face", "neither", "small")
SMALL_MARGIN = 0.25


@dataclass(frozen=True, slots=True)
class PictureTruth:
    """A picture's boxes, each float32 N x 4 in pixels: `faces` to be found; `neither` and `small`, which count neither way."""

    faces: NDArray[np.float32]
    neither: NDArray[np.float32]
    small: NDArray[np.float32]

    @property
    def ignored(self) -> NDArray[np.float32]:
        """All boxes that count neither way, the small ones half as large again: on a few pixels no box fits exactly."""
        margin = (self.small[:, 2:] - self.small[:, :2]) * SMALL_MARGIN
        return np.concatenate([self.neither, self.small + np.concatenate([-margin, margin], 1)])


def picture_truth(boxes: Mapping[str, list[list[float]]]) -> PictureTruth:
    """Boxes by kind as one picture's truth; a kind without boxes may be missing."""
    faces, neither, small = (np.array(boxes.get(kind, []), np.float32).reshape(-1, 4) for kind in KINDS)
    return PictureTruth(faces, neither, small)


def read_truth(sizes: Mapping[str, tuple[int, int]], table: Path | None = None) -> dict[str, PictureTruth]:
    """The truth of each of these pictures; one that the table does not name has no face.

    Args:
        sizes: width and height in pixels of each picture of the test and validation splits.
        table: the CSV (file,x1,y1,x2,y2,kind in pixels of the picture); the committed one by default.

    Raises:
        ValueError: the table has other columns, or a line has an unknown kind or file, or a box outside its picture or without area.
    """
    table = table or TRUTH
    boxes: dict[str, dict[str, list[list[float]]]] = {file: {} for file in sizes}
    with table.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        if reader.fieldnames != COLUMNS:
            raise ValueError(f"{table.name}, line 1: the columns are {reader.fieldnames}; name them {','.join(COLUMNS)}.")
        for row in reader:
            where = f"{table.name}, line {reader.line_num}"
            if row["file"] not in sizes:
                raise ValueError(f"{where}: {row['file']} is no picture of the test or validation split; correct its name.")
            if row["kind"] not in KINDS:
                raise ValueError(f"{where}: {row['file']} has the unknown kind “{row['kind']}”; choose from {', '.join(KINDS)}.")
            boxes[row["file"]].setdefault(row["kind"], []).append(_corners(row, sizes[row["file"]], where))
    return {file: picture_truth(kinds) for file, kinds in boxes.items()}


def _corners(row: Mapping[str, str], size: tuple[int, int], where: str) -> list[float]:
    texts = [row[name] for name in COLUMNS[1:5]]
    try:
        x1, y1, x2, y2 = corners = [float(text) for text in texts]
    except (TypeError, ValueError):
        corners = []
    if not corners or not all(isfinite(value) for value in corners):
        raise ValueError(f"{where}: {row['file']} has a box ({', '.join(map(str, texts))}) that is not four numbers; correct it.")
    if x2 <= x1 or y2 <= y1:
        raise ValueError(
            f"{where}: {row['file']} has a box ({', '.join(texts)}) without area; x2 lies right of x1 and y2 below y1."
        )
    width, height = size
    if x1 < 0 or y1 < 0 or x2 > width or y2 > height:
        raise ValueError(
            f"{where}: {row['file']} has a box ({', '.join(texts)}) outside its {width} x {height} pixels; correct it."
        )
    return corners
