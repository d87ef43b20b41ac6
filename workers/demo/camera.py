"""The student's webcam in the demo: moves a cut-out portrait a little, sets it into the room, and spoils the picture as webcams do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sin, tau

import cv2
import numpy as np
from numpy.typing import NDArray

from .portraits import Portrait
from .room import HEIGHT, WIDTH

Picture = NDArray[np.uint8]
Field = NDArray[np.float32]


@dataclass(frozen=True)
class Pose:
    """How a sitter holds still for one frame; pixels are the frame's for the body and the portrait's for the head."""

    face_x: float
    face_y: float
    scale: float
    lean_degrees: float
    head_degrees: float = 0.0
    turn_pixels: float = 0.0  # the nose's way to the side when the head turns
    nod_pixels: float = 0.0
    smile_pixels: float = 0.0  # how far the corners of the mouth rise

    def shifted(self, right: float, down: float) -> Pose:
        return replace(self, face_x=self.face_x + right, face_y=self.face_y + down)


def sway(seconds: float, periods: tuple[float, float, float], phase: float) -> float:
    """A slow, never quite repeating movement in -1..1: three sines whose periods share no multiple."""
    weights = (0.5, 0.3, 0.2)
    return sum(w * sin(tau * seconds / p + phase * k) for k, (w, p) in enumerate(zip(weights, periods, strict=True), 1))


class Sitter:
    """One portrait, ready to be posed."""

    def __init__(self, portrait: Portrait) -> None:
        self._portrait = portrait
        height, width = portrait.bgra_premultiplied.shape[:2]
        across, down = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        self._across, self._down = across, down
        neck_x, neck_y = portrait.neck_xy
        # 1 on the head, falling to 0 below the neck, so that the head turns and the shoulders stay.
        ease = np.clip((neck_y + 0.22 * portrait.face_width - down) / (0.45 * portrait.face_width), 0, 1)
        self._head: Field = (ease * ease * (3 - 2 * ease)).astype(np.float32)
        self._spin_x: Field = (-(down - neck_y) * self._head).astype(np.float32)
        self._spin_y: Field = ((across - neck_x) * self._head).astype(np.float32)
        self._nose = self._bump(portrait.face_xy, 0.42 * portrait.face_width) * self._head
        left, right = portrait.mouth_corners_xy
        self._mouth = self._bump(left, 0.09 * portrait.face_width) + self._bump(right, 0.09 * portrait.face_width)

    def _bump(self, centre: tuple[float, float], sigma: float) -> Field:
        distance = (self._across - centre[0]) ** 2 + (self._down - centre[1]) ** 2
        return np.exp(-distance / (2 * sigma * sigma)).astype(np.float32)

    def into(self, background: Picture, pose: Pose) -> Picture:
        """The background with the sitter before it, BGR uint8 (480, 640, 3)."""
        turn = np.float32(np.deg2rad(pose.head_degrees))
        map_x = self._across - turn * self._spin_x - np.float32(pose.turn_pixels) * self._nose
        map_y = self._down - turn * self._spin_y - np.float32(pose.nod_pixels) * self._nose
        map_y += np.float32(pose.smile_pixels) * self._mouth
        head_moved = cv2.remap(self._portrait.bgra_premultiplied, map_x, map_y, cv2.INTER_LINEAR)
        face_x, face_y = self._portrait.face_xy
        matrix = cv2.getRotationMatrix2D((face_x, face_y), pose.lean_degrees, pose.scale)
        matrix[:, 2] += (pose.face_x - face_x, pose.face_y - face_y)
        placed = cv2.warpAffine(head_moved, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
        seen_through = cv2.cvtColor(255 - placed[..., 3], cv2.COLOR_GRAY2BGR)
        return np.asarray(
            cv2.add(cv2.multiply(background, seen_through, scale=1 / 255), cv2.cvtColor(placed, cv2.COLOR_BGRA2BGR)), np.uint8
        )


class Sensor:
    """A cheap webcam's sensor: exposure, a bluish cast in the dark, soft focus, noise."""

    def __init__(self, rng: np.random.Generator, patterns: int = 12) -> None:
        size = (HEIGHT + 32, WIDTH + 32, 3)
        coarse = [cv2.GaussianBlur(rng.normal(0, 26, size).astype(np.float32), (0, 0), 0.9) for _ in range(patterns)]
        self._noise = [np.clip(128 + grain, 0, 255).astype(np.uint8) for grain in coarse]
        self._rng = rng

    def expose(self, scene: Picture, gain: float, noise: float = 0.35, cast: float = 0.0) -> Picture:
        """What the camera delivers; `gain` 1 is daylight, `noise` 1 is a standard deviation of some 8 levels, `cast` 0..1."""
        tint = (gain * (1 + 0.35 * cast), gain, gain * (1 - 0.25 * cast), 0.0)
        seen = cv2.multiply(scene, tint)
        x, y = (int(v) for v in self._rng.integers(0, 32, 2))
        grain = self._noise[int(self._rng.integers(len(self._noise)))][y : y + HEIGHT, x : x + WIDTH]
        # 128 is the grain's zero; both sums saturate.
        spoiled = cv2.addWeighted(seen, 1.0, grain, noise, -128.0 * noise)
        return np.asarray(cv2.GaussianBlur(spoiled, (3, 3), 0.6), np.uint8)
