"""The age model on the test split: child against adult, the ages between, the operating point, slices, reliability."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.gpu.weights import Models
from workers.training.archive import Archive
from workers.training.datasets import age_faces, age_groups
from workers.training.evaluation import slices
from workers.training.evaluation.calibration import Reliability, reliability, reliability_table
from workers.training.evaluation.intervals import auc_estimate, share_estimate
from workers.training.evaluation.operating import auc_row, enough_of_both, operating_table, person_slices
from workers.training.evaluation.plan import Plan
from workers.training.evaluation.samples import Sample, served_scores
from workers.training.evaluation.tables import Cell, Line, Table, target_table
from workers.training.evaluation.verdicts import noise_tables, verdicts
from workers.training.splits import age_owner

CHILD_OR_ADULT = "child (5-14) or adult (18 and over)"
# Ages that look alike: the oldest children and the youngest adults.
NEAR = ("12-14", "18-21")


@dataclass(frozen=True, slots=True)
class AgeSample:
    """All faces (truth: 1 child, 0 adult, nan for toddlers and teens), their age group and their age band."""

    faces: Sample
    groups: NDArray[np.str_]
    bands: NDArray[np.str_]

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Children of 5 to 14 and adults: toddlers and teens count neither way."""
        return self.faces.known


def age_sample(models: Models, plan: Plan) -> AgeSample:
    """The test split's faces, scored."""
    faces = age_faces(plan.data, ("test",), plan.every)
    groups = age_groups(faces.targets)
    truth = np.select([groups == "child", groups == "adult"], [1.0, 0.0], np.nan).astype(np.float32)
    owners = np.array([age_owner(file) for file in faces.files])
    score = served_scores(models, faces.crops)[1]
    scored = Sample(faces.crops, truth, score, np.array(faces.files), owners, np.array(faces.sources))
    return AgeSample(scored, groups, slices.banded(faces.targets.tolist(), slices.AGE_BANDS, slices.OLDEST_BAND))


def age_tables(ages: AgeSample, archive: Archive, threshold: float) -> Iterator[Table]:
    """The headline table, the operating point, who is called a child, slices and reliability."""
    judged = ages.faces.at(ages.judged)
    near = ages.faces.at(np.isin(ages.bands, NEAR))
    notes = [
        "Intervals: 1,000 resamples of what is likely one person: neighbours in All-Age-Faces' numbering and in UTKFace's time stamps.",
        "Toddlers and teens of 15 to 17 count neither way here.",
    ]
    yield target_table("age", "Child or adult: area under the ROC curve", headline(ages), notes)
    yield operating_table("age", "Child or adult", {"children 5-14, adults": judged, "12-14, 18-21": near}, threshold)
    yield _called_table(ages, threshold)
    by = person_slices(archive, judged)
    rows = slices.slice_rows(by, lambda mask: auc_row(judged.at(mask)), lambda mask: enough_of_both(judged.at(mask)))
    glasses = ["Glasses: no set says who wears them. Skin tone: light of the room included."]
    yield Table("age.slices", "Child or adult by slice: area under the ROC curve", rows, glasses)
    yield from noise_tables("age", "Child or adult", judged, verdicts())
    yield reliability_table("age", age_reliability(ages))


def headline(ages: AgeSample) -> list[Line]:
    """All figures."""
    judged, near = ages.faces.at(ages.judged), ages.faces.at(np.isin(ages.bands, NEAR))
    lines = [_line(CHILD_OR_ADULT, judged), _line(f"{NEAR[0]} years against {NEAR[1]}", near)]
    return lines + [_line(f"{CHILD_OR_ADULT}, {source}", judged.at(judged.sources == source)) for source in ("aaf", "utk")]


def age_reliability(ages: AgeSample) -> Reliability:
    """Over children of 5 to 14 and adults."""
    judged = ages.faces.at(ages.judged)
    return reliability(judged.truth, judged.score)


def _line(what: str, of: Sample) -> Line:
    return Line(what, len(of), auc_estimate(of.truth, of.score, of.groups.tolist()))


def _called_table(ages: AgeSample, threshold: float) -> Table:
    """The share of each age that is called a child."""
    called, people = ages.faces.score >= threshold, ages.faces.groups

    def share(mask: NDArray[np.bool_]) -> dict[str, Cell]:
        estimate = share_estimate(called[mask], np.ones(int(mask.sum())), people[mask].tolist())
        return slices.with_interval("called a child", estimate)

    by = {"age": ages.bands, "group": ages.groups}
    rows = slices.slice_rows(by, share, slices.enough)
    notes = ["On purpose: toddlers are to count as children (a small sibling is no adult), teens of 15 to 17 fall between."]
    return Table("age.called", f"Called a child, at the released threshold {threshold:.4f}", rows, notes)
