"""Which anchor stands for which face."""

from __future__ import annotations

import pytest
import torch
from torchvision.ops import box_iou

from workers.gpu.models import ANCHORS_PER_CELL, STRIDES, anchors
from workers.training.assignment import assigned

HEIGHT, WIDTH = 256, 320
OF_LEVEL = [ANCHORS_PER_CELL * (HEIGHT // stride) * (WIDTH // stride) for stride in STRIDES]


def of(*faces: tuple[float, float, float, float]) -> torch.Tensor:
    return assigned(torch.tensor(faces), anchors(HEIGHT, WIDTH), OF_LEVEL, ANCHORS_PER_CELL)


@pytest.mark.parametrize("side", [9.0, 12.0, 17.0, 40.0, 200.0])
@pytest.mark.parametrize("offset", [0.0, 2.0, 4.0])
def test_each_face_has_an_anchor_wherever_it_lies_between_the_cells(side: float, offset: float) -> None:
    left = 80 + offset
    face = (left, left / 2, left + side, left / 2 + 1.25 * side)
    matched = of(face)
    mine = (matched == 0).nonzero()[:, 0]
    assert len(mine) >= 1
    overlap = box_iou(torch.tensor([face]), anchors(HEIGHT, WIDTH))[0]
    assert int(overlap.argmax()) in mine.tolist()


def test_two_faces_side_by_side_get_anchors_of_their_own() -> None:
    matched = of((60, 60, 100, 110), (100, 60, 140, 110))
    assert (matched == 0).any()
    assert (matched == 1).any()
    left = anchors(HEIGHT, WIDTH)[matched == 0]
    assert bool(((left[:, 0] + left[:, 2]) / 2 < 101).all())


def test_an_anchor_far_from_every_face_stands_for_none() -> None:
    matched = of((20, 20, 60, 70))
    places = anchors(HEIGHT, WIDTH)
    assert set(matched[places[:, 0] > 150].tolist()) == {-1}


def test_a_face_at_the_frames_corner_still_has_its_anchor() -> None:
    assert (of((0, 0, 12, 14)) == 0).any()
