"""A still in, the same still as a low-bit-rate H.264 stream shows it out. `composites` damages training pictures with it."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np
from numpy.random import Generator

from workers.inputs import Pixels

# libx264's constant rate factor: from visibly soft to blocks in place of a face.
QUALITY_LOSS = (30, 44)
MOST_FRAMES = 3
LARGEST_SHIFT_PIXELS = 3.0


def h264(frame: Pixels, rng: Generator) -> Pixels:
    """The last of one to three frames through libx264 and back, the picture moving a little, as a hand-held or poor webcam sends it.

    Args:
        frame: uint8 H x W x 3, RGB, H and W even.
        rng: draws the quality, the number of frames and the movement.

    Returns:
        uint8 H x W x 3; the picture stands where it stood.
    """
    height, width = frame.shape[:2]
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, height, "yuv420p", Fraction(1, 15)
    quality = str(int(rng.integers(QUALITY_LOSS[0], QUALITY_LOSS[1] + 1)))
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": quality, "threads": "1"}
    decoder = av.CodecContext.create("h264", "r")
    count = int(rng.integers(1, MOST_FRAMES + 1))
    shift = rng.uniform(-LARGEST_SHIFT_PIXELS, LARGEST_SHIFT_PIXELS, 2)
    packets = []
    for index in range(count):
        x, y = shift * (count - 1 - index)
        moved = frame
        if index < count - 1:
            matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
            moved = np.asarray(cv2.warpAffine(frame, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)
        packets += encoder.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(moved), format="rgb24"))
    packets += encoder.encode(None)
    decoded = [picture for packet in packets for picture in decoder.decode(packet)] + decoder.decode(None)
    return np.asarray(decoded[-1].to_ndarray(format="rgb24"), np.uint8)
