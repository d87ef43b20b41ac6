"""The parent's-shoulder model on frames composed from the test split's people and rooms: AUC, operating point, light, reliability."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from workers.gpu.detect import score_shoulders
from workers.gpu.weights import Models
from workers.training.evaluation import slices
from workers.training.evaluation.calibration import Reliability, reliability, reliability_table
from workers.training.evaluation.intervals import auc_estimate
from workers.training.evaluation.operating import auc_row, enough_of_both, operating_table
from workers.training.evaluation.plan import Plan
from workers.training.evaluation.samples import Sample
from workers.training.evaluation.tables import Line, Table, target_table
from workers.training.shoulder_frames import composed

COMPOSED = "shoulder, composed frames"
FRAMES = 800
SEED = 11


def shoulder_sample(models: Models, plan: Plan) -> Sample:
    """Composed frames, scored; `crops` are the frames as the model sees them, uint8 N x 128 x 160 x 3."""
    pixels, truth = composed(plan.data, "test", FRAMES // plan.every, SEED)
    frames = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))
    score = np.array(score_shoulders(models, list(frames)), np.float32)
    names = np.array([f"frame {index:03d}" for index in range(len(frames))])
    return Sample(frames, truth, score, names, names, np.full(len(frames), "composed"))


def shoulder_tables(frames: Sample, threshold: float) -> Iterator[Table]:
    """The headline table, the operating point, slices and reliability."""
    notes = [
        "Composed, not real: the figure says that the model learnt what was composed.",
        "Each frame stands for itself, though few people and rooms are behind them, so the interval is too narrow.",
    ]
    yield target_table("shoulder", "Parent's shoulder: area under the ROC curve", headline(frames), notes)
    yield operating_table("shoulder", "Parent's shoulder", {"composed frames": frames}, threshold)
    by = {"light": slices.light(frames.crops)}
    rows = slices.slice_rows(by, lambda mask: auc_row(frames.at(mask)), lambda mask: enough_of_both(frames.at(mask)))
    yield Table("shoulder.slices", "Parent's shoulder by slice: area under the ROC curve", rows)
    yield reliability_table("shoulder", shoulder_reliability(frames))


def headline(frames: Sample) -> list[Line]:
    """The one figure."""
    return [Line(COMPOSED, len(frames), auc_estimate(frames.truth, frames.score, frames.groups.tolist()))]


def shoulder_reliability(frames: Sample) -> Reliability:
    """Over all frames."""
    return reliability(frames.truth, frames.score)
