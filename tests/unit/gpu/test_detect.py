"""Detections from untrained networks: shapes, clipping, order, frames of different sizes, memory running out."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor

from workers.gpu.detect import BOX_CODER, MOST_FACES, detect_faces, score_shoulders
from workers.gpu.models import FaceDetector, anchors

from .builders import random_models


class Puppet:
    """A detector that says what it is told: these boxes, in pixels of the input, with these logits."""

    def __init__(self, boxes: list[tuple[float, float, float, float]], logits: list[float], failures: int = 0) -> None:
        self.boxes, self.logits, self.failures = torch.tensor(boxes), logits, failures
        self.batches: list[int] = []

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        self.batches.append(len(pixels))
        if self.failures:
            self.failures -= 1
            raise torch.OutOfMemoryError
        places = anchors(*pixels.shape[2:])
        logits = torch.full((len(pixels), len(places)), -20.0)
        deltas = torch.zeros(len(pixels), len(places), 4)
        for index, box in enumerate(self.boxes):
            deltas[:, index] = BOX_CODER.encode_single(box[None], places[index : index + 1])[0]
            logits[:, index] = self.logits[index]
        return logits, deltas


def puppet_faces(puppet: Puppet, frame: np.ndarray, **options: object) -> list[tuple[list[float], float]]:
    models = replace(random_models(), detector=cast(FaceDetector, puppet))
    faces = detect_faces(models, [frame], **options)[0]  # type: ignore[arg-type]
    return [([round(corner, 1) for corner in face.box.xyxy], round(face.score, 2)) for face in faces]


def test_boxes_are_in_pixels_of_the_frame_and_the_surest_comes_first() -> None:
    frame = np.zeros((480, 640, 3), np.uint8)
    puppet = Puppet([(10, 20, 50, 70), (100, 100, 160, 170)], [1.0, 3.0])
    assert puppet_faces(puppet, frame) == [([200.0, 200.0, 320.0, 340.0], 0.95), ([20.0, 40.0, 100.0, 140.0], 0.73)]


def test_boxes_are_clipped_to_the_frame_and_those_outside_it_dropped() -> None:
    # 320 x 240 is padded below to 320 x 256: a box in the padding has no area in the frame.
    frame = np.zeros((240, 320, 3), np.uint8)
    puppet = Puppet([(-20, -10, 40, 50), (100, 241, 130, 255), (300, 200, 340, 250)], [3.0, 2.5, 2.0])
    assert [box for box, _ in puppet_faces(puppet, frame)] == [[0.0, 0.0, 40.0, 50.0], [300.0, 200.0, 320.0, 240.0]]


def test_overlapping_boxes_of_one_face_become_one() -> None:
    frame = np.zeros((240, 320, 3), np.uint8)
    puppet = Puppet([(10, 10, 60, 70), (12, 11, 61, 72)], [2.0, 3.0])
    assert [box for box, _ in puppet_faces(puppet, frame)] == [[12.0, 11.0, 61.0, 72.0]]


def test_the_threshold_holds() -> None:
    frame = np.zeros((240, 320, 3), np.uint8)
    puppet = Puppet([(10, 10, 60, 70), (100, 100, 160, 170)], [0.1, -0.1])
    assert len(puppet_faces(puppet, frame)) == 1
    assert len(puppet_faces(puppet, frame, threshold=0.4)) == 2
    assert puppet_faces(puppet, frame, threshold=0.9) == []


def test_out_of_memory_halves_the_batch() -> None:
    puppet = Puppet([(10, 10, 60, 70)], [3.0], failures=1)
    models = replace(random_models(), detector=cast(FaceDetector, puppet))
    frames = [np.zeros((240, 320, 3), np.uint8) for _ in range(5)]
    assert [len(faces) for faces in detect_faces(models, frames, batch_size=4)] == [1, 1, 1, 1, 1]
    assert puppet.batches == [4, 2, 2, 1]


def test_frames_of_different_sizes_keep_their_order() -> None:
    models = random_models()
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in ((48, 64), (64, 48), (1, 1), (48, 64), (2, 900))]
    together = detect_faces(models, frames, threshold=0.0)
    alone = [detect_faces(models, [frame], threshold=0.0)[0] for frame in frames]
    for mine, theirs, frame in zip(together, alone, frames, strict=True):
        assert 0 < len(mine) <= MOST_FACES
        assert np.allclose([face.score for face in mine], [face.score for face in theirs], atol=1e-4)
        assert all(0 <= face.box.x1 < face.box.x2 <= frame.shape[1] for face in mine)
        assert all(0 <= face.box.y1 < face.box.y2 <= frame.shape[0] for face in mine)


def test_no_frames_no_answers() -> None:
    assert detect_faces(random_models(), []) == []
    assert score_shoulders(random_models(), []) == []


def test_shoulders_are_probabilities() -> None:
    frames = [np.full((90, 160, 3), shade, np.uint8) for shade in (0, 255)]
    scores = score_shoulders(random_models(), frames, batch_size=1)
    assert len(scores) == 2
    assert all(0 <= score <= 1 for score in scores)


def test_models_without_a_detector_are_named() -> None:
    with pytest.raises(ValueError, match="without the detector"):
        detect_faces(replace(random_models(), detector=None), [])
    with pytest.raises(ValueError, match="without the shoulder"):
        score_shoulders(replace(random_models(), shoulder=None), [])
