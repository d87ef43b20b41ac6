"""Scored faces in, what their scores do at the released threshold, and AUC by slice, out. The tables of the classifiers call it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from workers.training.archive import Archive
from workers.training.evaluation import slices
from workers.training.evaluation.intervals import auc_estimate, share_estimate
from workers.training.evaluation.samples import Sample
from workers.training.evaluation.tables import SMALLEST_SLICE, Cell, Table

# An AUC of a slice with fewer of one class hangs on single faces.
FEWEST_OF_A_CLASS = 10


def operating_table(model: str, title: str, sides: Mapping[str, Sample], threshold: float) -> Table:
    """Recall and false alarms of each side at the threshold, with intervals by person."""
    rows: list[dict[str, Cell]] = []
    for name, side in sides.items():
        called = side.score >= threshold
        row: dict[str, Cell] = {"pictures": name}
        for what, mask in (("recall", side.truth > 0.5), ("false alarms", side.truth < 0.5)):
            estimate = share_estimate(called[mask], np.ones(int(mask.sum())), side.groups[mask].tolist())
            row |= {f"of {'positives' if what == 'recall' else 'negatives'}": int(mask.sum())}
            row |= {what: estimate.value, f"{what}, 95 %": estimate}
        rows.append(row)
    return Table(f"{model}.operating", f"{title} at the released threshold {threshold:.4f}", rows)


def auc_row(of: Sample) -> dict[str, Cell]:
    """The cells of a slice."""
    estimate = auc_estimate(of.truth, of.score, of.groups.tolist())
    return {"positives": int((of.truth > 0.5).sum()), **slices.with_interval("AUC", estimate)}


def enough_of_both(of: Sample) -> bool:
    """Whether a slice is large enough for an area under the curve."""
    positives = int((of.truth > 0.5).sum())
    return len(of) >= SMALLEST_SLICE and min(positives, len(of) - positives) >= FEWEST_OF_A_CLASS


def person_slices(archive: Archive, of: Sample) -> dict[str, slices.Names]:
    """Slices of faces of the age sets: light, skin tone, sex where the file's name states it, and the set.

    Args:
        archive: `age`, whose pictures have the colour that the crops lack.
        of: faces of it.
    """
    return {
        "light": slices.light(of.crops),
        "skin tone": np.array([slices.skin_tone(archive.picture(file)) for file in of.files.tolist()]),
        "sex": slices.sex(of.files.tolist()),
        "set": np.array([file.split("/")[0] for file in of.files.tolist()]),
    }
