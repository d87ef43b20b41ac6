"""Faces and anchors in, which anchor stands for which face out: Adaptive Training Sample Selection. `detector` trains with it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.ops import box_iou

# Zhang et al. 2020, "Bridging the gap between anchor-based and anchor-free detection via ATSS": nine nearest cells of each level.
NEAREST_CELLS = 9


def assigned(faces_xyxy: Tensor, anchors_xyxy: Tensor, anchors_of_level: Sequence[int], anchors_per_cell: int) -> Tensor:
    """For each anchor the face that it stands for, or -1.

    Of the anchors nearest to a face's centre on each level, those stand for it whose overlap is at least the mean plus one
    standard deviation of the nearest ones' overlaps, and whose centre lies in the face; and always the best one, so that no face
    is without an anchor. A fixed overlap of 0.5 leaves a face of 12 pixels between cells of 8 with hardly any.

    Args:
        faces_xyxy: float32 N x 4, N at least 1.
        anchors_xyxy: float32 A x 4, level after level.
        anchors_of_level: how many anchors each level has; they add up to A.
        anchors_per_cell: anchors with the same centre.

    Returns:
        int64, A values in -1..N-1.
    """
    overlap = box_iou(faces_xyxy, anchors_xyxy)
    centres = (anchors_xyxy[:, :2] + anchors_xyxy[:, 2:]) / 2
    distance = torch.cdist((faces_xyxy[:, :2] + faces_xyxy[:, 2:]) / 2, centres)
    nearest, start = [], 0
    for count in anchors_of_level:
        wanted = min(NEAREST_CELLS * anchors_per_cell, count)
        nearest.append(distance[:, start : start + count].topk(wanted, largest=False).indices + start)
        start += count
    candidates = torch.cat(nearest, 1)
    shared = overlap.gather(1, candidates)
    enough = shared >= (shared.mean(1) + shared.std(1))[:, None]
    there = centres[candidates]
    inside = ((there > faces_xyxy[:, None, :2]) & (there < faces_xyxy[:, None, 2:])).all(2)
    claims = torch.full_like(overlap, -1.0)
    claims.scatter_(1, candidates, torch.where(enough & inside, shared, -1.0))
    # The best anchor of a face is its own even where another face overlaps more with it.
    best = overlap.argmax(1, keepdim=True)
    claims.scatter_(1, best, 1 + overlap.gather(1, best))
    strongest, face = claims.max(0)
    return torch.where(strongest >= 0, face, -1)
