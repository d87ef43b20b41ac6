"""What stands beside the child: an adult without a head in the frame, or a thing that is taken for one. Layers for `compose.py`."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.demo.camera import sway
from workers.training.archive import Archive
from workers.training.shoulder_frames import HEAD_SHARE, _toned

from .frame import CANVAS, HEIGHT, MARGIN, WIDTH, Picture

# How far an adult sways to each side; things hang still. Camera and adult together may shift the layer by some 28 pixels.
SWAY_PIXELS = 14.0
SHIFT_PIXELS = 28
# Which share of the frame shows of an adult or a thing, however both sway.
VISIBLE = (0.05, 0.36)
HEAD_OF_FRAME = (0.26, 0.6)
# Where the child sits while somebody is on its right-hand side of the picture, in pixels of the canvas: nothing may stand there.
CHILD_XYXY = (MARGIN + 140, MARGIN + 120, MARGIN + 390, MARGIN + 360)
# Places tried for one adult before another one's turn; close portraits show too little of a body and never fit.
TRIES = 30


@dataclass(frozen=True)
class Layer:
    """Something before the canvas: BGR uint8 times its opacity, 255 minus its opacity, and how it moves. `side` is -1 left, 1 right."""

    file: str
    premultiplied: Picture
    through: Picture
    side: int
    sway_pixels: float = 0.0
    phase: float = 0.0

    def over(self, canvas: Picture, second: float) -> Picture:
        """The canvas with the layer before it at this time."""
        right = self.sway_pixels * sway(second, (9.1, 4.7, 2.9), self.phase)
        down = 0.4 * self.sway_pixels * sway(second, (7.3, 5.1, 2.3), self.phase + 1)
        matrix = np.array([[1, 0, right], [0, 1, down]], np.float32)
        placed = cv2.warpAffine(self.premultiplied, matrix, CANVAS, borderMode=cv2.BORDER_REPLICATE)
        through = cv2.warpAffine(self.through, matrix, CANVAS, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(cv2.add(cv2.multiply(canvas, through, scale=1 / 255), placed), np.uint8)


@dataclass(frozen=True)
class _Adult:
    file: str
    bgra: Picture
    chin: float
    head: float
    inner: float | None  # left of it there is no head, hair included


class Beside:
    """Deals out layers; `files` are cut-outs of adults of the test side, `rooms` pictures whose furniture fills outlines."""

    def __init__(self, archive: Archive, files: list[str], rooms: list[Picture], seed: int) -> None:
        self._rng = np.random.default_rng((seed, 1))
        self._adults = _read_adults(archive, files)
        self._rooms = rooms
        self._queue: list[_Adult] = []

    def shoulder(self, backdrop: Picture) -> Layer:
        """An adult at the frame's side or behind the child, the head outside the frame; in the light of the backdrop."""
        adult, layer = self._standing(None)
        layer = np.asarray(_toned(layer, backdrop, self._rng), np.uint8)
        return self._finished(adult.file, layer, SWAY_PIXELS)

    def thing(self, backdrop: Picture) -> Layer:
        """A curtain, the back of a chair, or an adult's outline filled with furniture."""
        kind = ("curtain", "chair", "furniture")[int(self._rng.integers(3))]
        if kind == "furniture":
            room = self._rooms[int(self._rng.integers(len(self._rooms)))]
            _, layer = self._standing(room)
        else:
            layer = self._curtain() if kind == "curtain" else self._chair()
        return self._finished(kind, np.asarray(_toned(layer, backdrop, self._rng), np.uint8), 0.0)

    def _standing(self, texture: Picture | None) -> tuple[_Adult, Picture]:
        for _ in range(2 * len(self._adults)):
            if not self._queue:
                self._queue = [self._adults[index] for index in self._rng.permutation(len(self._adults))]
            adult = self._queue.pop()
            placed = (self._placed(adult) for _ in range(TRIES))
            layer = next((layer for layer in placed if layer is not None and _fits(layer[..., 3])), None)
            if layer is None:
                continue
            if texture is not None:
                y, x = (int(self._rng.integers(0, side // 2)) for side in texture.shape[:2])
                part = texture[y : y + texture.shape[0] // 2, x : x + texture.shape[1] // 2]
                layer[..., :3] = cv2.resize(part, CANVAS, interpolation=cv2.INTER_LINEAR)
            return adult, layer
        raise ValueError(f"none of the {len(self._adults)} cut-outs fits beside a child")

    def _placed(self, adult: _Adult) -> Picture | None:
        """BGRA on the canvas's right side: head above the frame, or beyond its side; the body goes on below the frame."""
        rng = self._rng
        scale = float(rng.uniform(*HEAD_OF_FRAME)) * HEIGHT / adult.head
        high, wide = (scale * side for side in adult.bgra.shape[:2])
        lowest_top = MARGIN + HEIGHT + SHIFT_PIXELS - high
        if adult.inner is None or rng.random() < 0.5:
            y = MARGIN - float(rng.uniform(30, 100)) - scale * adult.chin
            x = MARGIN + WIDTH * float(rng.uniform(0.78, 1.0)) - wide / 2
            if y < lowest_top:
                return None
        else:
            x = MARGIN + WIDTH + 24 - scale * adult.inner + float(rng.uniform(0, 0.1)) * WIDTH
            top = max(lowest_top, MARGIN - 0.4 * HEIGHT)
            if top > MARGIN + 0.5 * HEIGHT:
                return None
            y = float(rng.uniform(top, MARGIN + 0.5 * HEIGHT))
        matrix = np.array([[scale, 0, x], [0, scale, y]], np.float32)
        return np.asarray(cv2.warpAffine(adult.bgra, matrix, CANVAS, flags=cv2.INTER_LINEAR), np.uint8)

    def _curtain(self) -> Picture:
        rng = self._rng
        layer = np.zeros((CANVAS[1], CANVAS[0], 4), np.uint8)
        left = MARGIN + round(WIDTH * float(rng.uniform(0.76, 0.88)))
        across = np.arange(CANVAS[0] - left) / float(rng.uniform(14, 34))
        folds = 1 + 0.22 * np.sin(2 * np.pi * across + float(rng.uniform(0, 6))) + 0.08 * np.sin(4.6 * np.pi * across)
        colour = rng.uniform(40, 200, 3)
        layer[:, left:, :3] = np.clip(folds[None, :, None] * colour, 0, 255)
        layer[:, left:, 3] = 255
        return layer

    def _chair(self) -> Picture:
        rng = self._rng
        layer = np.zeros((CANVAS[1], CANVAS[0], 4), np.uint8)
        left, top = (
            MARGIN + round(WIDTH * float(rng.uniform(0.68, 0.82))),
            MARGIN + round(HEIGHT * float(rng.uniform(0.25, 0.55))),
        )
        right, radius = left + round(WIDTH * float(rng.uniform(0.2, 0.34))), 34
        outline: Picture = np.zeros(layer.shape[:2], np.uint8)
        cv2.rectangle(outline, (left + radius, top + radius), (right - radius, CANVAS[1] + radius), 255, -1)
        outline = np.asarray(cv2.dilate(outline, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)), np.uint8)
        shade = np.linspace(1.25, 0.75, CANVAS[1])[:, None, None]
        layer[..., :3] = np.clip(rng.uniform(20, 150, 3) * shade, 0, 255)
        layer[..., 3] = outline
        return layer

    def _finished(self, file: str, layer: Picture, sway_pixels: float) -> Layer:
        side = 1 if self._rng.random() < 0.5 else -1
        layer = np.ascontiguousarray(layer[:, ::side])
        opacity = np.asarray(cv2.GaussianBlur(layer[..., 3], (0, 0), 1.6), np.uint8)
        alpha = np.asarray(cv2.cvtColor(opacity, cv2.COLOR_GRAY2BGR), np.uint8)
        premultiplied = np.asarray(cv2.multiply(layer[..., :3], alpha, scale=1 / 255), np.uint8)
        phase = float(self._rng.uniform(0, 6))
        return Layer(file, premultiplied, np.asarray(255 - alpha, np.uint8), side, sway_pixels, phase)


def _fits(opacity: Picture) -> bool:
    """Enough of it shows, not too much, and the child's place stays free, wherever it sways."""
    for shift in (-SHIFT_PIXELS, SHIFT_PIXELS):
        shown: NDArray[np.bool_] = np.roll(opacity, shift, axis=1) > 127
        share = shown[MARGIN : MARGIN + HEIGHT, MARGIN : MARGIN + WIDTH].mean()
        x1, y1, x2, y2 = CHILD_XYXY
        if not VISIBLE[0] <= share <= VISIBLE[1] or shown[y1:y2, x1:x2].mean() > 0.05:
            return False
    return True


def _read_adults(archive: Archive, files: list[str]) -> list[_Adult]:
    known = {row["file"]: row for row in archive.rows("cutouts.csv")}
    adults = []
    for file in files:
        row = known[file]
        bgra = np.asarray(cv2.cvtColor(archive.cutout(file), cv2.COLOR_RGBA2BGRA), np.uint8)
        if row["face_x1"]:
            x1, y1, x2, y2 = (float(row[key]) for key in ("face_x1", "face_y1", "face_x2", "face_y2"))
            adults.append(_Adult(file, bgra, y2 + 0.15 * (y2 - y1), y2 - y1, x1 - 0.45 * (x2 - x1)))
        else:
            chin = HEAD_SHARE * bgra.shape[0]
            adults.append(_Adult(file, bgra, chin, 0.6 * chin, None))
    return adults
