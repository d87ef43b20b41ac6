"""Findings and the truth in, recall, precision and AUC out. The trainers pick their thresholds by it, `evaluate` makes its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from workers.training.baselines import Found, iou_matrix
from workers.training.datasets import Boxes

FACE_IOU = 0.4
# Of the boxes that the released detector draws at least so many are faces, on good and on poor pictures of the validation split.
PRECISION_FLOORS = (0.985, 0.98)
FALSE_PICTURES = 0.01
MOST_RECALL_LOST = 0.03
# What lies mostly inside a region that counts neither way is neither right nor wrong.
NEITHER_OVERLAP = 0.5


@dataclass(frozen=True, slots=True)
class Rates:
    """Faces found out of those there, and boxes that are faces out of those drawn; `false_pictures` of `empty_pictures` got a box."""

    faces: int
    found: int
    drawn: int
    false_pictures: int
    empty_pictures: int

    @property
    def recall(self) -> float:
        return self.found / max(self.faces, 1)

    @property
    def precision(self) -> float:
        return self.found / max(self.drawn, 1)

    @property
    def f1(self) -> float:
        return 2 * self.found / max(self.faces + self.drawn, 1)


@dataclass(frozen=True, slots=True)
class Judged:
    """All boxes of one picture that count: each one's score, whether it is a true face, and which box it is; how many faces are
    there, and for each the score of the box that found it (-1 where none did)."""

    scores: NDArray[np.float32]
    right: NDArray[np.bool_]
    boxes: NDArray[np.intp]
    faces: int
    found_at: NDArray[np.float32]


def judge(found: Found, truth: Boxes, neither: Boxes) -> Judged:
    """Boxes matched to faces one to one, the surest first, at IoU 0.4."""
    boxes, scores = found
    order = np.argsort(-scores, kind="stable")
    overlap = iou_matrix(boxes, truth)
    found_at = np.full(len(truth), -1.0, np.float32)
    kept, right = [], []
    for index in order:
        candidates = np.where(found_at < 0, overlap[index], 0.0) if len(truth) else np.zeros(1)
        if candidates.max() >= FACE_IOU:
            found_at[int(candidates.argmax())] = scores[index]
            kept.append(index)
            right.append(True)
        elif not _inside(boxes[index], neither):
            kept.append(index)
            right.append(False)
    places = np.array(kept, np.intp)
    return Judged(scores[places], np.array(right, bool), places, len(truth), found_at)


def _inside(box: Boxes, regions: Boxes) -> bool:
    if not len(regions):
        return False
    low = np.maximum(box[:2], regions[:, :2])
    high = np.minimum(box[2:], regions[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), 1)
    return bool((shared / max(float(np.prod(box[2:] - box[:2])), 1e-9) >= NEITHER_OVERLAP).any())


def rates(pictures: Sequence[Judged], threshold: float) -> Rates:
    """Recall and precision over pictures, counting boxes with at least this score."""
    above = [picture.scores >= threshold for picture in pictures]
    empty = [index for index, picture in enumerate(pictures) if picture.faces == 0]
    return Rates(
        faces=sum(picture.faces for picture in pictures),
        found=sum(int(picture.right[keep].sum()) for picture, keep in zip(pictures, above, strict=True)),
        drawn=sum(int(keep.sum()) for keep in above),
        false_pictures=sum(bool(above[index].any()) for index in empty),
        empty_pictures=len(empty),
    )


def best_threshold(normal: Sequence[Judged], poor: Sequence[Judged]) -> tuple[float, float]:
    """The threshold with the best mean F1 over good and poor pictures, the higher of equals, and that mean."""
    best = (0.0, 0.5)
    for threshold in np.arange(0.1, 0.91, 0.02):
        mean = (rates(normal, threshold).f1 + rates(poor, threshold).f1) / 2
        best = max(best, (mean, float(threshold)))
    return best[1], best[0]


def operating_point(normal: Sequence[Judged], poor: Sequence[Judged]) -> float:
    """The released threshold: the lowest from above that keeps precision, as a wrong face in a reel is worse than a missed one.

    Going down from the highest score, it stops before precision falls under `PRECISION_FLOORS` on good or poor pictures, or before more
    than `FALSE_PICTURES` of those without a face get a box; what recall is left to gain above these floors is taken. A detector that
    would lose more than `MOST_RECALL_LOST` for it, as one that has hardly learnt, gets the threshold with the best F1.
    """
    best = chosen = best_threshold(normal, poor)[0]
    for threshold in np.arange(0.9, 0.09, -0.02):
        sides = rates(normal, threshold), rates(poor, threshold)
        precise = all(side.precision >= floor for side, floor in zip(sides, PRECISION_FLOORS, strict=True))
        if not precise or any(side.false_pictures > FALSE_PICTURES * side.empty_pictures for side in sides):
            break
        chosen = float(threshold)
    lost = max(rates(side, best).recall - rates(side, chosen).recall for side in (normal, poor))
    return best if lost > MOST_RECALL_LOST else chosen


def auc(truth: NDArray[np.float32], score: NDArray[np.float32]) -> float:
    """Area under the ROC curve."""
    return float(roc_auc_score(truth, score))


def balanced_threshold(truth: NDArray[np.float32], score: NDArray[np.float32]) -> float:
    """The operating point at which the two kinds of error, each as a share of its class, add up to least."""
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(truth[order] > 0.5) / max((truth > 0.5).sum(), 1)
    alarms = np.cumsum(truth[order] < 0.5) / max((truth < 0.5).sum(), 1)
    best = int(np.argmax(hits - alarms))
    following = score[order[min(best + 1, len(order) - 1)]]
    return float((score[order[best]] + following) / 2)


def quiet_threshold(truth: NDArray[np.float32], score: NDArray[np.float32], false_alarms: float) -> float:
    """The lowest operating point at which no more than this share of the negatives is taken for a positive."""
    return float(np.quantile(score[truth < 0.5], 1 - false_alarms, method="higher"))
