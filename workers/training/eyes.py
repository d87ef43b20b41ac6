"""What a person saw: the label files of smiles, made by eye and frozen. `datasets` and `evaluation` read them here."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, cast

Seen = Literal["smile", "none", "unsure"]
LABELS = Path(__file__).parent / "labels"
# Children of the age sets, 5 to 14 years old, and crying toddlers: file of age.tar, label, detail.
CHILDREN = LABELS / "children_smiles.csv"
# LFW press photographs: file of facial_expressions in smile.tar, label, detail.
LFW = LABELS / "lfw_smiles.csv"
DETAILS = {
    "smile": ("open", "restrained"),
    "none": ("neutral", "serious", "crying", "grimace", "speaking", "covered"),
    "unsure": ("",),
}


@dataclass(frozen=True, slots=True)
class Look:
    """One face's label and how it looks (`DETAILS` of that label)."""

    label: Seen
    detail: str

    @property
    def target(self) -> float | None:
        """1 a smile, 0 none, None where a person could not tell."""
        return None if self.label == "unsure" else float(self.label == "smile")


@cache
def looks(path: Path) -> dict[str, Look]:
    """The looks by file.

    Raises:
        ValueError: a label or a detail that nobody knows, or a file named twice; the message names the line.
    """
    found: dict[str, Look] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for number, row in enumerate(csv.DictReader(stream), 2):
            file, label, detail = row["file"], row["label"], row["detail"]
            if detail not in DETAILS.get(label, ()):
                raise ValueError(f"{path.name}, line {number}: nobody knows the label “{label}, {detail}”; see eyes.DETAILS.")
            if file in found:
                raise ValueError(f"{path.name}, line {number}: {file} is labelled twice; keep one line.")
            found[file] = Look(cast(Seen, label), detail)
    return found
