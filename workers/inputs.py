"""Frames and face pictures in, the exact pixels each model looks at out. Cropping, serving and training all call this one module."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

FACE_CROP_SIDE = 64
# Both public sets of crops frame a face in a square of 0.95-0.97 of the longer side of its box (YuNet on 200 of each), so none is added.
FACE_MARGIN = 0.0
CLAHE_CLIP_LIMIT = 2.0
CLAHE_TILES = (4, 4)
DETECTOR_LONGEST_SIDE = 320
SHOULDER_WIDTH = 160
SHOULDER_HEIGHT = 128


def _resized(picture: Pixels, width: int, height: int) -> Pixels:
    shrinking = picture.shape[0] * picture.shape[1] > width * height
    resized = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)
    return np.asarray(resized, dtype=np.uint8)


def face_square(frame_rgb: Pixels, box_xyxy: Sequence[float]) -> Pixels:
    """The box grown to a square about its centre; what lies outside the frame is black (the article's step 1).

    Args:
        frame_rgb: uint8, H x W x 3.
        box_xyxy: left, top, right and bottom in pixels of the frame; it may reach over the frame's edge.

    Returns:
        uint8, side x side x 3, side being the box's longer side and at least one pixel.

    Raises:
        ValueError: the box is not four finite numbers.
    """
    corners = np.asarray(box_xyxy, dtype=np.float64)
    if corners.shape != (4,) or not np.isfinite(corners).all():
        raise ValueError(f"a face's box needs four finite numbers, not {box_xyxy}")
    left, top, right, bottom = corners
    frame_height, frame_width = frame_rgb.shape[:2]
    longest = max(right - left, bottom - top) * (1 + FACE_MARGIN)
    # A box can be no more than twice as large as its frame, so that a wild one cannot ask for gigabytes.
    side = int(np.clip(round(longest), 1, 2 * max(frame_height, frame_width)))
    x0 = round((left + right - side) / 2)
    y0 = round((top + bottom - side) / 2)
    square = np.zeros((side, side, 3), dtype=np.uint8)
    seen = frame_rgb[max(y0, 0) : max(y0 + side, 0), max(x0, 0) : max(x0 + side, 0)]
    if seen.size:
        to_y, to_x = max(-y0, 0), max(-x0, 0)
        square[to_y : to_y + seen.shape[0], to_x : to_x + seen.shape[1]] = seen
    return square


def grey_crop(square: Pixels) -> Pixels:
    """Scaled to 64 x 64, then grey, in the article's order.

    Args:
        square: uint8, H x W x 3 (RGB) or H x W (already grey), at least one pixel.

    Returns:
        uint8, 64 x 64.
    """
    scaled = _resized(square, FACE_CROP_SIDE, FACE_CROP_SIDE)
    return scaled if scaled.ndim == 2 else np.asarray(cv2.cvtColor(scaled, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def clahe(grey: Pixels) -> Pixels:
    """Contrast evened out tile by tile (clip limit 2.0, 4 x 4 tiles): uint8 64 x 64 in, uint8 64 x 64 out."""
    return np.asarray(cv2.createCLAHE(CLAHE_CLIP_LIMIT, CLAHE_TILES).apply(grey), dtype=np.uint8)


def face_crop(frame_rgb: Pixels, box_xyxy: Sequence[float]) -> Pixels:
    """What the classifiers see of one face: `face_square`, `grey_crop` and `clahe` in a row.

    Args:
        frame_rgb: uint8, H x W x 3.
        box_xyxy: the detector's box in pixels of the frame.

    Returns:
        uint8, 64 x 64.
    """
    return clahe(grey_crop(face_square(frame_rgb, box_xyxy)))


def crop_of_face_picture(picture_rgb: Pixels) -> Pixels:
    """The same for a picture that already is a face crop.

    Args:
        picture_rgb: uint8, H x W x 3 or H x W; a picture that is not square is centred on a black square first.

    Returns:
        uint8, 64 x 64.
    """
    height, width = picture_rgb.shape[:2]
    if height == width:
        return clahe(grey_crop(picture_rgb))
    # Scaled before it is padded: a 1 x 12,000 strip would otherwise ask for a square of 432 MB.
    scale = FACE_CROP_SIDE / max(height, width)
    scaled = _resized(picture_rgb, max(round(width * scale), 1), max(round(height * scale), 1))
    side = max(scaled.shape[:2])
    padded = np.zeros((side, side, *scaled.shape[2:]), dtype=np.uint8)
    y0, x0 = (side - scaled.shape[0]) // 2, (side - scaled.shape[1]) // 2
    padded[y0 : y0 + scaled.shape[0], x0 : x0 + scaled.shape[1]] = scaled
    return clahe(grey_crop(padded))


def detector_input(frame_rgb: Pixels) -> tuple[Pixels, float]:
    """The frame at the detector's resolution.

    Args:
        frame_rgb: uint8, H x W x 3.

    Returns:
        The frame scaled so that its longest side has 320 pixels (uint8, h x w x 3, no side below one pixel), and the factor by
        which it was scaled: a box in the frame is the detector's box divided by it.
    """
    height, width = frame_rgb.shape[:2]
    scale = DETECTOR_LONGEST_SIDE / max(height, width)
    return _resized(frame_rgb, max(round(width * scale), 1), max(round(height * scale), 1)), scale


def shoulder_input(frame_rgb: Pixels) -> Pixels:
    """The whole frame, stretched to 160 x 128: uint8 H x W x 3 in, uint8 128 x 160 x 3 out."""
    return _resized(frame_rgb, SHOULDER_WIDTH, SHOULDER_HEIGHT)
