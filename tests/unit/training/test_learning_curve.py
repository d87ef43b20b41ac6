"""A learning curve: the law that made the scores is found again, and the sentence says what it means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from workers.training.curve_runs import chosen_people
from workers.training.learning_curve import CurveRun, curve_of, draw, table


def runs_of(exponent: float, noise: float = 0.0, repeats: int = 3) -> list[CurveRun]:
    """Scores by the law `1 - score = 0.2 * people ** -exponent`."""
    rng = np.random.default_rng(1)
    return [
        CurveRun(
            share,
            repeat,
            int(400 * share),
            int(4000 * share),
            1 - 0.2 * (400 * share) ** -exponent * np.exp(rng.normal(0, noise)),
        )
        for share in (0.1, 0.25, 0.5, 1.0)
        for repeat in range(repeats)
    ]


def test_the_law_is_found_again() -> None:
    curve = curve_of("AUC", runs_of(0.5))
    assert curve.exponent == pytest.approx(0.5, abs=1e-6)
    assert curve.factor == pytest.approx(0.2, abs=1e-6)
    assert curve.gain[0] == pytest.approx(1 - 2**-0.5)
    assert [(point.people, point.runs) for point in curve.points] == [(40, 3), (100, 3), (200, 3), (400, 3)]


def test_the_band_widens_with_the_runs_noise() -> None:
    quiet, loud = (curve_of("AUC", runs_of(0.5, noise)).points[0] for noise in (0.01, 0.2))
    assert quiet.low < quiet.mean < quiet.high
    assert loud.high - loud.low > 5 * (quiet.high - quiet.low)


@pytest.mark.parametrize(
    ("exponent", "noise", "said"),
    [(0.5, 0.02, "More labels would pay"), (0.02, 0.02, "More labels would hardly pay"), (0.15, 0.5, "do not tell")],
)
def test_one_sentence_says_whether_more_labels_would_pay(exponent: float, noise: float, said: str) -> None:
    sentence = curve_of("AUC", runs_of(exponent, noise)).sentence
    assert said in sentence
    assert sentence.count(". ") == 0


def test_the_sentence_gives_the_error_now_and_after_a_doubling() -> None:
    assert "from 0.0100 to 0.0071 (-29%" in curve_of("AUC", runs_of(0.5)).sentence


def test_few_runs_that_disagree_tell_nothing() -> None:
    scores = {0.25: 0.90, 0.5: 0.95, 1.0: 0.94}
    curve = curve_of("AUC", [CurveRun(share, 0, int(400 * share), 400, score) for share, score in scores.items()])
    assert curve.gain[1] < 0 < curve.gain[2]
    assert "do not tell" in curve.sentence


def test_one_number_of_people_is_no_curve() -> None:
    with pytest.raises(ValueError, match="at least three tunings on at least two different numbers of people"):
        curve_of("AUC", [CurveRun(1.0, repeat, 40, 400, 0.9) for repeat in range(4)])


def test_a_perfect_score_breaks_no_logarithm() -> None:
    curve = curve_of(
        "AUC", [CurveRun(share, 0, int(40 * share), 400, 0.99) for share in (0.25, 0.5)] + [CurveRun(1.0, 0, 40, 400, 1.0)]
    )
    assert np.isfinite([curve.exponent, *curve.gain]).all()


def test_the_table_has_a_line_for_each_share_and_ends_with_the_sentence() -> None:
    curve = curve_of("AUC", runs_of(0.5))
    lines = table(curve).splitlines()
    assert len(lines) == 1 + 4 + 1 + 1
    assert lines[-1] == curve.sentence


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_drawing_is_a_picture(suffix: str, tmp_path: Path) -> None:
    runs = runs_of(0.5, 0.05)
    draw(curve_of("AUC", runs), runs, "smile", tmp_path / f"curve{suffix}")
    assert (tmp_path / f"curve{suffix}").read_bytes()[:5] in (b"<?xml", b"\x89PNG\r")


def test_a_share_is_of_people_and_larger_shares_hold_the_smaller_ones() -> None:
    people = [f"person {index % 50}" for index in range(400)]
    tenth, half = (chosen_people(people, share, 3) for share in (0.1, 0.5))
    assert len({people[index] for index in tenth}) == 5
    assert len(tenth) == 40
    assert set(tenth) < set(half)
    assert chosen_people(people, 0.1, 4) != tenth
    assert len(chosen_people(people, 1.0, 3)) == 400
