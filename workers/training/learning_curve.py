"""Scores of tunings on shares of the people in, a curve, its band and whether more labels would pay out. `curve_runs` tunes.

The error (1 - score) is fitted by a power law of the number of people (Hestness et al. 2017): a straight line through the logarithms of
all runs, whose slope has Student's interval, and from it the gain that another doubling would bring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import linregress
from scipy.stats import t as student

BAND = 0.90
# A doubling that takes away less of the error than this is not worth a person's weeks.
WORTH = 0.10
LOWEST_ERROR = 1e-5


@dataclass(frozen=True, slots=True)
class CurveRun:
    """One tuning: the share of the people it saw, how many people and pictures that were, and its score on other people."""

    share: float
    repeat: int
    people: int
    pictures: int
    score: float


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """All tunings on one share: the mean score and the ends of its 90 % interval (Student's t; equal to the mean for one run)."""

    share: float
    people: float
    pictures: float
    runs: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Curve:
    """The points in order of people, the power law `error = factor * people ** -exponent`, and what another doubling would bring.

    Attributes:
        gain: the share of the error that twice as many people would take away, with the ends of its 90 % interval.
        sentence: whether more labels would pay.
    """

    measure: str
    points: list[CurvePoint]
    factor: float
    exponent: float
    gain: tuple[float, float, float]
    sentence: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def curve_of(measure: str, runs: Sequence[CurveRun]) -> Curve:
    """The curve of these runs.

    Args:
        measure: what the score is, as "AUC".
        runs: at least three, of at least two shares.

    Raises:
        ValueError: there are fewer.
    """
    people = np.array([run.people for run in runs], np.float64)
    errors = np.maximum(1 - np.array([run.score for run in runs]), LOWEST_ERROR)
    if len(set(people)) < 2 or len(runs) < 3:
        raise ValueError("a curve needs at least three tunings on at least two different numbers of people")
    line = linregress(np.log(people), np.log(errors))
    half = float(student.ppf((1 + BAND) / 2, len(runs) - 2) * line.stderr)
    exponent, factor = -float(line.slope), float(np.exp(line.intercept))
    gain = (_gain(exponent), _gain(exponent - half), _gain(exponent + half))
    most = float(people.max())
    sentence = _sentence(measure, gain, factor * most**-exponent, factor * (2 * most) ** -exponent)
    return Curve(measure, _points(runs), factor, exponent, gain, sentence)


def _points(runs: Sequence[CurveRun]) -> list[CurvePoint]:
    points = []
    for share in sorted({run.share for run in runs}):
        mine = [run for run in runs if run.share == share]
        scores = np.array([run.score for run in mine])
        half = 0.0
        if len(mine) > 1:
            half = float(student.ppf((1 + BAND) / 2, len(mine) - 1) * scores.std(ddof=1) / sqrt(len(mine)))
        mean = float(scores.mean())
        people, pictures = (float(np.mean([getattr(run, name) for run in mine])) for name in ("people", "pictures"))
        points.append(CurvePoint(share, people, pictures, len(mine), mean, mean - half, min(mean + half, 1.0)))
    return points


def _gain(exponent: float) -> float:
    """The share of the error that a doubling takes away."""
    return float(1 - 2.0**-exponent)


def _sentence(measure: str, gain: tuple[float, float, float], now: float, then: float) -> str:
    middle, low, high = gain
    change = f"({-middle:+.0%}, 90 % interval {-high:+.0%} to {-low:+.0%})"
    figures = f"twice as many people would bring 1 - {measure} from {now:.4f} to {then:.4f} {change}"
    if low >= WORTH:
        return f"More labels would pay: {figures}."
    if high < WORTH:
        return f"More labels would hardly pay: {figures}."
    return f"These tunings do not tell whether more labels would pay: {figures}."


def table(curve: Curve) -> str:
    """The curve as lines of text."""
    head = f"{'share':>6} {'people':>8} {'pictures':>9} {'runs':>5} {curve.measure:>9}  90 % interval"
    lines = [
        f"{point.share:>6.0%} {point.people:>8.0f} {point.pictures:>9.0f} {point.runs:>5} {point.mean:>9.5f}"
        f"  {point.low:.5f} .. {point.high:.5f}"
        for point in curve.points
    ]
    law = f"power law: 1 - {curve.measure} = {curve.factor:.4g} x people^({-curve.exponent:.3f})"
    return "\n".join([head, *lines, law, curve.sentence])


def draw(curve: Curve, runs: Sequence[CurveRun], title: str, path: Path) -> None:
    """The runs, the mean with its band, and the power law up to twice the people, as a picture of the kind that the name ends in."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    people = [point.people for point in curve.points]
    axes.fill_between(people, [p.low for p in curve.points], [p.high for p in curve.points], alpha=0.25, label="90 % of the mean")
    axes.plot(people, [point.mean for point in curve.points], marker="o", label="mean")
    axes.scatter([run.people for run in runs], [run.score for run in runs], s=12, color="black", label="one tuning")
    span = np.geomspace(min(people), 2 * max(people), 50)
    axes.plot(span, 1 - curve.factor * span**-curve.exponent, linestyle="--", label="power law")
    axes.set(xscale="log", xlabel="people trained on", ylabel=f"{curve.measure}, other people", title=title)
    axes.legend()
    figure.savefig(path)
