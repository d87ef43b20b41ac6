"""Frames in, faces' boxes and the parent's-shoulder probability out. The `detect` task of the GPU queue calls it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchvision.models.detection._utils import BoxCoder
from torchvision.ops import nms

from shared.face import Box, Detection
from workers.gpu.batching import run_in_batches, to_device
from workers.gpu.models import FaceDetector, anchors
from workers.gpu.weights import Models
from workers.inputs import Pixels, detector_input, shoulder_input

BOX_CODER = BoxCoder((1.0, 1.0, 1.0, 1.0))
NMS_IOU = 0.4
CANDIDATES = 300
MOST_FACES = 100
# The pyramid's coarsest stride: inputs are padded with black, right and below, to a multiple of it.
PADDING_STEP = 32


def detect_faces(
    models: Models, frames_rgb: Sequence[Pixels], *, batch_size: int = 8, threshold: float | None = None
) -> list[list[Detection]]:
    """The faces in each frame, highest score first.

    Args:
        models: with a detector.
        frames_rgb: uint8, H x W x 3 each; their sizes may differ.
        batch_size: frames at once; halved when the device runs out of memory.
        threshold: the lowest score that counts, in 0..1; None takes the released one.

    Returns:
        A list a frame; boxes in pixels of that frame, clipped to it, none without an area.

    Raises:
        ValueError: the models were loaded without a detector.
    """
    detector = models.detector
    if detector is None:
        raise ValueError("these models were loaded without the detector")
    lowest = models.thresholds["detector"] if threshold is None else threshold
    inputs = [detector_input(frame) for frame in frames_rgb]
    groups: dict[tuple[int, int], list[int]] = {}
    for index, (pixels, _) in enumerate(inputs):
        groups.setdefault(_padded_shape(pixels), []).append(index)
    found: list[list[Detection]] = [[] for _ in frames_rgb]
    for shape, indices in groups.items():

        def run(batch: Sequence[int], shape: tuple[int, int] = shape) -> list[list[tuple[float, ...]]]:
            return _faces(detector, models, [inputs[index][0] for index in batch], shape, lowest)

        for index, rows in zip(indices, run_in_batches(indices, batch_size, run), strict=True):
            found[index] = _detections(rows, inputs[index][1], frames_rgb[index].shape)
    return found


def _padded_shape(pixels: Pixels) -> tuple[int, int]:
    height, width = pixels.shape[:2]
    return -(-height // PADDING_STEP) * PADDING_STEP, -(-width // PADDING_STEP) * PADDING_STEP


@torch.inference_mode()
def _faces(
    detector: FaceDetector, models: Models, pictures: Sequence[Pixels], shape: tuple[int, int], lowest: float
) -> list[list[tuple[float, ...]]]:
    """Rows `x1, y1, x2, y2, score` in pixels of the detector's input, for each picture."""
    batch = np.zeros((len(pictures), *shape, 3), dtype=np.uint8)
    for row, picture in zip(batch, pictures, strict=True):
        row[: picture.shape[0], : picture.shape[1]] = picture
    logits, deltas = detector(to_device(batch, models.device).permute(0, 3, 1, 2))
    scores = logits.float().sigmoid()
    best, order = scores.topk(min(CANDIDATES, scores.shape[1]), dim=1)
    boxes = anchors(*shape).to(models.device)
    rows = []
    for index in range(len(pictures)):
        keep = best[index] >= lowest
        rows.append(_suppressed(deltas[index].float(), boxes, order[index][keep], best[index][keep]))
    return rows


def _suppressed(deltas: Tensor, boxes: Tensor, order: Tensor, scores: Tensor) -> list[tuple[float, ...]]:
    decoded = BOX_CODER.decode_single(deltas[order], boxes[order])
    kept = nms(decoded, scores, NMS_IOU)[:MOST_FACES]
    return [tuple(row) for row in torch.cat([decoded[kept], scores[kept, None]], 1).tolist()]


def _detections(rows: Sequence[tuple[float, ...]], scale: float, shape: tuple[int, ...]) -> list[Detection]:
    height, width = shape[:2]
    detections = []
    for *corners, score in rows:
        x1, y1, x2, y2 = (corner / scale for corner in corners)
        x1, x2 = (min(max(x, 0.0), float(width)) for x in (x1, x2))
        y1, y2 = (min(max(y, 0.0), float(height)) for y in (y1, y2))
        if x2 > x1 and y2 > y1:
            detections.append(Detection(Box(x1, y1, x2, y2), score))
    return detections


def score_shoulders(models: Models, frames_rgb: Sequence[Pixels], *, batch_size: int = 16) -> list[float]:
    """P(a parent is beside the child without a face in view) for each frame, in 0..1.

    Args:
        models: with the shoulder classifier.
        frames_rgb: uint8, H x W x 3 each; their sizes may differ.
        batch_size: frames at once; halved when the device runs out of memory.

    Raises:
        ValueError: the models were loaded without the shoulder classifier.
    """
    network = models.shoulder
    if network is None:
        raise ValueError("these models were loaded without the shoulder classifier")
    inputs = [shoulder_input(frame) for frame in frames_rgb]

    @torch.inference_mode()
    def run(batch: Sequence[Pixels]) -> list[float]:
        logits = network(to_device(np.stack(batch), models.device).permute(0, 3, 1, 2))
        probabilities: list[float] = network.probability(logits).tolist()
        return probabilities

    return run_in_batches(inputs, batch_size, run)
