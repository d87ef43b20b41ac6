"""The composed lesson's pictures: read out of det.tar, only people and rooms of the test side, set into a webcam's frame."""

from __future__ import annotations

import csv
import io
import random
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.training.splits import split_of

from .truth import Scene

Picture = NDArray[np.uint8]
HERE = Path(__file__).parent
WIDTH, HEIGHT = 640, 480
MARGIN = 32  # the canvas is larger than the frame on each side, so that the camera may sway
# Thirteen- and fourteen-year-olds may look grown up to anybody: they are labelled, but not shown.
OLDEST_SHOWN = 12


@dataclass(frozen=True)
class Portrait:
    """A picture with one face in it."""

    file: str
    picture: Picture
    face_xyxy: tuple[float, float, float, float]


class PictureBox:
    """Deals out pictures for scenes, each child once until all were shown.

    Raises:
        FileNotFoundError: `data_dir` holds no det.tar.
        ValueError: a listed picture shows somebody whom a model may have been trained on.
    """

    def __init__(self, data_dir: Path, seed: int) -> None:
        path = data_dir / "det.tar"
        if not path.is_file():
            raise FileNotFoundError(
                f"the composed lesson is made of pictures in {path}, which is missing: give the folder that holds it"
            )
        self._tar = tarfile.open(path)  # noqa: SIM115  (closed by close())
        self._boxes = self._read_boxes()
        children = _rows("children.csv")
        others = _rows("others.csv")
        self._require_test_side({row["file"] for row in [*children, *others]})
        self._lot = random.Random(seed)
        young = [row for row in children if int(row["age"]) <= OLDEST_SHOWN]
        self._smiling = self._dealt([row["file"] for row in young if row["label"] == "smile"])
        self._neutral = self._dealt([row["file"] for row in young if row["label"] == "neutral"])
        self._adults = self._dealt([row["file"] for row in others if row["role"] == "adult_smile"])
        self._rooms = self._dealt([row["file"] for row in others if row["role"] == "room"])

    def close(self) -> None:
        self._tar.close()

    def canvas(self, scene: Scene) -> tuple[Picture, tuple[str, ...]]:
        """A still of this scene, BGR uint8 (480 + 2 margins, 640 + 2 margins, 3), and the files it shows."""
        room_file = next(self._rooms)
        room = _covering(self._picture(room_file), WIDTH + 2 * MARGIN, HEIGHT + 2 * MARGIN)
        if scene == "nobody":
            return room, (room_file,)
        blurred = np.asarray(cv2.GaussianBlur(room, (0, 0), 5), np.uint8)
        smiling = scene in ("child_smile", "child_and_adult")
        people = [next(self._adults)] if scene == "adult_smile" else [next(self._smiling if smiling else self._neutral)]
        if scene == "child_and_adult":
            people.append(next(self._adults))
        portraits = [Portrait(file, self._picture(file), self._boxes[file]) for file in people]
        if len(portraits) == 1:
            x, y = MARGIN + self._lot.uniform(250, 390), MARGIN + self._lot.uniform(215, 265)
            return _seat(blurred, portraits[0], x, y, self._lot.uniform(105, 190)), (people[0],)
        canvas = _seat(blurred, portraits[1], MARGIN + 465, MARGIN + 220, 130)
        return _seat(canvas, portraits[0], MARGIN + 185, MARGIN + 260, 120), tuple(people)

    def _dealt(self, files: list[str]) -> Iterator[str]:
        shuffled = sorted(files)
        self._lot.shuffle(shuffled)
        return chain.from_iterable(repeat(shuffled))

    def _picture(self, file: str) -> Picture:
        picture = cv2.imdecode(np.frombuffer(self._member(f"det/{file}"), np.uint8), cv2.IMREAD_COLOR)
        return np.asarray(picture, np.uint8)

    def _member(self, name: str) -> bytes:
        member = self._tar.extractfile(name)
        if member is None:
            raise ValueError(f"det.tar holds no file {name}")
        return member.read()

    def _table(self, name: str) -> Iterator[dict[str, str]]:
        return csv.DictReader(io.StringIO(self._member(name).decode("utf-8")))

    def _read_boxes(self) -> dict[str, tuple[float, float, float, float]]:
        return {r["file"]: (float(r["x1"]), float(r["y1"]), float(r["x2"]), float(r["y2"])) for r in self._table("det/boxes.csv")}

    def _require_test_side(self, files: set[str]) -> None:
        persons = {row["file"]: row["person"] or f"{row['source']}/{row['file']}" for row in self._table("det/images.csv")}
        for file in sorted(files):
            if split_of(persons[file]) != "test":
                raise ValueError(f"{file} shows {persons[file]}, whom a model may have been trained on: take it out of the list")


def _rows(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8", newline="") as file:
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
