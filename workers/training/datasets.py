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
from workers.training.eyes import CHILDREN, LFW, Look, looks
from workers.training.splits import Split, aaf_group, age_owner, split_of
from workers.training.truth import picture_truth, read_truth

Boxes = NDArray[np.float32]
# Pictures of the age sets to be measured on that are the same photograph as one to be trained on (`doubles.py` found them).
DOUBLES = Path(__file__).parent / "labels" / "age_doubles.csv"
# Pictures whose labelled age is plainly wrong, or that show no usable face; found by eye in all splits.
FAULTS = Path(__file__).parent / "labels" / "age_faults.csv"
SMILING = ("smile", "happiness")
# How a face may look, as labelled by eye, that is drawn by a weight of its own.
HARD = ("restrained", "speaking", "grimace", "crying")
# What facial_expressions calls faces that SMILEsmileD only calls non-smiles: grimaces that are easily taken for smiles.
FEELINGS = ("anger", "contempt", "disgust", "fear", "sadness", "surprise")
TODDLER_BELOW, CHILD_BELOW, ADULT_FROM = 5, 15, 18


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture with its faces: `boxes` float32 N x 4 in pixels, `ignored` likewise (count neither way), `small` those of `ignored`
    that are faces too small to read a smile in."""

    file: str
    source: str
    split: Split
    picture: Pixels
    boxes: Boxes
    ignored: Boxes
    small: Boxes = field(default_factory=lambda: np.zeros((0, 4), np.float32))


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
    if source == "aaf":
        # The archive counts each picture as a person of its own; the age sets hold the same children by runs.
        return aaf_group(file)
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
    """The detector's pictures of these splits: to train on with the archive's boxes, else with the truth that was made by eye.

    Args:
        data: the data folder.
        splits: which sides to read.
        ignored: boxes of the training pictures that count neither way, by file.
        every: take each n-th picture only.

    Raises:
        ValueError: the truth of the test and validation splits does not fit the archive.
    """
    archive = Archive(data, "det")
    boxes: dict[str, list[list[float]]] = {}
    for row in archive.rows("boxes.csv"):
        boxes.setdefault(row["file"], []).append([float(row[key]) for key in ("x1", "y1", "x2", "y2")])
    sides = [(row, split_of(scene_group(row["file"], row["source"], row["person"]))) for row in archive.rows("images.csv")]
    sizes = {row["file"]: (int(row["width"]), int(row["height"])) for row, split in sides if split != "train"}
    truth = read_truth(sizes) if set(splits) - {"train"} else {}
    chosen = [(row["file"], row["source"], split) for row, split in sides if split in splits]
    for file, source, split in chosen[::every]:
        unseen = {"face": boxes.get(file, []), "neither": (ignored or {}).get(file, [])}
        known = truth.get(file) or picture_truth(unseen)
        yield Scene(file, source, split, archive.picture(file), known.faces, known.ignored, known.small)


def smile_target(label: str, other_label: str) -> int | None:
    """1 a smile, 0 none, None where the two sets contradict each other about the photograph.

    A smile is what a parent would call one: SMILEsmileD's "smile" or facial_expressions' "happiness", open or restrained.
    """
    smiling = label in SMILING
    if other_label and (other_label in SMILING) != smiling:
        return None
    return int(smiling)


def voted(of_sets: int | None, look: Look | None) -> float | None:
    """The sets' label and a person's as one: 1 a smile, 0 none, None left out.

    Where the sets contradict each other the person decides, but for open mouths without a clear smile, on which people differ; whom
    the person contradicts is left out.
    """
    if look is None:
        return of_sets
    if of_sets is None:
        return None if look.detail == "speaking" else look.target
    return look.target if look.target == of_sets else None


def smile_faces(data: Path, splits: tuple[Split, ...], every: int = 1, by_eye: bool = True) -> Faces:
    """Smiling and other faces of these splits; crops whose person is unknown are left out, since no split would be safe.

    Args:
        data: the data folder.
        splits: which sides to read.
        every: take each n-th picture only.
        by_eye: what a person said of the photograph for this project counts too (`voted`); else only the two sets' own labels.
    """
    archive = Archive(data, "smile")
    seen = {Path(file).name: look for file, look in looks(LFW).items()} if by_eye else {}
    chosen = []
    for row in archive.rows("labels.csv"):
        if not row["identity"] or split_of(row["identity"]) not in splits:
            continue
        look = seen.get(row["same_photo_as"] or Path(row["file"]).name)
        target = voted(smile_target(row["label"], row["other_label"]), look)
        if target is not None:
            source = "feelings" if row["other_label"] in FEELINGS else row["source"]
            chosen.append((row["file"], look.detail if look and look.detail in HARD else source, float(target)))
    return _faces(archive, chosen[::every])


def children_smiles(data: Path, splits: tuple[Split, ...]) -> Faces:
    """Children of the age sets (and crying toddlers) whose smile was labelled by eye, of these splits, the unsure left out."""
    archive = Archive(data, "age")
    seen = looks(CHILDREN)
    left_out = {row["file"] for row in _label_file(DOUBLES)}
    chosen = []
    for row in archive.rows("labels.csv"):
        look = seen.get(row["file"])
        if look and look.target is not None and row["file"] not in left_out and age_split(row["file"]) in splits:
            chosen.append((row["file"], child_source(look.detail), look.target))
    return _faces(archive, chosen)


def child_source(detail: str) -> str:
    """What a child's face is drawn by: its look where that is hard to tell, else "children"; the crying are toddlers too."""
    if detail == "crying":
        return detail
    return f"child, {detail}" if detail in HARD else "children"


def age_split(file: str) -> Split:
    """The side of a picture of the age sets, which name no persons: neighbours in origin stay together."""
    return split_of(age_owner(file))


def together(ones: Faces, others: Faces) -> Faces:
    """Two sets of faces as one."""
    return Faces(
        np.concatenate([ones.crops, others.crops]),
        np.concatenate([ones.targets, others.targets]),
        ones.files + others.files,
        ones.sources + others.sources,
    )


def age_faces(data: Path, splits: tuple[Split, ...], every: int = 1, doubles: bool = False) -> Faces:
    """Faces with their ages of these splits, without those whose age is plainly wrong.

    Args:
        data: the data folder.
        splits: which sides to read.
        every: take each n-th picture only.
        doubles: also take the pictures that are the same photograph as one of the training split.
    """
    archive = Archive(data, "age")
    left_out = {row["file"] for row in _label_file(FAULTS)}
    left_out |= set() if doubles else {row["file"] for row in _label_file(DOUBLES)}
    chosen = [
        (row["file"], row["source"], float(row["age"]))
        for row in archive.rows("labels.csv")
        if age_split(row["file"]) in splits and row["file"] not in left_out
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
