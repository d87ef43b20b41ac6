"""Composed frames for the parent's-shoulder model: an adult with the head outside the frame beside someone else, and traps without one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from workers.inputs import Pixels, shoulder_input
from workers.training.archive import Archive
from workers.training.augment import webcam_frame
from workers.training.datasets import Boxes, Scene, cutout_group, scenes
from workers.training.splits import Split, split_of

FRAME_SIZES = ((320, 240), (320, 240), (320, 180), (240, 320))
ROOMS = ("houses", "scene15")
PEOPLE = ("webcam", "selfie", "portrait", "person", "aaf")
P_OWN_PICTURE, P_EMPTY_ROOM = 0.55, 0.08
P_TRAP, P_DAMAGE = 0.6, 0.5
# How much of the frame an adult's visible part may fill.
VISIBLE = (0.045, 0.42)
# Where no face was found in a cut-out, its head is taken to be this share of its height.
HEAD_SHARE = 0.24


@dataclass(frozen=True, slots=True)
class Cutout:
    """A person cut out: `rgba` uint8 H x W x 4, `chin` the row below the head, `face` left, top, right, bottom if known."""

    rgba: Pixels
    chin: float
    face: tuple[float, float, float, float] | None


class ShoulderFrames:
    """Draws labelled frames from the people, rooms and cut-outs of one split."""

    def __init__(self, data: Path, split: Split, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        known = list(scenes(data, (split,)))
        self.rooms = [_smaller(scene) for scene in known if scene.source in ROOMS]
        self.toys = [_smaller(scene) for scene in known if scene.source == "teddy"]
        alone = [scene for scene in known if len(scene.boxes) == 1 and not len(scene.ignored)]
        self.people = {source: [_smaller(scene) for scene in alone if scene.source == source] for source in PEOPLE}
        self.people = {source: found for source, found in self.people.items() if found}
        self.adults = _cutouts(data, split)
        self.sitters = [cutout for cutout in self.adults if cutout.face is not None]

    def frame(self, positive: bool) -> Pixels:
        """A frame as the model sees it, uint8 128 x 160 x 3: with a parent's shoulder, or without."""
        rng = self.rng
        width, height = FRAME_SIZES[rng.integers(len(FRAME_SIZES))]
        while True:
            frame, boxes = self._base(width, height)
            if positive:
                done = self._beside(frame, boxes, self._adult(None))
            elif rng.random() < P_TRAP:
                done = self._beside(frame, boxes, self._trap())
            else:
                done = True
            if done:
                break
        if rng.random() < P_DAMAGE:
            frame = webcam_frame(frame, boxes, rng)
        if rng.random() < 0.5:
            frame = np.ascontiguousarray(frame[:, ::-1])
        return shoulder_input(frame)

    def _base(self, width: int, height: int) -> tuple[Pixels, Boxes]:
        """Someone in a room, or an empty room, before the parent: a person's own picture, or a cut-out over a room."""
        rng = self.rng
        kind = rng.random()
        if kind < P_OWN_PICTURE:
            source = list(self.people)[rng.integers(len(self.people))]
            scene = self.people[source][rng.integers(len(self.people[source]))]
            return _filled(scene, width, height, rng)
        frame, _ = _filled(self.rooms[rng.integers(len(self.rooms))], width, height, rng)
        if kind < P_OWN_PICTURE + P_EMPTY_ROOM:
            return frame, np.zeros((0, 4), np.float32)
        sitter = self.sitters[rng.integers(len(self.sitters))]
        x1, y1, x2, y2 = cast(tuple[float, float, float, float], sitter.face)
        scale = float(rng.uniform(0.18, 0.42)) * height / (y2 - y1)
        x = rng.uniform(0.3, 0.7) * width - scale * (x1 + x2) / 2
        y = rng.uniform(0.1, 0.35) * height - scale * y1
        _paste(frame, _toned(sitter.rgba, frame, rng), scale, x, y, rng)
        return frame, np.array([[x + scale * x1, y + scale * y1, x + scale * x2, y + scale * y2]], np.float32)

    def _adult(self, texture: Pixels | None) -> Cutout:
        adult = self.adults[self.rng.integers(len(self.adults))]
        rgba = adult.rgba.copy()
        if texture is not None:
            size = (rgba.shape[1], rgba.shape[0])
            rgba[..., :3] = cv2.resize(texture, size, interpolation=cv2.INTER_AREA)
        if self.rng.random() < 0.5:
            rgba = rgba[:, ::-1]
            face = adult.face
            wide = rgba.shape[1]
            face = None if face is None else (wide - face[2], face[1], wide - face[0], face[3])
            return Cutout(np.ascontiguousarray(rgba), adult.chin, face)
        return Cutout(rgba, adult.chin, adult.face)

    def _trap(self) -> Cutout:
        """The same outline at the same place, but filled with furniture, curtain or fur: not the pasting may give a parent away."""
        pool = self.toys if self.toys and self.rng.random() < 0.25 else self.rooms
        room = pool[self.rng.integers(len(pool))].picture
        high, wide = room.shape[:2]
        part = float(self.rng.uniform(0.15, 0.6))
        y, x = int(self.rng.uniform(0, (1 - part) * high)), int(self.rng.uniform(0, (1 - part) * wide))
        return self._adult(room[y : y + max(int(part * high), 8), x : x + max(int(part * wide), 8)])

    def _beside(self, frame: Pixels, boxes: Boxes, person: Cutout) -> bool:
        """Pastes the person so that the head is outside the frame; False if too little or too much of it would show."""
        rng = self.rng
        height, width = frame.shape[:2]
        rgba = _toned(person.rgba, frame, rng)
        high, wide = rgba.shape[:2]
        for _ in range(8):
            body = max(high - person.chin, 0.3 * high)
            scale = float(rng.uniform(0.7, 1.7)) * height / body
            if person.face is not None:
                # An adult's head beside the camera is 0.25 to 0.6 of the frame's height.
                scale = float(rng.uniform(0.25, 0.6)) * height / (person.face[3] - person.face[1])
            if rng.random() < 0.5:
                y = -scale * person.chin - rng.uniform(0, 0.12) * height
                x = rng.choice([-1, 1]) * rng.uniform(0.28, 0.62) * width + width / 2 - scale * wide / 2
            else:
                y = rng.uniform(-0.3, 0.6) * height
                inner = (person.face[0] if person.face else 0.35 * wide) * scale
                x = width - min(inner, rng.uniform(0.08, 0.4) * width)
            mask = np.zeros((height, width, 4), np.uint8)
            _paste_raw(mask, rgba[..., 3], scale, x, y)
            shown = mask[..., 3] > 127
            if not VISIBLE[0] <= shown.mean() <= VISIBLE[1] or self._hides(shown, boxes):
                continue
            _paste(frame, rgba, scale, x, y, rng)
            return True
        return False

    @staticmethod
    def _hides(shown: NDArray[np.bool_], boxes: Boxes) -> bool:
        return any(
            shown[max(int(y1), 0) : max(int(y2), 1), max(int(x1), 0) : max(int(x2), 1)].mean() > 0.3
            for x1, y1, x2, y2 in boxes
            if x2 > 1 and y2 > 1 and x1 < shown.shape[1] - 1 and y1 < shown.shape[0] - 1
        )


def composed(data: Path, split: Split, count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Fixed frames of a split, every other one with a parent: uint8 N x 3 x 128 x 160, and 1 or 0."""
    frames = ShoulderFrames(data, split, seed)
    pixels = np.stack([frames.frame(index % 2 == 0) for index in range(count)])
    truth = (np.arange(count) % 2 == 0).astype(np.float32)
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)), truth


def _cutouts(data: Path, split: Split) -> list[Cutout]:
    archive = Archive(data, "cutouts")
    # Cut-outs of several adults are clothes and limbs to learn from too; measured is on single ones only.
    tags = ("adult", "several") if split == "train" else ("adult",)
    found = []
    for row in archive.rows("cutouts.csv"):
        if row["tag"] not in tags or split_of(cutout_group(row["file"])) != split:
            continue
        rgba = archive.cutout(row["file"])
        face = None
        if row["face_x1"]:
            face = (float(row["face_x1"]), float(row["face_y1"]), float(row["face_x2"]), float(row["face_y2"]))
        # The hair of a bent head and a chin lie a little beyond the face's box.
        chin = face[3] + 0.12 * (face[3] - face[1]) if face else HEAD_SHARE * rgba.shape[0]
        found.append(Cutout(rgba, chin, face))
    return found


def _smaller(scene: Scene) -> Scene:
    """At most 400 pixels wide and high, since the model sees 160 x 128."""
    scale = min(400 / max(scene.picture.shape[:2]), 1.0)
    size = (round(scene.picture.shape[1] * scale), round(scene.picture.shape[0] * scale))
    picture = cv2.resize(scene.picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    return Scene(scene.file, scene.source, scene.split, picture, scene.boxes * np.float32(scale), scene.ignored)


def _filled(scene: Scene, width: int, height: int, rng: Generator) -> tuple[Pixels, Boxes]:
    """A window of the scene that fills the frame, with the face in it if there is one."""
    high, wide = scene.picture.shape[:2]
    scale = max(width / wide, height / high) * float(np.exp(rng.uniform(0, 0.25)))
    spare_x, spare_y = wide * scale - width, high * scale - height
    x, y = rng.uniform(0, spare_x), rng.uniform(0, spare_y)
    boxes = scene.boxes * np.float32(scale)
    if len(boxes):
        x = np.clip((boxes[0, 0] + boxes[0, 2]) / 2 - rng.uniform(0.35, 0.65) * width, 0, spare_x)
        y = np.clip((boxes[0, 1] + boxes[0, 3]) / 2 - rng.uniform(0.35, 0.6) * height, 0, spare_y)
    matrix = np.array([[scale, 0, -x], [0, scale, -y]])
    frame = cv2.warpAffine(scene.picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)
    return frame, (boxes - np.array([x, y, x, y])).astype(np.float32)


def _toned(rgba: Pixels, frame: Pixels, rng: Generator) -> Pixels:
    """The cut-out in light and tint nearer to the frame's."""
    seen = rgba[..., 3] > 127
    mine = rgba[..., :3][seen].mean(0) if seen.any() else np.full(3, 128.0)
    theirs = frame.reshape(-1, 3).mean(0)
    gain = (np.maximum(theirs, 25) / np.maximum(mine, 25)) ** rng.uniform(0, 0.6) * rng.uniform(0.8, 1.2)
    toned = rgba.copy()
    toned[..., :3] = (rgba[..., :3] * gain.astype(np.float32)).clip(0, 255)
    return toned


def _paste(frame: Pixels, rgba: Pixels, scale: float, x: float, y: float, rng: Generator) -> None:
    """Blended over the frame with soft edges, in place."""
    layer = np.zeros((*frame.shape[:2], 4), np.uint8)
    _paste_raw(layer, rgba, scale, x, y)
    alpha = cv2.GaussianBlur(layer[..., 3].astype(np.float32) / 255, (0, 0), float(rng.uniform(0.8, 2.0)))
    alpha = (alpha.clip(0.3, 1) - 0.3)[..., None] / 0.7
    frame[:] = (frame * (1 - alpha) + layer[..., :3] * alpha).astype(np.uint8)


def _paste_raw(layer: Pixels, rgba: Pixels, scale: float, x: float, y: float) -> None:
    size = (layer.shape[1], layer.shape[0])
    matrix = np.array([[scale, 0, x], [0, scale, y]], np.float64)
    if rgba.ndim == 2:
        layer[..., 3] = cv2.warpAffine(rgba, matrix, size)
    else:
        layer[:] = cv2.warpAffine(rgba, matrix, size, flags=cv2.INTER_AREA)
