"""The smile model beside fer, on children labelled by eye and on LFW: which faces each figure rests on, and the headline table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workers.gpu.weights import Models
from workers.training.archive import Archive
from workers.training.augment import enlarged
from workers.training.datasets import smile_faces
from workers.training.evaluation import rival
from workers.training.evaluation.intervals import auc_estimate
from workers.training.evaluation.samples import Children, Sample, served_scores
from workers.training.evaluation.tables import Line, Table, target_table
from workers.training.eyes import LFW, looks

# The article's own figure, on its own frames; nothing of it can be run here.
ARTICLE_SMILE_AUC = 0.93
SMALL_SIDE = 48
CHILDREN = "smile, children"
AGREED = "smile, LFW on which two sets agree and no eye differs"
SMALL = "smile, LFW at 48 px (stands for FER2013)"
Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Press:
    """LFW press photographs with the sets' own labels, at their own size and at 48 px.

    Attributes:
        agreed: those that both sets label, alike.
        looked: those that a person looked at for this project.
        by_eye: what was seen there (1, 0); nan where nobody looked or could tell.
    """

    faces: Sample
    small: Sample
    agreed: NDArray[np.bool_]
    looked: NDArray[np.bool_]
    by_eye: NDArray[np.float32]


def press_sample(models: Models, data: Path, every: int = 1) -> Press:
    """The test split's photographs, scored; one may be there in two crops, each set's own."""
    taken = smile_faces(data, ("test",), every, by_eye=False)
    rows = {row["file"]: row for row in Archive(data, "smile").rows("labels.csv")}
    owners = np.array([rows[file]["identity"] for file in taken.files])
    files, sources = np.array(taken.files), np.array(taken.sources)
    faces = Sample(taken.crops, taken.targets, served_scores(models, taken.crops)[0], files, owners, sources)
    shrunk = np.stack([enlarged(crop, SMALL_SIDE / crop.shape[0]) for crop in taken.crops])
    small = Sample(shrunk, taken.targets, served_scores(models, shrunk)[0], files, owners, sources)
    agreed = np.array([bool(rows[file]["other_label"]) for file in taken.files])
    seen = {Path(file).name: look.target for file, look in looks(LFW).items()}
    photos = [rows[file]["same_photo_as"] or Path(file).name for file in taken.files]
    looked = np.array([photo in seen for photo in photos])
    by_eye = np.array([np.nan if (target := seen.get(photo)) is None else target for photo in photos], np.float32)
    return Press(faces, small, agreed, looked, by_eye)


def headline_table(children: Children, press: Press) -> Table:
    """Areas under the curve beside fer's."""
    parts = (children.faces, press.faces, press.small)
    theirs = rival.fer_scores(np.concatenate([part.crops for part in parts]))
    ends = np.cumsum([len(part) for part in parts])[:-1]
    of_children, of_press, of_small = [theirs] * 3 if isinstance(theirs, str) else np.split(theirs, ends)
    lines = [*children_lines(children, of_children), *press_lines(press, of_press, of_small)]
    notes = [
        f"The article reports {ARTICLE_SMILE_AUC} on its own frames, which nobody else has.",
        f"LFW at {SMALL_SIDE} px: the same faces shrunk and enlarged; there is no FER2013 here. Each photograph may be there in two crops.",
        f"{rival.NAME}: the quantised net of its wheel, P(happy), on the crop before CLAHE with {rival.BORDER} pixels of border.",
        "Intervals: 1,000 resamples of persons.",
    ]
    return target_table("smile", "Smile: area under the ROC curve", lines, notes)


def children_lines(children: Children, theirs: Scores | str) -> list[Line]:
    """Figures on children; `theirs` is fer's score of each, or why there is none."""
    faces, details, sure = children.faces, children.details, children.grown
    restrained = sure & ((details == "restrained") | (faces.truth == 0))
    strained = faces.known & ((faces.truth == 1) | np.isin(details, ("speaking", "grimace", "crying", "covered")))
    unsure = ~faces.known & children.of_age
    lines = [
        _line(CHILDREN, faces, sure, theirs),
        _line("children: restrained smiles against none", faces, restrained, theirs),
        _line("children: smiles against speaking, grimaces, crying", faces, strained, theirs),
    ]
    for label, counted in (("smiles", 1.0), ("none", 0.0)):
        with_unsure = faces.against(np.where(unsure, counted, faces.truth))
        lines.append(_line(f"children: {int(unsure.sum())} unsure counted as {label}", with_unsure, sure | unsure, theirs))
    return lines


def press_lines(press: Press, theirs: Scores | str, theirs_small: Scores | str) -> list[Line]:
    """Figures on LFW by the sets' labels and, to see how far those can be trusted, by eye; fer's scores or why there are none."""
    faces, agreed = press.faces, press.agreed
    seen = press.looked & agreed
    sure = seen & np.isfinite(press.by_eye)
    right = sure & (press.by_eye == faces.truth)
    of_sets = [
        _line(f"{source}, two sets agree", faces, agreed & (faces.sources == source), theirs)
        for source in ("facial_expressions", "smilesmiled")
    ]
    return [
        # Of the labels on which both sets agree a person calls some plainly wrong.
        _line(AGREED, faces, agreed & (~press.looked | right | ~np.isfinite(press.by_eye)), theirs),
        _line("LFW on which two sets agree, wrong labels among them", faces, agreed, theirs),
        _line(SMALL, press.small, faces.known, theirs_small),
        _line("LFW on which two sets agree, at 48 px", press.small, agreed, theirs_small),
        *of_sets,
        _line("LFW, no two labels in contradiction", faces, faces.known, theirs),
        _line("LFW seen by eye, by the sets' labels", faces, seen, theirs),
        _line("LFW seen by eye, the unsure left out as well", faces, right, theirs),
        _line("LFW seen by eye, by what was seen", faces.against(press.by_eye), sure, theirs),
    ]


def _line(what: str, of: Sample, mask: NDArray[np.bool_], theirs: Scores | str) -> Line:
    chosen = of.at(mask)
    groups = chosen.groups.tolist()
    other = theirs if isinstance(theirs, str) else auc_estimate(chosen.truth, theirs[mask], groups)
    return Line(what, len(chosen), auc_estimate(chosen.truth, chosen.score, groups), {rival.NAME: other})
