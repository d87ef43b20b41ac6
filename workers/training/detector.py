"""Trains the face detector: RetinaNet on MobileNetV2, focal and GIoU loss, averaged weights, webcam damage as augmentation.

python -m workers.training.detector --data ../shared/data --baselines ../shared/baselines --minutes 50 [--resume]
"""

from __future__ import annotations

import argparse
import math
import time
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torchvision.models.detection._utils import Matcher
from torchvision.ops import box_iou, generalized_box_iou_loss, sigmoid_focal_loss

from workers.gpu.detect import BOX_CODER, detect_faces
from workers.gpu.models import FaceDetector, anchors
from workers.gpu.weights import Models, export
from workers.training.archive import DEFAULT_BASELINES, DEFAULT_DATA, DEFAULT_WORK
from workers.training.augment import low_quality
from workers.training.backbone import prepared
from workers.training.baselines import Found, unlabelled_faces
from workers.training.composites import Canvas, Composer
from workers.training.datasets import Scene, scenes
from workers.training.scoring import Judged, best_threshold, judge, rates
from workers.training.splits import file_seed

ARCHITECTURE = "retinanet-mobilenetv2-96"
BATCH = 12
# Width and height of the canvases: 4:3, upright and 16:9, as serving pads them.
CANVASES = ((320, 256), (320, 256), (256, 320), (320, 192))
WARM_UP = 0.04
# The body knows pictures already; without BatchNorm it takes a gentler rate than the new layers.
BODY_SHARE = 0.4
AVERAGE_DECAY = 0.9985
BOX_WEIGHT = 1.5
IGNORED_OVERLAP = 0.4
LOWEST_SCORE = 0.05


@dataclass(frozen=True, slots=True)
class Options:
    """One training of the detector."""

    data: Path
    baselines: Path
    work: Path
    minutes: float
    check_minutes: float
    learning_rate: float
    seed: int
    resume: bool


def targets(canvas: Canvas, places: Tensor, matcher: Matcher) -> tuple[Tensor, Tensor]:
    """For each anchor 1 (face), 0 (none) or -1 (neither way), and the box that it stands for."""
    wanted = torch.full((len(places),), 0.0)
    boxes = torch.zeros_like(places)
    if len(canvas.boxes):
        truth = torch.from_numpy(canvas.boxes)
        matched = matcher(box_iou(truth, places))
        boxes = truth[matched.clamp(min=0)]
        wanted = torch.where(matched >= 0, 1.0, torch.where(matched == Matcher.BETWEEN_THRESHOLDS, -1.0, 0.0))
    if len(canvas.ignored):
        neither = torch.from_numpy(canvas.ignored)
        low = torch.maximum(places[:, None, :2], neither[None, :, :2])
        high = torch.minimum(places[:, None, 2:], neither[None, :, 2:])
        shared = (high - low).clamp(min=0).prod(2) / (places[:, 2:] - places[:, :2]).prod(1)[:, None]
        wanted[(shared.max(1).values >= IGNORED_OVERLAP) & (wanted == 0)] = -1.0
    return wanted, boxes


def loss_of(network: FaceDetector, batch: list[Canvas], matcher: Matcher) -> Tensor:
    """Focal loss over all anchors that count plus GIoU loss over those that stand for a face, both per such anchor."""
    pixels = torch.from_numpy(np.stack([canvas.picture for canvas in batch])).permute(0, 3, 1, 2)
    places = anchors(*pixels.shape[2:])
    with torch.autocast("cpu", torch.bfloat16):
        logits, deltas = network(pixels)
    pairs = [targets(canvas, places, matcher) for canvas in batch]
    wanted = torch.stack([pair[0] for pair in pairs])
    faces = wanted == 1
    positives = max(int(faces.sum()), 1)
    counted = wanted >= 0
    focal = sigmoid_focal_loss(logits.float()[counted], wanted[counted], reduction="sum")
    rows, columns = faces.nonzero(as_tuple=True)
    decoded = BOX_CODER.decode_single(deltas.float()[rows, columns], places[columns])
    truth = torch.stack([pair[1] for pair in pairs])[rows, columns]
    giou = generalized_box_iou_loss(decoded, truth, reduction="sum")
    total: Tensor = (focal + BOX_WEIGHT * giou) / positives
    return total


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
        picture, boxes, neither = low_quality(scene.picture, scene.boxes, rng)
        ignored = np.concatenate([scene.ignored, neither]) if picture.shape == scene.picture.shape else neither
        twins.append(Scene(scene.file, scene.source, scene.split, picture, boxes, ignored))
    return twins


class Trainer:
    """The network, its average and its optimiser; what a checkpoint holds."""

    def __init__(self, options: Options) -> None:
        self.options = options
        torch.manual_seed(options.seed)
        self.network = prepared(FaceDetector()).to(memory_format=torch.channels_last)
        self.average = deepcopy(self.network)
        body = [parameter for parameter in self.network.body.parameters() if parameter.requires_grad]
        parts = (self.network.pyramid, self.network.score_head, self.network.box_head)
        fresh = [parameter for part in parts for parameter in part.parameters()]
        groups = [{"params": body, "share": BODY_SHARE}, {"params": fresh, "share": 1.0}]
        self.optimiser = torch.optim.AdamW(groups, options.learning_rate, weight_decay=1e-3)
        self.spent, self.steps, self.best = 0.0, 0, 0.0
        self.path = options.work / "detector.ckpt"
        if options.resume and self.path.exists():
            self._load()

    def _load(self) -> None:
        state = torch.load(self.path, weights_only=False)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.spent, self.steps, self.best = state["spent"], state["steps"], state["best"]

    def save(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "spent": self.spent,
            "steps": self.steps,
            "best": self.best,
        }
        half = self.path.with_suffix(".new")
        torch.save(state, half)
        half.replace(self.path)

    def step(self, batch: list[Canvas], matcher: Matcher) -> float:
        """One step; the learning rate rises at first, then falls as a cosine over the minutes, however fast the machine is."""
        done = min(self.spent / (60 * self.options.minutes), 1.0)
        share = done / WARM_UP if done < WARM_UP else 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))
        for group in self.optimiser.param_groups:
            group["lr"] = self.options.learning_rate * max(share, 0.01) * group["share"]
        started = time.monotonic()
        loss = loss_of(self.network, batch, matcher)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.steps += 1
        decay = min(AVERAGE_DECAY, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            for mine, theirs in zip(self.average.parameters(), self.network.parameters(), strict=True):
                mine.lerp_(theirs, 1 - decay)
        self.spent += time.monotonic() - started
        return float(loss.detach())

    def check(self, normal: list[Scene], poor: list[Scene], loss: float) -> None:
        """Scores the average on the validation split, exports it if it is the best yet, writes a checkpoint."""
        both = judged(self.average, normal, poor)
        threshold, score = best_threshold(*both)
        good, bad = rates(both[0], threshold), rates(both[1], threshold)
        text = " | ".join(f"{r.recall:.4f}/{r.precision:.4f}" for r in (good, bad))
        left = self.options.minutes - self.spent / 60
        print(
            f"{time.strftime('%H:%M:%S')} step {self.steps} loss {loss:.3f} valid {text} false {good.false_pictures}/{good.empty_pictures}"
            f" threshold {threshold:.2f} mean F1 {score:.4f}{' best' if score > self.best else ''}; {left:.0f} min left",
            flush=True,
        )
        if score > self.best:
            self.best = score
            entry = {"architecture": ARCHITECTURE, "threshold": round(threshold, 4), "valid": round(score, 5)}
            export("detector", self.average, {**entry, "input": asdict(FaceDetector.input)})
        self.save()


def train(options: Options) -> None:
    options.work.mkdir(parents=True, exist_ok=True)
    ignored = unlabelled_faces(options.data, options.baselines, options.work)
    known = list(scenes(options.data, ("train",), ignored))
    normal = list(scenes(options.data, ("valid",), ignored))
    poor = poor_twins(normal)
    print(f"detector: {len(known)} pictures to train on, {len(normal)} to validate", flush=True)
    trainer = Trainer(options)
    composer = Composer(known, options.seed + trainer.steps)
    matcher = Matcher(0.5, 0.4, allow_low_quality_matches=True)
    checked, losses = trainer.spent, []
    while trainer.spent < 60 * options.minutes:
        width, height = CANVASES[trainer.steps % len(CANVASES)]
        started = time.monotonic()
        batch = [composer.canvas(width, height) for _ in range(BATCH)]
        trainer.spent += time.monotonic() - started
        losses.append(trainer.step(batch, matcher))
        if trainer.spent - checked > 60 * options.check_minutes or trainer.spent >= 60 * options.minutes:
            trainer.check(normal, poor, float(np.mean(losses)))
            checked, losses = trainer.spent, []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--baselines", type=Path, default=DEFAULT_BASELINES)
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK, help="where checkpoints lie")
    parser.add_argument("--minutes", type=float, default=50)
    parser.add_argument("--check-minutes", type=float, default=4)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", action="store_true")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    train(Options(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
