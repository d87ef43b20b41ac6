"""Frames in, what the models think of them out, as label files for a person to correct. `smilereel prelabel` calls it.

The files are those that `labelfiles` reads: boxes.csv trains the detector, faces.csv smile and age, frames.csv the shoulder model.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from shared.face import Detection
from workers.gpu.classify import score_faces
from workers.gpu.detect import detect_faces, score_shoulders
from workers.gpu.weights import Models
from workers.inputs import FACE_CROP_SIDE, Pixels, clahe, face_square, grey_crop

# Faces below the released threshold are not written as labels, but their picture comes to the front: one may have been missed.
LOWEST_SCORE = 0.1
# Above this the model does not say what it is: the label is `unsure`, which trains nothing until a person decides.
UNSURE = 0.6
CROP_SIDE = 192
TABLES = {
    "boxes.csv": ("file", "x1", "y1", "x2", "y2", "score", "uncertainty", "person"),
    "faces.csv": ("file", "label", "age", "p_smile", "p_child", "uncertainty", "frame", "person"),
    "frames.csv": ("file", "label", "p_shoulder", "uncertainty", "person"),
}


@dataclass(frozen=True, slots=True)
class Shot:
    """A frame to label: `pixels` uint8 H x W x 3, `file` as the label files name it, whom it shows, and its own size per pixel."""

    file: str
    stem: str
    person: str
    pixels: Pixels
    to_own: tuple[float, float] = (1.0, 1.0)


@dataclass(slots=True)
class Sheets:
    """The rows of the three label files so far, and how many pictures and faces they speak of."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in TABLES})
    shots: int = 0

    @property
    def faces(self) -> int:
        return len(self.rows["faces.csv"])


def uncertainty(probability: float, threshold: float) -> float:
    """0 where the model is sure, 1 at the operating point."""
    room = threshold if probability < threshold else 1 - threshold
    return round(1 - min(abs(probability - threshold) / max(room, 1e-6), 1.0), 4)


def add_shots(sheets: Sheets, shots: Sequence[Shot], models: Models, folder: Path) -> None:
    """Score the shots, write their faces below `folder`, and add their rows.

    Args:
        sheets: what is known so far.
        shots: frames, a batch of them.
        models: with all four networks.
        folder: where the label files will lie; the faces go into `faces/` there.
    """
    frames = [shot.pixels for shot in shots]
    found = detect_faces(models, frames, threshold=LOWEST_SCORE)
    released = models.thresholds["detector"]
    for shot, candidates, shoulder in zip(shots, found, score_shoulders(models, frames), strict=True):
        faces = [face for face in candidates if face.score >= released]
        doubt = max([uncertainty(face.score, released) for face in candidates], default=0.0)
        _add_boxes(sheets.rows["boxes.csv"], shot, faces, doubt)
        sheets.rows["faces.csv"] += _face_rows(shot, faces, models, folder)
        sheets.rows["frames.csv"].append(_frame_row(shot, shoulder, models.thresholds["shoulder"]))
    sheets.shots += len(shots)


def _add_boxes(rows: list[dict[str, Any]], shot: Shot, faces: Sequence[Detection], doubt: float) -> None:
    known = {"file": shot.file, "uncertainty": doubt, "person": shot.person}
    for face in faces:
        corners = face.box.scaled(*shot.to_own).xyxy
        rows.append(
            {**known, **dict(zip(("x1", "y1", "x2", "y2"), _rounded(corners), strict=True)), "score": round(face.score, 4)}
        )
    if not faces:
        rows.append(known)


def _rounded(corners: Iterable[float]) -> list[float]:
    return [round(corner, 1) for corner in corners]


def _face_rows(shot: Shot, faces: Sequence[Detection], models: Models, folder: Path) -> list[dict[str, Any]]:
    if not faces:
        return []
    squares = [face_square(shot.pixels, face.box.xyxy) for face in faces]
    crops = np.stack([clahe(grey_crop(square)) for square in squares])
    rows = []
    for index, (square, scores) in enumerate(zip(squares, score_faces(models, crops), strict=True)):
        file = f"faces/{shot.stem}-{index}.png"
        _write(folder / file, square)
        doubt = uncertainty(scores.p_smile, models.thresholds["smile"])
        rows.append(
            {
                "file": file,
                "label": _label(scores.p_smile, models.thresholds["smile"], "smile"),
                "p_smile": round(scores.p_smile, 4),
                "p_child": round(scores.p_child, 4),
                "uncertainty": max(doubt, uncertainty(scores.p_child, models.thresholds["age"])),
                "frame": shot.file,
                "person": shot.person,
            }
        )
    return rows


def _frame_row(shot: Shot, p_shoulder: float, threshold: float) -> dict[str, Any]:
    return {
        "file": shot.file,
        "label": _label(p_shoulder, threshold, "parent"),
        "p_shoulder": round(p_shoulder, 4),
        "uncertainty": uncertainty(p_shoulder, threshold),
        "person": shot.person,
    }


def _label(probability: float, threshold: float, positive: str) -> str:
    if uncertainty(probability, threshold) > UNSURE:
        return "unsure"
    return positive if probability >= threshold else "none"


def write_frame(folder: Path, stem: str, pixels: Pixels) -> str:
    """A video's frame written into `frames/` below the folder; its name as the label files give it."""
    file = f"frames/{stem}.jpg"
    _write(folder / file, pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])
    return file


def _write(path: Path, pixels: Pixels, how: Sequence[int] = ()) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    longest = max(pixels.shape[:2])
    if path.parent.name == "faces" and longest > max(CROP_SIDE, FACE_CROP_SIDE):
        pixels = np.asarray(cv2.resize(pixels, (CROP_SIDE, CROP_SIDE), interpolation=cv2.INTER_AREA), np.uint8)
    # imencode, since imwrite says nothing of a full disk and knows no names beyond ASCII on some systems.
    path.write_bytes(cv2.imencode(path.suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), list(how))[1].tobytes())


def write_sheets(sheets: Sheets, folder: Path) -> None:
    """The three label files, the least sure pictures first; the boxes of one picture stay together."""
    for name, columns in TABLES.items():
        rows = sorted(sheets.rows[name], key=lambda row: (-row["uncertainty"], row["file"]))
        half = folder / f".{name}.new"
        with half.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        half.replace(folder / name)


def relative(path: str, folder: Path) -> str:
    """A picture's name in a label file of the folder."""
    return Path(os.path.relpath(Path(path).resolve(), folder.resolve())).as_posix()
