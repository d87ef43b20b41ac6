"""Scores and the persons they belong to in, figures with 95 % intervals out: the bootstrap draws persons, never single pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
SEED = 20
TAILS = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval; without an interval both ends are nan."""

    value: float
    low: float = float("nan")
    high: float = float("nan")

    @property
    def half_width(self) -> float:
        """Half the interval; 0 where there is none."""
        return (self.high - self.low) / 2 if np.isfinite(self.low) else 0.0


def drawn_weights(groups: Sequence[str], resamples: int = RESAMPLES, seed: int = SEED) -> NDArray[np.float32]:
    """How often each item occurs in each resample: float32 resamples x N; items of one group are drawn together."""
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    return counts.astype(np.float32)[:, index]


def auc_estimate(truth: NDArray[np.float32], score: NDArray[np.float32], groups: Sequence[str]) -> Estimate:
    """Area under the ROC curve of 0/1 truths, with its interval; nan where only one class is there.

    A perfect area has no interval: its resamples are all alike and would feign certainty.
    """
    if not 0 < (truth > 0.5).sum() < len(truth):
        return Estimate(float("nan"))
    value = float(_weighted_auc(truth, score, np.ones((1, len(truth)), np.float32))[0])
    if value >= 1:
        return Estimate(1.0)
    return _with_interval(value, _weighted_auc(truth, score, drawn_weights(groups)))


def share_estimate(hits: NDArray[np.generic], of: NDArray[np.generic], groups: Sequence[str]) -> Estimate:
    """Sum of `hits` over sum of `of` (recall: found over there, per picture), with its interval; nan if `of` sums to 0.

    Without a single error, or a single hit, resamples are all alike and would feign certainty; there the interval is the rule of
    three over the groups (Hanley & Lippman-Hand 1983).
    """
    if not of.sum():
        return Estimate(float("nan"))
    if hits.sum() in (0, of.sum()):
        value = float(hits.sum() > 0)
        room = min(3 / len(set(np.asarray(groups)[of.astype(bool)].tolist())), 1.0)
        return Estimate(value, max(value - room, 0.0), min(value + room, 1.0))
    weights = drawn_weights(groups)
    below = weights @ of.astype(np.float32)
    drawn = np.where(below > 0, weights @ hits.astype(np.float32) / np.maximum(below, 1e-9), np.nan)
    return _with_interval(float(hits.sum()) / float(of.sum()), drawn)


def _with_interval(value: float, drawn: NDArray[np.floating]) -> Estimate:
    known = drawn[np.isfinite(drawn)]
    if not len(known):
        return Estimate(value)
    low, high = np.percentile(known, TAILS)
    return Estimate(value, float(low), float(high))


def _weighted_auc(truth: NDArray[np.float32], score: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """One area for each row of weights; equal scores count half. nan for a row that holds one class only."""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])
    right = truth[order] > 0.5
    drawn = weights[:, order].astype(np.float64)
    positives = np.add.reduceat(drawn * right, starts, axis=1)
    negatives = np.add.reduceat(drawn * ~right, starts, axis=1)
    pairs = positives.sum(1) * negatives.sum(1)
    won = (positives * (np.cumsum(negatives, axis=1) - negatives / 2)).sum(1)
    return np.where(pairs > 0, won / np.maximum(pairs, 1e-9), np.nan)
