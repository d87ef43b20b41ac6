"""The size of the composed lesson's frames, and the canvas around them; for all who draw on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
WIDTH, HEIGHT = 640, 480
MARGIN = 32  # the canvas is larger than the frame on each side, so that the camera may sway
CANVAS = (WIDTH + 2 * MARGIN, HEIGHT + 2 * MARGIN)
