"""A lamp in the picture or a bright window behind the child, as a layer that dims and adds; `compose.py` lays it over the canvas."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from .frame import CANVAS, HEIGHT, MARGIN, WIDTH, Picture

P_LAMP, P_WINDOW = 0.12, 0.14


@dataclass(frozen=True)
class Light:
    """`gain` float32 and `glow` uint8, both of the canvas's size with three channels."""

    gain: NDArray[np.float32]
    glow: Picture

    def over(self, picture: Picture) -> Picture:
        """The picture in this light."""
        dimmed = cv2.multiply(picture, self.gain, dtype=cv2.CV_8U)
        return np.asarray(cv2.add(dimmed, self.glow), np.uint8)


def draw_light(rng: Generator, taken_side: int) -> Light | None:
    """By lot: mostly daylight (None), now and then a lamp or a window, never before what stands at the taken side (-1, 0, 1)."""
    kind, left = rng.random(), taken_side == 1 or (taken_side == 0 and rng.random() < 0.5)
    if kind < P_LAMP:
        return _lamp(rng, left)
    return _window(rng, left) if kind < P_LAMP + P_WINDOW else None


def _lamp(rng: Generator, left: bool) -> Light:
    """A burnt-out spot with a glow at one side, and everything else exposed less."""
    x = MARGIN + WIDTH * (rng.uniform(0.02, 0.15) if left else rng.uniform(0.85, 0.98))
    y, radius = MARGIN + HEIGHT * rng.uniform(0.05, 0.4), rng.uniform(20, 50)
    across, down = np.meshgrid(np.arange(CANVAS[0]), np.arange(CANVAS[1]))
    distance = np.hypot(across - x, down - y)
    glow = 190 * np.exp(-((distance / (2.4 * radius)) ** 2)) + 255 * (distance < radius)
    tinted = np.clip(glow[..., None] * np.array([rng.uniform(0.6, 1), rng.uniform(0.85, 1), 1]), 0, 255)
    return Light(np.full(tinted.shape, rng.uniform(0.55, 0.85), np.float32), tinted.astype(np.uint8))


def _window(rng: Generator, left: bool) -> Light:
    """A glaring rectangle at one side behind, and people turned dark before it."""
    mask = np.zeros((CANVAS[1], CANVAS[0]), np.float32)
    x = MARGIN + WIDTH * (rng.uniform(-0.1, 0.02) if left else rng.uniform(0.8, 0.9))
    y = MARGIN + HEIGHT * rng.uniform(-0.1, 0.2)
    far = (int(x + WIDTH * rng.uniform(0.14, 0.22)), int(y + HEIGHT * rng.uniform(0.3, 0.6)))
    cv2.rectangle(mask, (int(x), int(y)), far, 1.0, -1)
    soft = cv2.GaussianBlur(mask, (0, 0), 7)[..., None]
    gain = (rng.uniform(0.5, 0.8) * (1 - 0.7 * soft)).astype(np.float32)
    glow = (soft * rng.uniform(190, 235)).astype(np.uint8)
    return Light(np.repeat(gain, 3, axis=2), np.repeat(glow, 3, axis=2))
