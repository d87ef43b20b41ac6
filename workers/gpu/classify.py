"""Face crops in, P(child) and P(smile) out. The `classify` task of the GPU queue calls it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from shared.face import FaceScores
from workers.gpu.batching import run_in_batches, to_device
from workers.gpu.weights import Models
from workers.inputs import FACE_CROP_SIDE, Pixels


def score_faces(models: Models, crops: Pixels, *, batch_size: int = 64) -> list[FaceScores]:
    """What the classifiers say of each crop.

    Args:
        models: with the smile and the age classifier.
        crops: uint8, N x 64 x 64, as `workers.inputs.face_crop` makes them; N may be 0.
        batch_size: crops at once; halved when the device runs out of memory.

    Raises:
        ValueError: the crops have another shape or type, or the models were loaded without one of the two classifiers.
    """
    smile, age = models.smile, models.age
    if smile is None or age is None:
        raise ValueError("these models were loaded without the smile or the age classifier")
    if crops.ndim != 3 or crops.shape[1:] != (FACE_CROP_SIDE, FACE_CROP_SIDE) or crops.dtype != np.uint8:
        raise ValueError(f"face crops are uint8 N x 64 x 64, not {crops.dtype} {crops.shape}")

    @torch.inference_mode()
    def run(batch: Sequence[Pixels]) -> list[FaceScores]:
        pixels = to_device(np.stack(batch)[:, None], models.device)
        p_smile: list[float] = smile.probability(smile(pixels)).tolist()
        p_child: list[float] = age.probability(age(pixels)).tolist()
        return [FaceScores(p_child=child, p_smile=smiling) for child, smiling in zip(p_child, p_smile, strict=True)]

    return run_in_batches(list(crops), batch_size, run)
