"""Face scores from untrained networks: shapes, ranges, memory running out."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor

from workers.gpu.classify import score_faces
from workers.gpu.models import AGE_STEPS, AgeClassifier, SmileClassifier

from .builders import random_models


class Forgetful:
    """A smile classifier that runs out of memory at first, then says how bright a crop is."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, crops: Tensor) -> Tensor:
        self.batches.append(len(crops))
        if len(self.batches) == 1:
            raise torch.OutOfMemoryError
        return crops.float().mean((2, 3)) / 100

    probability = staticmethod(SmileClassifier.probability)


def test_no_crops_no_scores() -> None:
    assert score_faces(random_models(), np.zeros((0, 64, 64), np.uint8)) == []


def test_scores_are_probabilities_in_the_crops_order() -> None:
    crops = np.random.default_rng(1).integers(0, 256, (5, 64, 64), dtype=np.uint8)
    together = score_faces(random_models(), crops, batch_size=2)
    backwards = score_faces(random_models(), crops[::-1], batch_size=5)[::-1]
    assert all(0 <= score.p_smile <= 1 and 0 <= score.p_child <= 1 for score in together)
    assert np.allclose([score.p_smile for score in together], [score.p_smile for score in backwards], atol=1e-5)
    assert np.allclose([score.p_child for score in together], [score.p_child for score in backwards], atol=1e-5)


def test_out_of_memory_halves_the_batch() -> None:
    smile = Forgetful()
    models = replace(random_models(), smile=cast(SmileClassifier, smile))
    crops = np.arange(6, dtype=np.uint8).repeat(64 * 64).reshape(6, 64, 64)
    scores = score_faces(models, crops, batch_size=6)
    assert smile.batches == [6, 3, 3]
    assert [score.p_smile for score in scores] == sorted(score.p_smile for score in scores)


@pytest.mark.parametrize(
    "crops", [np.zeros((2, 64, 65), np.uint8), np.zeros((64, 64), np.uint8), np.zeros((1, 64, 64), np.float32)]
)
def test_crops_of_another_kind_are_refused(crops: np.ndarray) -> None:
    with pytest.raises(ValueError, match="N x 64 x 64"):
        score_faces(random_models(), crops)


def test_a_toddler_counts_as_a_child_and_a_teen_falls_between() -> None:
    def p_child(years: int) -> float:
        logits = torch.tensor([[9.0 if years >= step else -9.0 for step in AGE_STEPS]])
        return float(AgeClassifier.probability(logits)[0])

    assert p_child(2) > 0.99
    assert p_child(9) > 0.99
    assert 0.4 < p_child(16) < 0.6
    assert p_child(30) < 0.01
