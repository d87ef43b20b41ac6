"""Grey face crops in, the smile scores of a rival, the `fer` package, out. It runs in an environment of its own, made by uv."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.inputs import FACE_CROP_SIDE, Pixels

NAME = "fer 25.10"
SCRIPT = Path(__file__).with_name("fer_scores.py")
# fer looks at a face with some room around it; of 0, 4, 8 and 12 pixels added to our tight crops, 4 suit it best.
BORDER = 4
LONGEST_SECONDS = 900


def fer_scores(crops: Pixels) -> NDArray[np.float32] | str:
    """fer's P(happy) for each crop, or in one sentence why it did not run.

    Args:
        crops: uint8 N x 64 x 64, grey, before CLAHE: the picture as fer itself would crop it.
    """
    uv = shutil.which("uv")
    if uv is None:
        return "not run: uv, which makes its environment, is not installed"
    with TemporaryDirectory() as folder:
        taken, given = Path(folder) / "crops.npz", Path(folder) / "scores.npy"
        np.savez(taken, crops=np.stack([_framed(crop) for crop in crops]) if len(crops) else crops)
        command = [uv, "run", "--quiet", "--python", sys.executable, "--script", str(SCRIPT), str(taken), str(given)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return f"not run: it took more than {LONGEST_SECONDS // 60} minutes"
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no reason was given"])[-1].strip()
            return f"not run: its environment could not be made or failed ({last})"
        return np.asarray(np.load(given), np.float32)


def _framed(crop: Pixels) -> Pixels:
    larger = cv2.copyMakeBorder(crop, BORDER, BORDER, BORDER, BORDER, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(larger, (FACE_CROP_SIDE, FACE_CROP_SIDE)), np.uint8)
