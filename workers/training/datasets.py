"""Label files in, pictures with their truth and their split out. The trainers and `evaluate` take everything from here."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workers.inputs import FACE_CROP_SIDE, Pixels, grey_crop
from workers.training.archive import Archive
from workers.training.splits import Split, split_of

Boxes = NDArray[np.float32]
# Children whose smile was labelled by eye for this project; pictures on which one cannot decide are not in it.
CHILDREN_LABELS = Path(__file__).parent / "labels" / "children_smiles.csv"
# Pictures of the age sets to be measured on that are the same photograph as one to be trained on (`doubles.py` found them).
DOUBLES = Path(__file__).parent / "labels" / "age_doubles.csv"
# What facial_expressions calls faces that SMILEsmileD only calls non-smiles: grimaces that are easily taken for smiles.
FEELINGS = ("anger", "contempt", "disgust", "fear", "sadness", "surprise")
TODDLER_BELOW, CHILD_BELOW, ADULT_FROM = 5, 15, 18


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture with its faces: `boxes` float32 N x 4 in pixels, `ignored` likewise (count neither way)."""

    file: str
    source: str
    split: Split
    picture: Pixels
    boxes: Boxes
    ignored: Boxes


@dataclass(slots=True)
class Faces:
    """Face crops before augmentation and CLAHE: `crops` uint8 N x 64 x 64; `targets` N (smile: 0 or 1; age: years)."""

    crops: Pixels
    targets: NDArray[np.float32]
    files: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)


def scene_group(file: str, source: str, person: str) -> str:
    """Whom a detector's picture belongs to: the person, the house, the original of an augmented copy, else the file itself."""
    name = Path(file).stem
    if person:
        return person
    if source in ("houses", "wallpicture") and (house := re.match(r"(?:houses|wallpicture)_(\d+)_", name)):
        return f"house{house[1]}"
    if source == "selfie":
        # The copies without a number came from one unnamed batch, so they stay together.
        numbered = re.match(r"selfie_face_(\d+)_", name)
        return f"selfie{numbered[1] if numbered else 'unnamed'}"
    if source == "person" and (number := re.match(r"person_(\d+)", name)):
        return f"hseg{number[1]}"
    return f"{source}:{name}"


def cutout_group(file: str) -> str:
    """Whom a cut-out belongs to: the number of the photograph it was cut from, shared with the detector's `person` pictures."""
    number = re.match(r"hseg_(\d+)", file)
    return f"hseg{number[1]}" if number else f"cutout:{file}"


def scenes(
    data: Path, splits: tuple[Split, ...], ignored: dict[str, list[list[float]]] | None = None, every: int = 1
) -> Iterator[Scene]:
    """The detector's pictures of these splits.

    Args:
        data: the data folder.
        splits: which sides to read.
        ignored: boxes that count neither way, by file.
        every: take each n-th picture only.
    """
    archive = Archive(data, "det")
    boxes: dict[str, list[list[float]]] = {}
    for row in archive.rows("boxes.csv"):
        boxes.setdefault(row["file"], []).append([float(row[key]) for key in ("x1", "y1", "x2", "y2")])
    sides = ((row, split_of(scene_group(row["file"], row["source"], row["person"]))) for row in archive.rows("images.csv"))
    chosen = [(row, split) for row, split in sides if split in splits]
    for row, split in chosen[::every]:
        neither = (ignored or {}).get(row["file"], [])
        yield Scene(
            row["file"],
            row["source"],
            split,
            archive.picture(row["file"]),
            np.array(boxes.get(row["file"], []), np.float32).reshape(-1, 4),
            np.array(neither, np.float32).reshape(-1, 4),
        )


def smile_target(label: str, other_label: str) -> int | None:
    """1 a smile, 0 none, None where the two sets contradict each other about the photograph.

    A smile is what a parent would call one: SMILEsmileD's "smile" or facial_expressions' "happiness", open or restrained.
    """
    smiling = label in ("smile", "happiness")
    if other_label and (other_label in ("smile", "happiness")) != smiling:
        return None
    return int(smiling)


def smile_faces(data: Path, splits: tuple[Split, ...], every: int = 1) -> Faces:
    """Smiling and other faces of these splits; crops whose person is unknown are left out, since no split would be safe.

    Args:
        data: the data folder.
        splits: which sides to read.
        every: take each n-th picture only.
    """
    archive = Archive(data, "smile")
    chosen = []
    for row in archive.rows("labels.csv"):
        target = smile_target(row["label"], row["other_label"])
        if row["identity"] and target is not None and split_of(row["identity"]) in splits:
            source = "feelings" if row["other_label"] in FEELINGS else row["source"]
            chosen.append((row["file"], source, float(target)))
    return _faces(archive, chosen[::every])


def children_smiles(data: Path, splits: tuple[Split, ...]) -> Faces:
    """Children of the age sets whose smile was labelled by eye, of these splits; `targets` 1 a smile, 0 none."""
    archive = Archive(data, "age")
    labels = {row["file"]: row["label"] for row in _label_file(CHILDREN_LABELS)}
    left_out = {row["file"] for row in _label_file(DOUBLES)}
    chosen = [
        (row["file"], "children", float(labels[row["file"]] == "smile"))
        for row in archive.rows("labels.csv")
        if row["file"] in labels and row["file"] not in left_out and split_of(row["identity"] or row["file"]) in splits
    ]
    return _faces(archive, chosen)


def together(ones: Faces, others: Faces) -> Faces:
    """Two sets of faces as one."""
    return Faces(
        np.concatenate([ones.crops, others.crops]),
        np.concatenate([ones.targets, others.targets]),
        ones.files + others.files,
        ones.sources + others.sources,
    )


def age_faces(data: Path, splits: tuple[Split, ...], every: int = 1, doubles: bool = False) -> Faces:
    """Faces with their ages of these splits; UTKFace names no person, so there each picture stands for itself.

    Args:
        data: the data folder.
        splits: which sides to read.
        every: take each n-th picture only.
        doubles: also take the pictures that are the same photograph as one of the training split.
    """
    archive = Archive(data, "age")
    left_out = set() if doubles else {row["file"] for row in _label_file(DOUBLES)}
    chosen = [
        (row["file"], row["source"], float(row["age"]))
        for row in archive.rows("labels.csv")
        if split_of(row["identity"] or row["file"]) in splits and row["file"] not in left_out
    ]
    return _faces(archive, chosen[::every])


def _label_file(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def age_groups(ages: NDArray[np.float32]) -> NDArray[np.str_]:
    """toddler (below 5), child (5-14), teen (15-17) or adult for each age."""
    names = np.array(["toddler", "child", "teen", "adult"])
    return names[np.digitize(ages, [TODDLER_BELOW, CHILD_BELOW, ADULT_FROM])]


def _faces(archive: Archive, chosen: list[tuple[str, str, float]]) -> Faces:
    crops = np.zeros((len(chosen), FACE_CROP_SIDE, FACE_CROP_SIDE), np.uint8)
    for crop, (file, _, _) in zip(crops, chosen, strict=True):
        crop[:] = grey_crop(archive.picture(file))
    targets = np.array([target for _, _, target in chosen], np.float32)
    return Faces(crops, targets, [file for file, _, _ in chosen], [source for _, source, _ in chosen])
