"""Pictures in, the detector's training canvases out: rescaled, turned, grouped, cut, put into rooms. `detector` calls it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from workers.inputs import Pixels
from workers.training.augment import cut_boxes, webcam_frame
from workers.training.coder import h264
from workers.training.datasets import Boxes, Scene

# How often each source is drawn; the webcam sessions are many frames of few people, and `own` is what a person labelled.
SHARES = {"own": 0.3, "aaf": 0.24, "webcam": 0.16, "portrait": 0.12, "selfie": 0.12, "person": 0.12, "mask": 0.14}
ROOM_SHARES = {"own": 0.3, "houses": 0.5, "scene15": 0.2, "teddy": 0.25, "wallpicture": 0.05}
P_GROUP, P_EMPTY = 0.33, 0.17
P_DAMAGE = 0.6
P_H264 = 0.12
P_NATURAL_SIZE = 0.45
FACE_SIDES = (9.0, 230.0)
# A face with a shorter side than this is not asked for, nor punished when found.
SMALLEST_FACE = 7.0
GRIDS = ((2, 1), (1, 2), (2, 2), (3, 2), (3, 3), (4, 3))


@dataclass(slots=True)
class Canvas:
    """A training picture: uint8 H x W x 3, the boxes to find and those that count neither way."""

    picture: Pixels
    boxes: Boxes
    ignored: Boxes


class Composer:
    """Draws canvases from the scenes of the training split."""

    def __init__(self, scenes: list[Scene], seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.with_faces = [scene for scene in scenes if len(scene.boxes)]
        self.rooms = [scene for scene in scenes if not len(scene.boxes) and scene.source in ROOM_SHARES]
        self.face_weights = _weights(self.with_faces, SHARES)
        self.room_weights = _weights(self.rooms, ROOM_SHARES)

    def canvas(self, width: int, height: int) -> Canvas:
        """A canvas of this size, damaged as by a poor webcam more often than not."""
        rng = self.rng
        kind = rng.random()
        if kind < P_EMPTY:
            canvas = self._room(width, height)
        elif kind < P_EMPTY + P_GROUP:
            columns, rows = GRIDS[rng.integers(len(GRIDS))]
            canvas = self._group(width, height, columns, rows)
        else:
            canvas = self._group(width, height, 1, 1)
        if rng.random() < 0.5:
            canvas = _mirrored(canvas)
        if rng.random() < 0.12:
            grey = cv2.cvtColor(canvas.picture, cv2.COLOR_RGB2GRAY)
            canvas.picture = np.repeat(grey[..., None], 3, 2).astype(np.uint8)
        elif rng.random() < 0.5:
            gains = rng.uniform(0.75, 1.25, 3).astype(np.float32)
            canvas.picture = (canvas.picture * gains).clip(0, 255).astype(np.uint8)
        if rng.random() < P_DAMAGE:
            canvas.picture = webcam_frame(canvas.picture, canvas.boxes, rng)
        if rng.random() < P_H264:
            canvas.picture = h264(canvas.picture, rng)
        return _small_set_apart(canvas)

    def _room(self, width: int, height: int) -> Canvas:
        scene = self.rooms[self.rng.choice(len(self.rooms), p=self.room_weights)]
        fit = max(width / scene.picture.shape[1], height / scene.picture.shape[0])
        return _window(scene, width, height, fit * float(np.exp(self.rng.uniform(0, 0.9))), None, self.rng)

    def _group(self, width: int, height: int, columns: int, rows: int) -> Canvas:
        """Scenes with faces in a grid of cells over a room; in a cell larger than the scaled picture the room shows through."""
        rng = self.rng
        if rng.random() < 0.7:
            base = self._room(width, height)
        else:
            shade = np.full((height, width, 3), rng.integers(0, 256), np.uint8)
            base = Canvas(shade if rng.random() < 0.5 else np.zeros_like(shade), _none(), _none())
        boxes, ignored = [_none()], [base.ignored]
        for row in range(rows):
            for column in range(columns):
                if columns * rows > 1 and rng.random() < 0.2:
                    continue
                left, right = column * width // columns, (column + 1) * width // columns
                top, bottom = row * height // rows, (row + 1) * height // rows
                piece = self._piece(right - left, bottom - top)
                high, wide = piece.picture.shape[:2]
                x = left + int(rng.integers(right - left - wide + 1))
                y = top + int(rng.integers(bottom - top - high + 1))
                base.picture[y : y + high, x : x + wide] = piece.picture
                shift = np.array([x, y, x, y], np.float32)
                ignored = [_uncovered(old, (x, y, x + wide, y + high)) for old in ignored]
                boxes.append(piece.boxes + shift)
                ignored.append(piece.ignored + shift)
        return Canvas(base.picture, np.concatenate(boxes), np.concatenate(ignored))

    def _piece(self, width: int, height: int) -> Canvas:
        """One scene with a face, scaled so that the face has a drawn size, no larger than the cell."""
        rng = self.rng
        scene = self.with_faces[rng.choice(len(self.with_faces), p=self.face_weights)]
        chosen = scene.boxes[rng.integers(len(scene.boxes))]
        fit = min(width / scene.picture.shape[1], height / scene.picture.shape[0])
        side = float(max(chosen[2] - chosen[0], chosen[3] - chosen[1]))
        if rng.random() < P_NATURAL_SIZE:
            scale = fit * float(np.exp(rng.uniform(-0.35, 0.45)))
        else:
            scale = float(np.exp(rng.uniform(*np.log(FACE_SIDES)))) / side
        scale = float(np.clip(scale, 0.22 * fit, min(3.5 * fit, 0.95 * min(width, height) / side + 0.1 * fit)))
        wide = min(width, max(int(scene.picture.shape[1] * scale), 8))
        high = min(height, max(int(scene.picture.shape[0] * scale), 8))
        return _window(scene, wide, high, scale, chosen, rng)


def _window(scene: Scene, width: int, height: int, scale: float, around: Boxes | None, rng: Generator) -> Canvas:
    """A window of the scaled and slightly turned scene; with `around`, so that this face lies in it, perhaps cut by its edge."""
    picture = scene.picture
    if scale < 0.6:
        # warpAffine samples without averaging, so shrinking is done first.
        size = (max(int(picture.shape[1] * scale), 1), max(int(picture.shape[0] * scale), 1))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    own = picture.shape[1] / scene.picture.shape[1]
    full_width, full_height = scene.picture.shape[1] * scale, scene.picture.shape[0] * scale
    x = rng.uniform(0, max(full_width - width, 0))
    y = rng.uniform(0, max(full_height - height, 0))
    if around is not None:
        x1, y1, x2, y2 = around * scale
        slack_x, slack_y = 0.2 * (x2 - x1), 0.2 * (y2 - y1)
        x = np.clip(x, x2 - width - slack_x, x1 + slack_x) if full_width > width else x
        y = np.clip(y, y2 - height - slack_y, y1 + slack_y) if full_height > height else y
    degrees = rng.uniform(-14, 14) if rng.random() < 0.35 else 0.0
    turn = cv2.getRotationMatrix2D((float(x + width / 2), float(y + height / 2)), degrees, 1.0)
    turn[:, 2] -= (x, y)
    matrix = turn.copy()
    matrix[:, :2] *= scale / own
    border = cv2.BORDER_CONSTANT if rng.random() < 0.5 else cv2.BORDER_REPLICATE
    window = cv2.warpAffine(picture, matrix, (width, height), borderMode=border).astype(np.uint8)
    boxes, neither = cut_boxes(_turned(scene.boxes * scale, turn), width, height)
    ignored = _turned(scene.ignored * scale, turn).clip(0, [width, height, width, height]).astype(np.float32)
    return Canvas(window, boxes, np.concatenate([neither, ignored]))


def _turned(boxes: Boxes, matrix: Boxes) -> Boxes:
    """Boxes whose centres were turned; a face keeps its width and height under a slight turn."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 @ matrix[:, :2].T + matrix[:, 2]
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    return np.concatenate([centre - half, centre + half], 1).astype(np.float32)


def _mirrored(canvas: Canvas) -> Canvas:
    width = canvas.picture.shape[1]

    def mirror(boxes: Boxes) -> Boxes:
        return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)

    return Canvas(np.ascontiguousarray(canvas.picture[:, ::-1]), mirror(canvas.boxes), mirror(canvas.ignored))


def _small_set_apart(canvas: Canvas) -> Canvas:
    sides = (canvas.boxes[:, 2:] - canvas.boxes[:, :2]).min(1) if len(canvas.boxes) else np.zeros(0)
    large = sides >= SMALLEST_FACE
    canvas.ignored = np.concatenate([canvas.ignored, canvas.boxes[~large]]).astype(np.float32)
    canvas.boxes = canvas.boxes[large].astype(np.float32)
    return canvas


def _uncovered(boxes: Boxes, over: tuple[int, int, int, int]) -> Boxes:
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    return boxes[~((centre >= over[:2]) & (centre <= over[2:])).all(1)]


def _weights(scenes: list[Scene], shares: dict[str, float]) -> Boxes:
    counts = {source: sum(scene.source == source for scene in scenes) for source in shares}
    weights = np.array([shares.get(scene.source, 0.02) / max(counts.get(scene.source, 1), 1) for scene in scenes])
    return np.asarray(weights / weights.sum())


def _none() -> Boxes:
    return np.zeros((0, 4), np.float32)
