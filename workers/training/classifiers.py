"""Trains the smile and the age model with fastai on the article's recipe: scale, grey, augment, CLAHE.

smilereel train smile [--resume]
smilereel train age [--resume]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
from workers.training.learning import BATCH, Plan, train
from workers.training.options import TrainingOptions
from workers.training.own_pictures import own_faces
from workers.training.scoring import auc, balanced_threshold, quiet_threshold
from workers.training.temperature import calibrated

STEPS_PER_EPOCH = 120
LABEL_NOISE = 0.02
# A wrong face in the reel is worse than a missed smile, so the operating point lets so many of the other faces through.
FALSE_SMILES = 0.02
# How often two crops are laid over each other with their targets (mixup, Zhang et al. 2018), and Beta's parameter of the share.
P_MIXED, MIXED_BETA = 0.5, 0.4
# How often a hand is drawn before the mouth, and the P(smile) that such a face is to get at most.
P_HAND, COVERED = 0.05, np.float32(0.1)
# The article's two stages: the public sets first, then the pictures nearest to ours, which are children; the second begins here.
SECOND_STAGE = 0.6
# Drawn so many times as often as others in each stage: children are whom it is for, the rest is what it confuses with smiles.
EMPHASIS = {"grimace": 2.0, "feelings": 3.0, "crying": 15.0}
CHILDREN_EMPHASIS = (3.0, 6.0)
# Of the children, again so many times as often: open mouths without a smile are what took a smile's place in a reel.
HARD_CHILDREN = {"child, speaking": 3.0, "child, grimace": 3.0, "child, restrained": 1.5}
AGE_SHARES = {"toddler": 0.12, "child": 0.34, "teen": 0.10, "adult": 0.44}


class Crops:
    """Augmented crops, drawn with these weights: (uint8 1 x 64 x 64, float32 targets); with `later`, by those in the second stage."""

    def __init__(
        self,
        faces: Faces,
        targets: NDArray[np.float32],
        weights: NDArray[np.float64],
        seed: int,
        hands: float = 0.0,
        later: NDArray[np.float64] | None = None,
        mixed: float = 0.0,
    ) -> None:
        self.faces = faces
        self.targets = targets.astype(np.float32)
        self.weights = weights / weights.sum()
        self.later = None if later is None else later / later.sum()
        self.rng = np.random.default_rng(seed)
        self.hands = hands
        self.mixed = mixed
        self.drawn: list[int] = []

    def advance(self, share: float) -> None:
        """The second stage's weights from its beginning on."""
        if self.later is not None and share >= SECOND_STAGE:
            self.weights, self.later, self.drawn = self.later, None, []

    def reseed(self, seed: int) -> None:
        self.rng, self.drawn = np.random.default_rng(seed), []

    def __len__(self) -> int:
        return STEPS_PER_EPOCH * BATCH

    def __getitem__(self, _: int) -> tuple[Tensor, Tensor]:
        crop, target = self._one()
        if self.mixed and self.rng.random() < self.mixed:
            other, its_target = self._one()
            share = float(self.rng.beta(MIXED_BETA, MIXED_BETA))
            crop = (crop * share + other * (1 - share)).astype(np.uint8)
            target = (target * share + its_target * (1 - share)).astype(np.float32)
        return torch.from_numpy(crop)[None], torch.from_numpy(target)

    def _one(self) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        if not self.drawn:
            self.drawn = self.rng.choice(len(self.weights), 4096, p=self.weights).tolist()
        index = self.drawn.pop()
        crop, target = self.faces.crops[index], self.targets[index]
        if self.rng.random() < self.hands:
            crop, target = covered_mouth(crop, self.rng), np.minimum(target, COVERED)
        crop = article_distortions(crop, self.rng)
        if self.rng.random() < P_WEBCAM:
            crop = webcam_crop(crop, self.rng)
        return clahe(crop), target


def served(faces: Faces) -> NDArray[np.uint8]:
    """The crops as they are served, after CLAHE: uint8 N x 1 x 64 x 64."""
    return np.stack([clahe(crop) for crop in faces.crops])[:, None]


@dataclass(frozen=True, slots=True)
class SmileMaterial:
    """What a smile model learns from, and how it is judged on the validation split (see `Plan.validate`)."""

    crops: Crops
    validate: Callable[[nn.Module], tuple[float, float]]


def smile_material(options: TrainingOptions) -> SmileMaterial:
    """Public faces and children, drawn in two stages; judged by the mean AUC of both, each on other people."""
    own, own_valid = own_faces(options, "smile")
    public, children = smile_faces(options.data, ("valid",)), together(children_smiles(options.data, ("valid",)), own_valid)
    faces = together(together(smile_faces(options.data, ("train",)), children_smiles(options.data, ("train",))), own)
    valid = together(public, children)
    print(f"smile: {len(faces.targets)} to train on, {len(valid.targets)} to validate", flush=True)
    pixels, count = served(valid), len(public.targets)

    def validate(network: nn.Module) -> tuple[float, float]:
        score = calibrated(network, pixels, valid.targets)
        both = auc(public.targets, score[:count]), auc(children.targets, score[count:])
        return sum(both) / 2, quiet_threshold(valid.targets, score, FALSE_SMILES)

    smiling = faces.targets > 0.5
    first, later = (_balanced(_emphasis(faces, often), smiling) for often in CHILDREN_EMPHASIS)
    targets = faces.targets[:, None] * (1 - 2 * LABEL_NOISE) + LABEL_NOISE
    return SmileMaterial(Crops(faces, targets, first, options.seed, P_HAND, later, P_MIXED), validate)


def smile_training(options: TrainingOptions) -> float:
    material = smile_material(options)
    plan = Plan("smile", "smile-mobilenetv2-112", options, material.validate)
    return train(plan, prepared(SmileClassifier()), material.crops, binary_cross_entropy_with_logits, STEPS_PER_EPOCH)


def _emphasis(faces: Faces, children: float) -> NDArray[np.float64]:
    often = {**EMPHASIS, "children": children, "own": children}
    often |= {source: children * again for source, again in HARD_CHILDREN.items()}
    return np.array([often.get(source, 1.0) for source in faces.sources])


def _balanced(weights: NDArray[np.float64], smiling: NDArray[np.bool_]) -> NDArray[np.float64]:
    """As many smiles as others."""
    shares: NDArray[np.float64] = np.where(smiling, 0.5 / weights[smiling].sum(), 0.5 / weights[~smiling].sum())
    return weights * shares


def age_training(options: TrainingOptions) -> float:
    data, seed = options.data, options.seed
    own, own_valid = own_faces(options, "age")
    faces, valid = together(age_faces(data, ("train",)), own), together(age_faces(data, ("valid",)), own_valid)
    print(f"age: {len(faces.targets)} to train on, {len(valid.targets)} to validate", flush=True)
    groups = age_groups(valid.targets)
    judged = (groups == "child") | (groups == "adult")
    truth = (groups[judged] == "child").astype(np.float32)
    pixels = served(valid)[judged]

    def validate(network: nn.Module) -> tuple[float, float]:
        score = calibrated(network, pixels, truth)
        return auc(truth, score), balanced_threshold(truth, score)

    mine = age_groups(faces.targets)
    weights = np.zeros(len(mine))
    for group, share in AGE_SHARES.items():
        weights[mine == group] = share / max((mine == group).sum(), 1)
    targets = ordinal_targets(faces.targets)
    full = Plan("age", "age-mobilenetv2-112-ordinal", options, validate)
    return train(
        full, prepared(AgeClassifier()), Crops(faces, targets, weights, seed), binary_cross_entropy_with_logits, STEPS_PER_EPOCH
    )
