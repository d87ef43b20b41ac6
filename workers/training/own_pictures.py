"""A person's label files in, crops, scenes and frames to train and to validate on out. The trainers add them to the public pictures."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.errors import RecordingUnreadable
from workers.cpu.decode import sample_frames
from workers.cpu.probe import probe
from workers.inputs import FACE_CROP_SIDE, SHOULDER_HEIGHT, SHOULDER_WIDTH, Pixels, face_square, grey_crop, shoulder_input
from workers.pictures import Loaded, load_picture
from workers.training.archive import Archive
from workers.training.datasets import Faces, Scene, cutout_group, scene_group
from workers.training.labelfiles import LabelRow, ages, boxes, classes, read_labels, refuse_known
from workers.training.options import TrainingOptions
from workers.training.splits import Split, age_owner

# Such pictures are drawn and weighted as a source of their own.
SOURCE = "own"
# The public pictures are no larger either.
LONGEST_SIDE = 640
# Whose people the public pictures of these archives are.
PUBLIC = {"smile": ("smile", "age"), "age": ("smile", "age"), "detector": ("det",), "shoulder": ("det", "cutouts")}
Frames = tuple[NDArray[np.uint8], NDArray[np.float32]]


def _checked(data: Path, model: str, labels: Sequence[Path]) -> list[LabelRow]:
    rows = read_labels(model, labels)
    if rows:
        refuse_known(
            rows,
            {
                (data / name / file).resolve(): person
                for name in PUBLIC[model]
                for file, person in public_people(data, name).items()
            },
        )
    return rows


def public_people(data: Path, name: str) -> dict[str, str]:
    """Whom each picture of an archive shows, as the split goes by it; the pictures as the archive's label file names them."""
    archive = Archive(data, name)
    if name == "smile":
        return {row["file"]: row["identity"] for row in archive.rows("labels.csv") if row["identity"]}
    if name == "age":
        rows = archive.rows("labels.csv")
        return {row["file"]: age_owner(row["file"]) for row in rows}
    if name == "cutouts":
        return {row["file"]: cutout_group(row["file"]) for row in archive.rows("cutouts.csv")}
    return {row["file"]: scene_group(row["file"], row["source"], row["person"]) for row in archive.rows("images.csv")}


def own_faces(options: TrainingOptions, model: str) -> tuple[Faces, Faces]:
    """Labelled face crops to train and to validate on; `targets` 1 a smile, 0 none, or years for the age model.

    Raises:
        LabelsInvalid: a label file or one of its pictures cannot be used.
    """
    rows = _checked(options.data, model, options.labels)
    known = [(row, float(label == "smile")) for row, label in classes(rows)] if model == "smile" else ages(rows)
    train, valid = (_faces([(row, target) for row, target in known if row.side == side]) for side in ("train", "valid"))
    _tell(model, options.labels, len(train.files), len(valid.files), len(known), len(rows))
    return train, valid


def _faces(chosen: list[tuple[LabelRow, float]]) -> Faces:
    crops = np.zeros((len(chosen), FACE_CROP_SIDE, FACE_CROP_SIDE), np.uint8)
    for crop, (row, _) in zip(crops, chosen, strict=True):
        pixels = _picture(row)[0]
        crop[:] = grey_crop(face_square(pixels, (0, 0, pixels.shape[1], pixels.shape[0])))
    targets = np.array([target for _, target in chosen], np.float32)
    return Faces(crops, targets, [str(row.path) for row, _ in chosen], [SOURCE] * len(chosen))


def own_scenes(data: Path, labels: Sequence[Path]) -> tuple[list[Scene], list[Scene]]:
    """Labelled pictures to train and to validate the detector on.

    Raises:
        LabelsInvalid: a label file or one of its pictures cannot be used, or a box lies outside its picture.
    """
    rows = _checked(data, "detector", labels)
    scenes: dict[str, list[Scene]] = {"train": [], "valid": [], "test": []}
    for row, faces in boxes(rows):
        scenes[row.side].append(_scene(row, faces))
    counted = [len(side) for side in scenes.values()]
    _tell("detector", labels, counted[0], counted[1], sum(counted), sum(counted))
    return scenes["train"], scenes["valid"]


def _scene(row: LabelRow, faces: list[tuple[LabelRow, list[float]]]) -> Scene:
    pixels, loaded = _picture(row)
    height, width = pixels.shape[:2]
    own_width, own_height = width * loaded.to_own[0], height * loaded.to_own[1]
    # A box may reach over the picture's edge, as a cut face's does, but its centre lies inside.
    for line, (x1, y1, x2, y2) in faces:
        if not (0 <= (x1 + x2) / 2 <= own_width and 0 <= (y1 + y2) / 2 <= own_height):
            raise line.fault(f"the box lies outside the picture, which is {own_width:.0f} x {own_height:.0f} pixels")
    corners = np.array([face for _, face in faces], np.float32).reshape(-1, 4) / np.array([*loaded.to_own] * 2, np.float32)
    corners = corners.clip(0, [width, height, width, height])
    scale = min(LONGEST_SIDE / max(height, width), 1.0)
    if scale < 1:
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    none = np.zeros((0, 4), np.float32)
    return Scene(str(row.path), SOURCE, row.side, pixels, (corners * scale).astype(np.float32), none)


def own_frames(options: TrainingOptions) -> tuple[Frames, Frames]:
    """Labelled frames to train and to validate the shoulder model on: uint8 N x 3 x 128 x 160, and 1 (a parent) or 0.

    Raises:
        LabelsInvalid: a label file, one of its pictures or one of its videos cannot be used.
    """
    rows = _checked(options.data, "shoulder", options.labels)
    pictures = [row for row in rows if not row.cells.get("start_seconds") and not row.cells.get("end_seconds")]
    ranges = [row for row in rows if row.cells.get("start_seconds") or row.cells.get("end_seconds")]
    found = [(row.side, label, _picture(row)[0]) for row, label in classes(pictures)]
    for path, seconds in _seconds_by_video(ranges).items():
        found += _from_video(path, seconds)
    sides = []
    for side in ("train", "valid"):
        mine = [(label, picture) for its, label, picture in found if its == side]
        pixels = [shoulder_input(picture).transpose(2, 0, 1) for _, picture in mine]
        stacked = np.stack(pixels) if pixels else np.zeros((0, 3, SHOULDER_HEIGHT, SHOULDER_WIDTH), np.uint8)
        sides.append((stacked, np.array([label == "parent" for label, _ in mine], np.float32)))
    _tell("shoulder", options.labels, len(sides[0][0]), len(sides[1][0]), len(found), len(found))
    return sides[0], sides[1]


def _seconds_by_video(rows: Sequence[LabelRow]) -> dict[Path, dict[int, tuple[LabelRow, str]]]:
    """The label of each whole second that lies in a range."""
    videos: dict[Path, dict[int, tuple[LabelRow, str]]] = {}
    for row in rows:
        start, end = row.number("start_seconds"), row.number("end_seconds")
        if not 0 <= start < end:
            raise row.fault("the range is empty; start_seconds is at least 0 and below end_seconds")
        label, seconds = row.cells["label"], videos.setdefault(row.path.resolve(), {})
        for second in range(ceil(start), ceil(end)):
            first, known = seconds.setdefault(second, (row, label))
            if known != label:
                raise row.fault(
                    f"second {second} of “{row.name}” is “{label}” here and “{known}” in line {first.line}; keep one of the two"
                )
    return videos


def _from_video(path: Path, seconds: dict[int, tuple[LabelRow, str]]) -> list[tuple[Split, str, Pixels]]:
    wanted = {second: its for second, its in sorted(seconds.items()) if its[1] not in ("", "unsure")}
    if not wanted:
        return []
    row = next(iter(wanted.values()))[0]
    try:
        offset = probe(path).first_pts_seconds
        frames = sample_frames(path, list(wanted), offset, longest_side=LONGEST_SIDE).frames
    except RecordingUnreadable as error:
        raise row.fault(error.message.rstrip(".")) from error
    if not frames:
        raise row.fault(f"“{row.name}” has no pictures in the ranges given")
    return [(row.side, wanted[frame.ref.second][1], frame.rgb) for frame in frames]


def _picture(row: LabelRow) -> tuple[Pixels, Loaded]:
    loaded = load_picture(str(row.path))
    if loaded.pixels is None:
        raise row.fault(f"“{row.name}”: {loaded.error.rstrip('.')}")
    return loaded.pixels, loaded


def _tell(model: str, labels: Sequence[Path], train: int, valid: int, known: int, rows: int) -> None:
    if labels:
        apart = known - train - valid
        left = f", {rows - known} without a label" if rows > known else ""
        print(
            f"{model}: own labels: {train} to train on, {valid} to validate, {apart} kept apart for the test split{left}",
            flush=True,
        )
