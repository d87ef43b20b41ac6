"""Trains the smile and the age model with fastai on the article's recipe: scale, grey, augment, CLAHE.

python -m workers.training.classifiers smile --data ../shared/data --minutes 20 [--resume]
python -m workers.training.classifiers age --data ../shared/data --minutes 10 [--resume]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from workers.gpu.models import AgeClassifier, SmileClassifier
from workers.inputs import clahe
from workers.training.ages import ordinal_targets
from workers.training.augment import P_WEBCAM, article_distortions, covered_mouth, webcam_crop
from workers.training.backbone import prepared
from workers.training.datasets import Faces, age_faces, age_groups, children_smiles, smile_faces, together
from workers.training.learning import BATCH, Plan, probabilities, train
from workers.training.options import training_parser
from workers.training.scoring import auc, balanced_threshold, quiet_threshold

STEPS_PER_EPOCH = 120
LABEL_NOISE = 0.03
# A wrong face in the reel is worse than a missed smile, so the operating point lets so many of the other faces through.
FALSE_SMILES = 0.02
# How often a hand is drawn before the mouth, and the P(smile) that such a face is to get at most.
P_HAND, COVERED = 0.05, np.float32(0.1)
# Drawn so many times as often as others: children are whom it is for, and grimaces are what it confuses with smiles.
SMILE_EMPHASIS = {"children": 6.0, "feelings": 10.0}
AGE_SHARES = {"toddler": 0.12, "child": 0.34, "teen": 0.10, "adult": 0.44}


class Crops:
    """Augmented crops, drawn with these weights: (uint8 1 x 64 x 64, float32 targets)."""

    def __init__(
        self, faces: Faces, targets: NDArray[np.float32], weights: NDArray[np.float64], seed: int, hands: float = 0.0
    ) -> None:
        self.faces = faces
        self.targets = targets.astype(np.float32)
        self.weights = weights / weights.sum()
        self.rng = np.random.default_rng(seed)
        self.hands = hands
        self.drawn: list[int] = []

    def __len__(self) -> int:
        return STEPS_PER_EPOCH * BATCH

    def __getitem__(self, _: int) -> tuple[Tensor, Tensor]:
        if not self.drawn:
            self.drawn = self.rng.choice(len(self.weights), 4096, p=self.weights).tolist()
        index = self.drawn.pop()
        crop, target = self.faces.crops[index], self.targets[index]
        if self.rng.random() < self.hands:
            crop, target = covered_mouth(crop, self.rng), np.minimum(target, COVERED)
        crop = article_distortions(crop, self.rng)
        if self.rng.random() < P_WEBCAM:
            crop = webcam_crop(crop, self.rng)
        return torch.from_numpy(clahe(crop))[None], torch.from_numpy(target)


def served(faces: Faces) -> NDArray[np.uint8]:
    """The crops as they are served, after CLAHE: uint8 N x 1 x 64 x 64."""
    return np.stack([clahe(crop) for crop in faces.crops])[:, None]


def smile_training(plan: dict[str, object], data: Path, seed: int) -> float:
    faces, valid = together(smile_faces(data, ("train",)), children_smiles(data, ("train",))), smile_faces(data, ("valid",))
    print(f"smile: {len(faces.targets)} to train on, {len(valid.targets)} to validate", flush=True)
    pixels = served(valid)

    def validate(network: nn.Module) -> tuple[float, float]:
        score = probabilities(network, pixels)
        return auc(valid.targets, score), quiet_threshold(valid.targets, score, FALSE_SMILES)

    smiling = faces.targets > 0.5
    weights = np.ones(len(smiling))
    for source, emphasis in SMILE_EMPHASIS.items():
        weights[np.array(faces.sources) == source] = emphasis
    weights *= np.where(smiling, 0.5 / weights[smiling].sum(), 0.5 / weights[~smiling].sum())
    targets = faces.targets[:, None] * (1 - 2 * LABEL_NOISE) + LABEL_NOISE
    full = Plan("smile", "smile-mobilenetv2-112", validate=validate, seed=seed, **plan)  # type: ignore[arg-type]
    return train(full, prepared(SmileClassifier()), Crops(faces, targets, weights, seed, P_HAND), _binary, STEPS_PER_EPOCH)


def age_training(plan: dict[str, object], data: Path, seed: int) -> float:
    faces, valid = age_faces(data, ("train",)), age_faces(data, ("valid",))
    print(f"age: {len(faces.targets)} to train on, {len(valid.targets)} to validate", flush=True)
    groups = age_groups(valid.targets)
    judged = (groups == "child") | (groups == "adult")
    truth = (groups[judged] == "child").astype(np.float32)
    pixels = served(valid)[judged]

    def validate(network: nn.Module) -> tuple[float, float]:
        score = probabilities(network, pixels)
        return auc(truth, score), balanced_threshold(truth, score)

    mine = age_groups(faces.targets)
    weights = np.zeros(len(mine))
    for group, share in AGE_SHARES.items():
        weights[mine == group] = share / max((mine == group).sum(), 1)
    targets = ordinal_targets(faces.targets)
    full = Plan("age", "age-mobilenetv2-112-ordinal", validate=validate, seed=seed, **plan)  # type: ignore[arg-type]
    return train(full, prepared(AgeClassifier()), Crops(faces, targets, weights, seed), _binary, STEPS_PER_EPOCH)


def _binary(logits: Tensor, targets: Tensor) -> Tensor:
    return binary_cross_entropy_with_logits(logits, targets)


def main() -> None:
    parser = training_parser(__doc__, minutes=20)
    parser.add_argument("model", choices=["smile", "age"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    plan: dict[str, object] = {
        "minutes": options.minutes,
        "weights": options.weights,
        "epochs": options.epochs,
        "work": options.work,
        "resume": options.resume,
        "learning_rate": options.learning_rate,
    }
    best = (smile_training if options.model == "smile" else age_training)(plan, options.data, options.seed)
    print(f"{options.model}: best on validation {best:.5f}")


if __name__ == "__main__":
    main()
