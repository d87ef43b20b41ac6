"""Trains the parent's-shoulder model on composed frames.

python -m workers.training.shoulder --data ../shared/data --minutes 15 [--resume]
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from workers.gpu.models import ShoulderClassifier
from workers.training.backbone import prepared
from workers.training.learning import BATCH, Plan, probabilities, train
from workers.training.options import training_parser
from workers.training.scoring import auc, balanced_threshold
from workers.training.shoulder_frames import ShoulderFrames, composed

STEPS_PER_EPOCH = 60
VALIDATION_FRAMES = 500
LABEL_NOISE = 0.03


class Composed:
    """Freshly composed frames: (uint8 3 x 128 x 160, float32 target)."""

    def __init__(self, frames: ShoulderFrames, seed: int) -> None:
        self.frames = frames
        self.rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return STEPS_PER_EPOCH * BATCH

    def __getitem__(self, _: int) -> tuple[Tensor, Tensor]:
        positive = bool(self.rng.random() < 0.5)
        pixels = torch.from_numpy(self.frames.frame(positive)).permute(2, 0, 1)
        return pixels, torch.tensor([1 - LABEL_NOISE if positive else LABEL_NOISE])


def main() -> None:
    parser = training_parser(__doc__, minutes=15)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    pixels, truth = composed(options.data, "valid", VALIDATION_FRAMES, 7)

    def validate(network: nn.Module) -> tuple[float, float]:
        score = probabilities(network, pixels)
        return auc(truth, score), balanced_threshold(truth, score)

    plan = Plan(
        name="shoulder",
        architecture="shoulder-mobilenetv2-160x128",
        minutes=options.minutes,
        weights=options.weights,
        epochs=options.epochs,
        work=options.work,
        resume=options.resume,
        validate=validate,
        learning_rate=options.learning_rate,
        seed=options.seed,
    )
    dataset = Composed(ShoulderFrames(options.data, "train", options.seed), options.seed)
    best = train(plan, prepared(ShoulderClassifier()), dataset, binary_cross_entropy_with_logits, STEPS_PER_EPOCH)
    print(f"shoulder: best on validation {best:.5f}")


if __name__ == "__main__":
    main()
