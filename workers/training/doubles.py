"""Finds pictures of the age sets that occur twice under different names, so that none is measured on that was also trained on.

python -m workers.training.doubles --data ../shared/data > workers/training/labels/age_doubles.csv
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.inputs import Pixels
from workers.training.archive import DEFAULT_DATA
from workers.training.datasets import age_faces

SIDE = 24
# By eye, everything above is the same photograph, and the next below (.92) are different people.
SAME_PHOTOGRAPH = 0.95


def likeness(ones: Pixels, others: Pixels) -> NDArray[np.float32]:
    """Correlation of each of N crops with each of M at 24 x 24: uint8 N x H x W and M x H x W in, float32 N x M out."""
    return np.asarray(_unit(ones) @ _unit(others).T, np.float32)


def _unit(crops: Pixels) -> NDArray[np.float32]:
    small = np.stack([cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel() for crop in crops]).astype(np.float32)
    small -= small.mean(1, keepdims=True)
    return np.asarray(small / np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-6), np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    options = parser.parse_args()
    known = age_faces(options.data, ("train",), doubles=True)
    measured = age_faces(options.data, ("valid", "test"), doubles=True)
    like = likeness(measured.crops, known.crops)
    print("file,trained_as")
    for index in np.flatnonzero(like.max(1) > SAME_PHOTOGRAPH):
        print(f"{measured.files[index]},{known.files[int(like[index].argmax())]}")


if __name__ == "__main__":
    main()
