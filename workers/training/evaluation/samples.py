"""The classifiers' test faces with their scores and the persons they belong to. The tables of smile and age rest on them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workers.gpu.classify import score_faces
from workers.gpu.weights import Models
from workers.inputs import FACE_CROP_SIDE, Pixels, clahe, grey_crop
from workers.training.archive import Archive
from workers.training.datasets import CHILD_BELOW, DOUBLES, TODDLER_BELOW, age_split
from workers.training.eyes import CHILDREN, looks
from workers.training.splits import age_owner


@dataclass(frozen=True, slots=True)
class Sample:
    """Scored pictures of a test split.

    Attributes:
        crops: uint8; of faces N x 64 x 64 before CLAHE.
        truth: 1 or 0, nan where it counts neither way.
        score: the served probability.
        files: as the label files name them.
        groups: whom each belongs to: intervals draw groups.
        sources: the set it is from.
    """

    crops: Pixels
    truth: NDArray[np.float32]
    score: NDArray[np.float32]
    files: NDArray[np.str_]
    groups: NDArray[np.str_]
    sources: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Where the truth counts."""
        return np.isfinite(self.truth)

    def at(self, mask: NDArray[np.bool_]) -> Sample:
        """The pictures of a mask."""
        return Sample(
            self.crops[mask], self.truth[mask], self.score[mask], self.files[mask], self.groups[mask], self.sources[mask]
        )

    def against(self, truth: NDArray[np.floating]) -> Sample:
        """The same pictures with other truths."""
        return replace(self, truth=truth.astype(np.float32))


def served_scores(models: Models, crops: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """P(smile) and P(child) as a worker serves them for crops before CLAHE."""
    scores = score_faces(models, np.stack([clahe(crop) for crop in crops]) if len(crops) else crops)
    return np.array([one.p_smile for one in scores], np.float32), np.array([one.p_child for one in scores], np.float32)


def crops_of(archive: Archive, files: Sequence[str]) -> Pixels:
    """The crops of face pictures before CLAHE: uint8 N x 64 x 64."""
    crops = np.zeros((len(files), FACE_CROP_SIDE, FACE_CROP_SIDE), np.uint8)
    for crop, file in zip(crops, files, strict=True):
        crop[:] = grey_crop(archive.picture(file))
    return crops


@dataclass(frozen=True, slots=True)
class Children:
    """Test children labelled by eye (truth nan: unsure), how each looks ("open", "restrained", ...) and the age in years."""

    faces: Sample
    details: NDArray[np.str_]
    ages: NDArray[np.float32]

    @property
    def of_age(self) -> NDArray[np.bool_]:
        """5 to 14 years old: crying toddlers are there as well, for a line of their own."""
        return (self.ages >= TODDLER_BELOW) & (self.ages < CHILD_BELOW)

    @property
    def grown(self) -> NDArray[np.bool_]:
        """Children of 5 to 14 about whom a person was sure."""
        return self.of_age & self.faces.known

    def at(self, mask: NDArray[np.bool_]) -> Children:
        """The children of a mask."""
        return Children(self.faces.at(mask), self.details[mask], self.ages[mask])


def children_sample(models: Models, data: Path, every: int = 1) -> Children:
    """The children of the test split whose smile was labelled by eye, the unsure among them."""
    archive = Archive(data, "age")
    with DOUBLES.open(encoding="utf-8", newline="") as stream:
        doubles = {row["file"] for row in csv.DictReader(stream)}
    seen = {file: look for file, look in looks(CHILDREN).items() if file not in doubles}
    rows = [row for row in archive.rows("labels.csv") if row["file"] in seen and age_split(row["file"]) == "test"]
    files = [row["file"] for row in rows[::every]]
    truth = np.array([_number(seen[file].target) for file in files], np.float32)
    crops = crops_of(archive, files)
    owners = np.array([age_owner(file) for file in files])
    faces = Sample(crops, truth, served_scores(models, crops)[0], np.array(files), owners, np.array(["children"] * len(files)))
    ages = np.array([float(row["age"]) for row in rows[::every]], np.float32)
    return Children(faces, np.array([seen[file].detail for file in files]), ages)


def _number(target: float | None) -> float:
    return float("nan") if target is None else target
