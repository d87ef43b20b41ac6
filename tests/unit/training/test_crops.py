"""What the smile training draws: how often whom, and two crops laid over each other."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("fastai")

from workers.training.classifiers import Crops, _emphasis
from workers.training.datasets import Faces, child_source


def faces(sources: list[str]) -> Faces:
    targets = np.arange(len(sources), dtype=np.float32) % 2
    crops = np.stack([np.full((64, 64), 40 + 160 * int(target), np.uint8) for target in targets])
    return Faces(crops, targets, [f"{index}.jpg" for index in range(len(sources))], sources)


def test_open_mouths_of_children_are_drawn_more_often_than_other_children() -> None:
    assert [child_source(detail) for detail in ("open", "speaking", "crying")] == ["children", "child, speaking", "crying"]
    weights = _emphasis(faces(["smilesmiled", "children", "child, speaking", "child, restrained", "crying"]), 6.0)
    assert weights.tolist() == [1.0, 6.0, 18.0, 9.0, 15.0]


def test_mixed_crops_have_mixed_targets() -> None:
    drawn = faces(["a", "a"])
    crops = Crops(drawn, drawn.targets[:, None], np.ones(2), seed=3, mixed=1.0)
    targets = [float(crops[0][1]) for _ in range(60)]
    assert all(0.0 <= target <= 1.0 for target in targets)
    assert sum(0.01 < target < 0.99 for target in targets) >= 10


def test_without_mixing_a_target_stays_what_it_is() -> None:
    drawn = faces(["a", "a"])
    crops = Crops(drawn, drawn.targets[:, None], np.ones(2), seed=3)
    assert {float(crops[0][1]) for _ in range(40)} == {0.0, 1.0}
