"""Calibration by a temperature that ends up in the last layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from workers.training.temperature import best_temperature, calibrated, logits_of


class Overconfident(nn.Module):
    """The mean grey value as a logit, too large by `factor`."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        last = nn.Linear(1, 1)
        nn.init.constant_(last.weight, factor)
        nn.init.constant_(last.bias, -factor * 0.5)
        self.head = nn.Sequential(nn.Dropout(0.2), last)

    def forward(self, pixels: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            logits: Tensor = self.head(pixels.float().mean((2, 3)) / 255)
        return logits

    @staticmethod
    def probability(logits: Tensor) -> Tensor:
        return logits.sigmoid()[:, 0]


def pictures(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Grey values, and truths that follow them with a true logit of 8 * (grey - .5)."""
    rng = np.random.default_rng(3)
    grey = rng.integers(0, 256, count)
    truth = rng.random(count) < 1 / (1 + np.exp(-8 * (grey / 255 - 0.5)))
    return np.tile(grey[:, None, None, None], (1, 1, 4, 4)).astype(np.uint8), truth.astype(np.float32)


@pytest.mark.parametrize("too_large", [0.5, 1.0, 2.5])
def test_the_temperature_takes_back_what_the_logits_are_too_large(too_large: float) -> None:
    pixels, truth = pictures(4000)
    network = Overconfident(8 * too_large)
    assert best_temperature(network, logits_of(network, pixels), truth) == pytest.approx(too_large, rel=0.12)


def test_the_network_itself_is_calibrated_and_keeps_its_order() -> None:
    pixels, truth = pictures(4000)
    network = Overconfident(20.0)
    before = logits_of(network, pixels)[:, 0]
    score = calibrated(network, pixels, truth)
    after = network.probability(logits_of(network, pixels)).numpy()
    assert np.allclose(after, score, atol=1e-5)
    assert np.array_equal(
        np.argsort(before.numpy(), kind="stable"), np.argsort(logits_of(network, pixels)[:, 0].numpy(), kind="stable")
    )
    sure = (score > 0.7) & (score < 0.9)
    assert truth[sure].mean() == pytest.approx(score[sure].mean(), abs=0.05)
