"""A detector and scenes in, how right it is out, on the scenes and on their poor twins. The trainer and `evaluate` call it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import torch

from workers.gpu.detect import detect_faces
from workers.gpu.models import FaceDetector
from workers.gpu.weights import Models
from workers.training.augment import low_quality
from workers.training.baselines import Found
from workers.training.datasets import Scene
from workers.training.scoring import Judged, judge
from workers.training.splits import file_seed

LOWEST_SCORE = 0.05


def found_by(models: Models, pictures: list[Any], threshold: float) -> list[Found]:
    """The served detector's boxes and scores for each picture."""
    results = []
    for faces in detect_faces(models, pictures, threshold=threshold):
        boxes = np.array([face.box.xyxy for face in faces], np.float32).reshape(-1, 4)
        results.append((boxes, np.array([face.score for face in faces], np.float32)))
    return results


def judged(network: FaceDetector, normal: list[Scene], poor: list[Scene]) -> tuple[list[Judged], list[Judged]]:
    """The network as it serves (bf16) on good pictures and on their poor twins."""
    served = deepcopy(network).eval().to(torch.bfloat16).to(memory_format=torch.channels_last)
    models = Models(served, None, None, None, torch.device("cpu"), torch.bfloat16, {})
    both = []
    for side in (normal, poor):
        found = found_by(models, [scene.picture for scene in side], LOWEST_SCORE)
        both.append([judge(boxes, scene.boxes, scene.ignored) for boxes, scene in zip(found, side, strict=True)])
    return both[0], both[1]


def poor_twins(good: list[Scene]) -> list[Scene]:
    """The same pictures as a poor webcam would have taken them; the file's name decides how, so it is the same each time."""
    twins = []
    for scene in good:
        rng = np.random.default_rng(file_seed(scene.file))
        picture, boxes, ignored = low_quality(scene.picture, scene.boxes, scene.ignored, rng)
        twins.append(Scene(scene.file, scene.source, scene.split, picture, boxes, ignored))
    return twins
