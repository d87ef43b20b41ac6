"""Pictures in, distorted pictures out: the article's distortions of face crops, and what poor webcams do to whole frames."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from workers.inputs import Pixels
from workers.training.datasets import Boxes

# The article's numbers (its fastai 1.0.44 `get_transforms` call and its `_side_cutoff`).
MAX_ROTATION_DEGREES = 25.0
MAX_ZOOM = 1.25
MAX_LIGHTING = 0.5
P_AFFINE = 0.5
P_LIGHTING = 0.5
P_CUTOFF = 0.25
CUTOFF_DEPTH = (0.10, 0.25)
CUTOFF_SIDES = (0.34, 0.34, 0.16, 0.16)
# Ours: how often a crop also suffers what a poor webcam does.
P_WEBCAM = 0.35
# A cut face counts from this visible share of its area, and counts neither way down to the next.
VISIBLE_COUNTS = 0.5
VISIBLE_NEITHER = 0.12


def article_distortions(grey: Pixels, rng: Generator) -> Pixels:
    """Flip, rotation, zoom, three distortions of light, side cut-off: uint8 64 x 64 in, uint8 64 x 64 out, before CLAHE."""
    crop = grey[:, ::-1] if rng.random() < 0.5 else grey
    crop = _light(_affine(crop, rng), rng)
    return side_cutoff(crop, rng) if rng.random() < P_CUTOFF else crop


def _affine(crop: Pixels, rng: Generator) -> Pixels:
    side = crop.shape[0]
    degrees = rng.uniform(-MAX_ROTATION_DEGREES, MAX_ROTATION_DEGREES) if rng.random() < P_AFFINE else 0.0
    zoom = rng.uniform(1.0, MAX_ZOOM) if rng.random() < P_AFFINE else 1.0
    if degrees == 0.0 and zoom == 1.0:
        return np.ascontiguousarray(crop)
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), degrees, zoom)
    # A zoomed picture shows any part of the whole, not its middle only.
    matrix[:, 2] += rng.uniform(-0.5, 0.5, 2) * side * (zoom - 1)
    return _uint8(cv2.warpAffine(np.ascontiguousarray(crop), matrix, (side, side), borderMode=cv2.BORDER_REFLECT_101))


def _light(crop: Pixels, rng: Generator) -> Pixels:
    """Brightness and contrast in logit space as fastai does them, and a gamma as the third that the article's text names."""
    if rng.random() < P_LIGHTING:
        change = rng.uniform(0.5 * (1 - MAX_LIGHTING), 0.5 * (1 + MAX_LIGHTING))
        crop = _through_logits(crop, 1.0, np.log(change / (1 - change)))
    if rng.random() < P_LIGHTING:
        scale = np.exp(rng.uniform(np.log(1 - MAX_LIGHTING), -np.log(1 - MAX_LIGHTING)))
        crop = _through_logits(crop, scale, 0.0)
    if rng.random() < P_LIGHTING:
        gamma = np.exp(rng.uniform(np.log(1 - MAX_LIGHTING), -np.log(1 - MAX_LIGHTING)))
        crop = _uint8(cv2.LUT(crop, _uint8(255 * (np.arange(256) / 255) ** gamma)))
    return crop


def _through_logits(crop: Pixels, scale: float, shift: float) -> Pixels:
    level = np.clip(np.arange(256) / 255, 1e-3, 1 - 1e-3)
    table = 1 / (1 + np.exp(-(np.log(level / (1 - level)) * scale + shift)))
    return _uint8(cv2.LUT(crop, _uint8(255 * table)))


def side_cutoff(crop: Pixels, rng: Generator) -> Pixels:
    """One side of a crop turned black, as where the frame cuts a face and the square goes on: 10-25 % deep."""
    side = crop.shape[0]
    depth = int(rng.integers(int(CUTOFF_DEPTH[0] * side), int(CUTOFF_DEPTH[1] * side)))
    crop = crop.copy()
    where = rng.choice(4, p=CUTOFF_SIDES)
    if where == 0:
        crop[:depth] = 0
    elif where == 1:
        crop[side - depth :] = 0
    elif where == 2:
        crop[:, :depth] = 0
    else:
        crop[:, side - depth :] = 0
    return crop


def webcam_crop(crop: Pixels, rng: Generator) -> Pixels:
    """A crop as a poor webcam shows it: small and enlarged, blurred, noisy, JPEG; each by chance."""
    side = crop.shape[0]
    if rng.random() < 0.6:
        crop = enlarged(crop, float(rng.uniform(18, 48)) / side)
    if rng.random() < 0.3:
        crop = _uint8(cv2.GaussianBlur(crop, (0, 0), float(rng.uniform(0.5, 1.6))))
    if rng.random() < 0.4:
        crop = noisy(crop, float(rng.uniform(2, 14)), rng)
    return jpeg(crop, int(rng.integers(12, 60))) if rng.random() < 0.5 else crop


def covered_mouth(crop: Pixels, rng: Generator) -> Pixels:
    """A hand before the mouth: fingers of the cheeks' brightness, drawn from below; what is behind them can be no smile in a reel."""
    side = crop.shape[0]
    skin = float(np.median(crop[side // 3 : 2 * side // 3, side // 4 : 3 * side // 4]))
    hand = crop.copy()
    foot = np.array([rng.uniform(0.0, 1.0), rng.uniform(1.0, 1.25)]) * side
    middle = np.array([rng.uniform(0.4, 0.6), rng.uniform(0.72, 0.82)]) * side
    reach = middle - foot
    across = np.array([-reach[1], reach[0]]) / max(float(np.hypot(*reach)), 1e-6)
    width = rng.uniform(0.11, 0.16) * side
    for finger in np.linspace(-1.5, 1.5, 4):
        start = foot + across * finger * width * 0.8
        tip = middle + across * finger * width + reach * rng.uniform(0.15, 0.5)
        corners = [(int(x), int(y)) for x, y in (start, tip)]
        cv2.line(hand, corners[0], corners[1], skin * float(rng.uniform(0.7, 0.9)), int(width * 1.25))
        cv2.line(hand, corners[0], corners[1], min(skin * float(rng.uniform(0.9, 1.15)), 255.0), int(width))
    return _uint8(cv2.GaussianBlur(hand, (0, 0), 0.8))


def enlarged(picture: Pixels, factor: float) -> Pixels:
    """Shrunk by `factor` and enlarged to its old size, as a small camera picture shown large."""
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (max(int(width * factor), 2), max(int(height * factor), 2)), interpolation=cv2.INTER_AREA)
    return _uint8(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))


def noisy(picture: Pixels, spread: float, rng: Generator) -> Pixels:
    """Sensor noise of this standard deviation, in grey levels."""
    noise = rng.standard_normal(picture.shape, dtype=np.float32) * spread
    return _uint8(picture + noise)


def jpeg(picture: Pixels, quality: int) -> Pixels:
    """Through JPEG and back."""
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return _uint8(cv2.imdecode(data, cv2.IMREAD_UNCHANGED))


def dark(frame: Pixels, rng: Generator) -> Pixels:
    """A dark room: the curve bent down, little light left, and the sensor's noise."""
    gamma, gain = rng.uniform(1.1, 2.2), rng.uniform(0.25, 0.65)
    shaded = cv2.LUT(frame, _uint8(255 * gain * (np.arange(256) / 255) ** gamma)).astype(np.uint8)
    return noisy(shaded, float(rng.uniform(2, 8)), rng)


def lamp(frame: Pixels, rng: Generator) -> Pixels:
    """A lamp in the frame: a burnt-out spot with a glow, and the exposure of everything else turned down."""
    height, width = frame.shape[:2]
    x, y = rng.uniform(0, width), rng.uniform(0, 0.6 * height)
    radius = rng.uniform(0.05, 0.16) * max(height, width)
    ys, xs = np.ogrid[:height, :width]
    distance = np.sqrt((xs - x) ** 2 + (ys - y) ** 2).astype(np.float32)
    glow = np.exp(-((distance / (2.2 * radius)) ** 2)) * 200 + (distance < radius) * 255
    tint = np.array([1.0, rng.uniform(0.85, 1.0), rng.uniform(0.6, 1.0)], np.float32)
    return _uint8(frame * np.float32(rng.uniform(0.35, 0.8)) + glow[..., None] * tint)


def bright_window(frame: Pixels, boxes: Boxes, rng: Generator) -> Pixels:
    """A bright window behind: a glaring rectangle that spares the people before it, who turn dark."""
    height, width = frame.shape[:2]
    mask = np.zeros((height, width), np.float32)
    x, y = rng.uniform(-0.1, 0.7) * width, rng.uniform(-0.1, 0.4) * height
    far = (int(x + rng.uniform(0.3, 0.7) * width), int(y + rng.uniform(0.3, 0.8) * height))
    cv2.rectangle(mask, (int(x), int(y)), far, 1.0, -1)
    for x1, y1, x2, y2 in boxes:
        centre = (int((x1 + x2) / 2), int((y1 + y2) / 2))
        cv2.ellipse(mask, centre, (int(0.65 * (x2 - x1)), int(0.65 * (y2 - y1))), 0, 0, 360, 0.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), max(height, width) * 0.012)[..., None]
    return _uint8(frame * np.float32(rng.uniform(0.3, 0.7)) * (1 - 0.6 * mask) + 245 * mask * np.float32(rng.uniform(0.7, 1.0)))


def webcam_frame(frame: Pixels, boxes: Boxes, rng: Generator) -> Pixels:
    """A frame as a poor webcam shows it: light first, then optics, then the coder. Positions stay, so boxes stay."""
    light = rng.random()
    if light < 0.22:
        frame = dark(frame, rng)
    elif light < 0.36:
        frame = lamp(frame, rng)
    elif light < 0.52:
        frame = bright_window(frame, boxes, rng)
    if rng.random() < 0.4:
        frame = enlarged(frame, float(rng.uniform(0.3, 0.75)))
    if rng.random() < 0.25:
        frame = _uint8(cv2.GaussianBlur(frame, (0, 0), float(rng.uniform(0.6, 2.0))))
    if rng.random() < 0.35:
        frame = noisy(frame, float(rng.uniform(3, 16)), rng)
    return jpeg(frame, int(rng.integers(12, 36))) if rng.random() < 0.5 else frame


def cut_boxes(boxes: Boxes, width: float, height: float) -> tuple[Boxes, Boxes]:
    """Boxes after a picture's edges moved: those still at least half in view, clipped, and those that count neither way."""
    if not len(boxes):
        return boxes, boxes
    clipped = boxes.clip(0, np.array([width, height, width, height], np.float32))
    visible = np.prod(clipped[:, 2:] - clipped[:, :2], 1) / np.maximum(np.prod(boxes[:, 2:] - boxes[:, :2], 1), 1e-6)
    counts = visible >= VISIBLE_COUNTS
    return clipped[counts], clipped[(visible >= VISIBLE_NEITHER) & ~counts]


def low_quality(frame: Pixels, boxes: Boxes, ignored: Boxes, rng: Generator) -> tuple[Pixels, Boxes, Boxes]:
    """The low-quality twin of a picture: cut at the side by chance, then what a poor webcam does.

    Args:
        frame: uint8 H x W x 3.
        boxes: the faces, float32 N x 4.
        ignored: boxes that count neither way, likewise.
        rng: draws the damage.

    Returns:
        The picture, the faces' boxes in it, and the boxes that count neither way.
    """
    if len(boxes) and rng.random() < 0.25:
        # The cut runs through a face, a fifth to two fifths deep, from the left or the right.
        x1, _, x2, _ = boxes[rng.integers(len(boxes))]
        depth = rng.uniform(0.2, 0.4) * (x2 - x1)
        width = frame.shape[1]
        if x1 < width - x2:
            start, stop = int(min(max(x1 + depth, 0), width - 8)), width
        else:
            start, stop = 0, int(max(min(x2 - depth, width), 8))
        frame = np.ascontiguousarray(frame[:, start:stop])
        moved, edges = np.array([start, 0, start, 0], np.float32), np.array([stop - start, frame.shape[0]] * 2, np.float32)
        boxes, neither = cut_boxes(boxes - moved, stop - start, frame.shape[0])
        ignored = (ignored - moved).clip(0, edges)
        ignored = np.concatenate([ignored[(ignored[:, 2:] > ignored[:, :2]).all(1)], neither])
    return webcam_frame(frame, boxes, rng), boxes, ignored


def _uint8(values: object) -> Pixels:
    array = np.asarray(values)
    return array if array.dtype == np.uint8 else array.clip(0, 255).astype(np.uint8)
