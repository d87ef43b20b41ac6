"""The composed lesson's pictures: only people and rooms of the test side, read from the data's folder and set into a webcam's frame."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path

import cv2
import numpy as np

from workers.training.archive import Archive
from workers.training.datasets import cutout_group, scene_group
from workers.training.eyes import CHILDREN
from workers.training.splits import split_of

from .beside import Beside, Layer
from .frame import CANVAS, MARGIN, Picture
from .truth import SHOULDER_SCENES, Scene

HERE = Path(__file__).parent
LABEL_NAMES = {"smile": "smile", "none": "neutral", "unsure": "unsure"}
# Thirteen- and fourteen-year-olds may look grown up to anybody: they are labelled, but not shown.
AGES_SHOWN = range(5, 13)


@dataclass(frozen=True)
class Portrait:
    """A picture with one face in it."""

    file: str
    picture: Picture
    face_xyxy: tuple[float, float, float, float]


@dataclass(frozen=True)
class View:
    """A still of a scene: the canvas, BGR uint8, what moves before it, and the files of both."""

    canvas: Picture
    layer: Layer | None
    files: tuple[str, ...]


class PictureBox:
    """Deals out pictures for scenes, each child once until all were shown.

    Raises:
        FileNotFoundError: `data_dir` holds neither det.tar nor det/, or no cut-outs.
        ValueError: a listed picture shows somebody whom a model may have been trained on.
    """

    def __init__(self, data_dir: Path, seed: int) -> None:
        self._det = Archive(data_dir, "det")
        cutouts = Archive(data_dir, "cutouts")
        boxes = ((row["file"], [float(row[key]) for key in ("x1", "y1", "x2", "y2")]) for row in self._det.rows("boxes.csv"))
        self._boxes = {file: (x1, y1, x2, y2) for file, (x1, y1, x2, y2) in boxes}
        others = rows_of(HERE / "others.csv")
        by_role = {role: [row["file"] for row in others if row["role"] == role] for role in ("adult_smile", "room", "beside")}
        known = self._det.rows("images.csv")
        labels = labelled_children({row["file"] for row in known if row["n_faces"] == "1"})
        self._require_test_side(known, {*labels, *by_role["adult_smile"], *by_role["room"]}, by_role["beside"])
        self._lot = random.Random(seed)
        self._smiling = self._dealt([file for file, label in labels.items() if label == "smile"])
        self._neutral = self._dealt([file for file, label in labels.items() if label == "neutral"])
        self._adults = self._dealt(by_role["adult_smile"])
        self._rooms = self._dealt(by_role["room"])
        furniture = [self._picture(next(self._rooms)) for _ in range(4)]
        self._beside = Beside(cutouts, by_role["beside"], furniture, seed)
        self._visit: tuple[str, Layer] | None = None

    def view(self, scene: Scene) -> View:
        """A still of this scene; a visitor keeps place and room while scenes with a shoulder follow each other."""
        room_file = self._visit[0] if self._visit and scene in SHOULDER_SCENES else next(self._rooms)
        room = _covering(self._picture(room_file), CANVAS[0], CANVAS[1])
        layer = None
        if scene in SHOULDER_SCENES:
            layer = self._visit[1] if self._visit else self._beside.shoulder(room)
        elif scene == "neutral_and_thing":
            layer = self._beside.thing(room)
        self._visit = (room_file, layer) if layer and scene in SHOULDER_SCENES else None
        before = () if layer is None else (layer.file,)
        if scene in ("nobody", "shoulder_alone"):
            return View(room, layer, (room_file, *before))
        blurred = np.asarray(cv2.GaussianBlur(room, (0, 0), 5), np.uint8)
        people = [self._person(scene)]
        if scene == "child_and_adult":
            adult = self._portrait(next(self._adults))
            blurred = _seat(blurred, adult, MARGIN + 465, MARGIN + 220, 130)
            people.append(adult.file)
            canvas = _seat(blurred, self._portrait(people[0]), MARGIN + 185, MARGIN + 260, 120)
        else:
            away = 0 if layer is None else -50 * layer.side
            x, y = (
                MARGIN + away + self._lot.uniform(*((250, 390) if layer is None else (290, 350))),
                MARGIN + self._lot.uniform(215, 265),
            )
            width = self._lot.uniform(105, 190 if layer is None else 150)
            canvas = _seat(blurred, self._portrait(people[0]), x, y, width)
        return View(canvas, layer, (*people, *before))

    def _person(self, scene: Scene) -> str:
        if scene == "adult_smile":
            return next(self._adults)
        return next(self._smiling if scene in ("child_smile", "child_and_adult", "child_and_shoulder") else self._neutral)

    def _dealt(self, files: list[str]) -> Iterator[str]:
        shuffled = sorted(files)
        self._lot.shuffle(shuffled)
        return chain.from_iterable(repeat(shuffled))

    def _portrait(self, file: str) -> Portrait:
        return Portrait(file, self._picture(file), self._boxes[file])

    def _picture(self, file: str) -> Picture:
        return np.ascontiguousarray(self._det.picture(file)[..., ::-1])

    @staticmethod
    def _require_test_side(known: list[dict[str, str]], files: set[str], cutouts: list[str]) -> None:
        groups = {row["file"]: scene_group(row["file"], row["source"], row["person"]) for row in known}
        groups |= {file: cutout_group(file) for file in cutouts}
        for file in sorted({*files, *cutouts}):
            if split_of(groups[file]) != "test":
                raise ValueError(f"{file} shows {groups[file]}, whom a model may have been trained on: take it out of the list")


def labelled_children(pictures: set[str]) -> dict[str, str]:
    """`smile` or `neutral` by file, for children of 5 to 12 of the test side among these pictures.

    The frozen labels name the crops of the same photographs, and some were labelled once more for the composed lesson; what was
    called unsure once, or otherwise the second time, is left out, so that the truth of a lesson is beyond doubt.
    """
    votes: dict[str, set[str]] = {row["file"]: {row["label"]} for row in rows_of(HERE / "children.csv")}
    for row in rows_of(CHILDREN):
        if row["file"].startswith("aaf96/"):
            label = "unsure" if row["detail"] == "covered" else LABEL_NAMES[row["label"]]
            votes.setdefault(f"images/aaf_{Path(row['file']).name}", set()).add(label)
    agreed = {file: next(iter(labels)) for file, labels in votes.items() if len(labels) == 1 and "unsure" not in labels}
    return {
        file: label
        for file, label in agreed.items()
        if file in pictures and int(file[-6:-4]) in AGES_SHOWN and split_of(scene_group(file, "aaf", "")) == "test"
    }


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _covering(picture: Picture, width: int, height: int) -> Picture:
    scale = max(width / picture.shape[1], height / picture.shape[0])
    large = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    top, left = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
    return np.asarray(large[top : top + height, left : left + width], np.uint8)


def _seat(canvas: Picture, portrait: Portrait, face_x: float, face_y: float, face_width: float) -> Picture:
    """The portrait set before the canvas, its face this wide and centred there, its rim fading into the background."""
    x1, y1, x2, y2 = portrait.face_xyxy
    scale = face_width / (x2 - x1)
    height, width = portrait.picture.shape[:2]
    # What the picture lacks below is drawn out of its last rows, as a chest; the other sides fade.
    taller = cv2.copyMakeBorder(portrait.picture, 0, 2 * height, 0, 0, cv2.BORDER_REPLICATE)
    taller[height:] = cv2.GaussianBlur(taller[height - 2 : height], (0, 0), sigmaX=width / 14, sigmaY=0.1)[1]
    inside: Picture = np.zeros(taller.shape[:2], np.uint8)
    rim = max(2, round(0.06 * width))
    inside[rim:, rim:-rim] = 255
    soft = cv2.GaussianBlur(inside, (0, 0), rim / 2.2)
    matrix = np.array([[scale, 0, face_x - (x1 + x2) / 2 * scale], [0, scale, face_y - (y1 + y2) / 2 * scale]], np.float32)
    size = (canvas.shape[1], canvas.shape[0])
    alpha = cv2.warpAffine(soft, matrix, size)[..., None].astype(np.float32) / 255
    placed = cv2.warpAffine(taller, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(placed * alpha + canvas * (1 - alpha), np.uint8)
