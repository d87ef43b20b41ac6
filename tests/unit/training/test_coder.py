"""A training picture through real H.264."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from workers.inputs import Pixels
from workers.training.coder import h264


@pytest.fixture(scope="module")
def portrait() -> Pixels:
    return np.ascontiguousarray(data.astronaut()[:256, 100:420])


def test_the_picture_stays_in_place_and_loses_detail(portrait: Pixels) -> None:
    coded = [h264(portrait, np.random.default_rng(seed)).astype(float) for seed in range(6)]
    for picture in coded:
        assert picture.shape == portrait.shape
        assert 1.0 < np.abs(picture - portrait).mean() < 25
    moved = np.roll(portrait, 8, axis=1).astype(float)
    assert all(np.abs(picture - portrait).mean() < np.abs(picture - moved).mean() for picture in coded)


def test_the_same_draw_gives_the_same_picture(portrait: Pixels) -> None:
    ones, others = (h264(portrait, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(ones, others)
