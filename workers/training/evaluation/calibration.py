"""Served probabilities and the truth in, how far one may trust them out: ECE, Brier score, and a reliability table of ten bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.training.evaluation.tables import Cell, Table

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Probabilities in [low, high): how many, their mean, and the share that is true; nan where there is none."""

    low: float
    high: float
    n: int
    said: float
    true: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """`ece`: mean gap between said and true over the bins, weighted by their numbers. `brier`: mean squared error."""

    ece: float
    brier: float
    bins: tuple[Bin, ...]


def reliability(truth: NDArray[np.float32], score: NDArray[np.float32]) -> Reliability:
    """Of 0/1 truths and probabilities in 0..1, in ten bins of equal width (Naeini et al. 2015)."""
    place = np.minimum((score * BINS).astype(int), BINS - 1)
    bins, gap = [], 0.0
    for index in range(BINS):
        here = place == index
        n = int(here.sum())
        said, true = (float(values[here].mean()) if n else float("nan") for values in (score, truth))
        bins.append(Bin(index / BINS, (index + 1) / BINS, n, said, true))
        gap += n * abs(said - true) if n else 0.0
    return Reliability(gap / max(len(truth), 1), float(np.mean((score - truth) ** 2)), tuple(bins))


def reliability_table(model: str, found: Reliability) -> Table:
    """The bins as a table, ECE and Brier score below."""
    rows: list[dict[str, Cell]] = [
        {"P(...) from": one.low, "to": one.high, "n": one.n, "mean said": one.said, "share true": one.true} for one in found.bins
    ]
    notes = [f"expected calibration error {found.ece:.4f}, Brier score {found.brier:.4f}"]
    return Table(f"{model}.reliability", f"{model}: reliability of the served probability", rows, notes)
