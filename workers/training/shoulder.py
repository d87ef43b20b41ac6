"""Trains the parent's-shoulder model on composed frames, and on labelled ones where there are some.

smilereel train shoulder [--resume]
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from workers.gpu.models import ShoulderClassifier
from workers.training.backbone import prepared
from workers.training.learning import BATCH, Plan, train
from workers.training.options import TrainingOptions
from workers.training.own_pictures import own_frames
from workers.training.scoring import auc, balanced_threshold
from workers.training.shoulder_frames import ShoulderFrames, composed
from workers.training.temperature import calibrated

STEPS_PER_EPOCH = 60
VALIDATION_FRAMES = 500
LABEL_NOISE = 0.03
# How often a labelled frame is drawn instead of a composed one.
P_OWN = 0.4


class Composed:
    """Freshly composed frames, and labelled ones in between: (uint8 3 x 128 x 160, float32 target)."""

    def __init__(self, frames: ShoulderFrames, seed: int, own: NDArray[np.uint8], own_truth: NDArray[np.float32]) -> None:
        self.frames = frames
        self.rng = np.random.default_rng(seed)
        self.own = {positive: own[own_truth == positive] for positive in (False, True)}

    def reseed(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.frames.rng = np.random.default_rng(seed + 1)

    def advance(self, share: float) -> None:
        """The same frames from beginning to end."""

    def __len__(self) -> int:
        return STEPS_PER_EPOCH * BATCH

    def __getitem__(self, _: int) -> tuple[Tensor, Tensor]:
        positive = bool(self.rng.random() < 0.5)
        target = torch.tensor([1 - LABEL_NOISE if positive else LABEL_NOISE])
        own = self.own[positive]
        if len(own) and self.rng.random() < P_OWN:
            frame = own[self.rng.integers(len(own))]
            return torch.from_numpy(frame[..., ::-1].copy() if self.rng.random() < 0.5 else frame), target
        return torch.from_numpy(self.frames.frame(positive)).permute(2, 0, 1), target


def shoulder_training(options: TrainingOptions) -> float:
    pixels, truth = composed(options.data, "valid", VALIDATION_FRAMES, 7)
    (own, own_truth), (own_valid, own_valid_truth) = own_frames(options)
    pixels, truth = np.concatenate([pixels, own_valid]), np.concatenate([truth, own_valid_truth])

    def validate(network: nn.Module) -> tuple[float, float]:
        score = calibrated(network, pixels, truth)
        return auc(truth, score), balanced_threshold(truth, score)

    plan = Plan("shoulder", "shoulder-mobilenetv2-160x128", options, validate)
    dataset = Composed(ShoulderFrames(options.data, "train", options.seed), options.seed, own, own_truth)
    return train(plan, prepared(ShoulderClassifier()), dataset, binary_cross_entropy_with_logits, STEPS_PER_EPOCH)
