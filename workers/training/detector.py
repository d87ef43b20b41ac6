"""Trains the face detector: RetinaNet on MobileNetV2, focal and GIoU loss, averaged weights, webcam damage as augmentation.

smilereel train detector [--resume]
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

from shared.errors import TrainingRefused
from workers.gpu.detect import BOX_CODER
from workers.gpu.models import ANCHORS_PER_CELL, STRIDES, FaceDetector, anchors
from workers.training.assignment import assigned
from workers.training.backbone import prepared
from workers.training.baselines import unlabelled_faces
from workers.training.composites import Canvas, Composer
from workers.training.datasets import Scene, scenes
from workers.training.detector_checks import judged, poor_twins
from workers.training.keeping import Best, alone, load_checkpoint, save_checkpoint, start_path
from workers.training.options import TrainingOptions
from workers.training.own_pictures import own_scenes
from workers.training.pace import Pace, StopWish
from workers.training.scoring import best_threshold, operating_point, rates

LEARNING_RATE = 1e-3
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


def targets(canvas: Canvas, places: Tensor) -> tuple[Tensor, Tensor]:
    """For each anchor 1 (face), 0 (none) or -1 (neither way), and the box that it stands for."""
    wanted = torch.full((len(places),), 0.0)
    boxes = torch.zeros_like(places)
    if len(canvas.boxes):
        truth = torch.from_numpy(canvas.boxes)
        height, width = canvas.picture.shape[:2]
        of_level = [ANCHORS_PER_CELL * (height // stride) * (width // stride) for stride in STRIDES]
        matched = assigned(truth, places, of_level, ANCHORS_PER_CELL)
        boxes = truth[matched.clamp(min=0)]
        wanted = (matched >= 0).float()
    if len(canvas.ignored):
        neither = torch.from_numpy(canvas.ignored)
        low = torch.maximum(places[:, None, :2], neither[None, :, :2])
        high = torch.minimum(places[:, None, 2:], neither[None, :, 2:])
        shared = (high - low).clamp(min=0).prod(2) / (places[:, 2:] - places[:, :2]).prod(1)[:, None]
        wanted[(shared.max(1).values >= IGNORED_OVERLAP) & (wanted == 0)] = -1.0
    return wanted, boxes


def loss_of(network: FaceDetector, batch: list[Canvas]) -> Tensor:
    """Focal loss over all anchors that count plus GIoU loss over those that stand for a face, both per such anchor."""
    pixels = torch.from_numpy(np.stack([canvas.picture for canvas in batch])).permute(0, 3, 1, 2)
    places = anchors(*pixels.shape[2:])
    with torch.autocast("cpu", torch.bfloat16):
        logits, deltas = network(pixels)
    pairs = [targets(canvas, places) for canvas in batch]
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


class Trainer:
    """The network, its average and its optimiser; what a checkpoint holds."""

    def __init__(self, options: TrainingOptions) -> None:
        self.options = options
        self.learning_rate = options.learning_rate or LEARNING_RATE
        torch.manual_seed(options.seed)
        self.network = prepared(FaceDetector()).to(memory_format=torch.channels_last)
        self.average = deepcopy(self.network)
        body = [parameter for parameter in self.network.body.parameters() if parameter.requires_grad]
        parts = (self.network.pyramid, self.network.score_head, self.network.box_head)
        fresh = [parameter for part in parts for parameter in part.parameters()]
        groups = [{"params": body, "share": BODY_SHARE}, {"params": fresh, "share": 1.0}]
        self.optimiser = torch.optim.AdamW(groups, self.learning_rate, weight_decay=1e-3)
        self.pace = Pace(options.minutes, options.steps)
        self.best = Best("detector", ARCHITECTURE, options.weights)
        self.path = start_path(options.work, "detector", resume=options.resume) if options.weights else None
        if options.resume and self.path:
            self._load(self.path)

    def _load(self, path: Path) -> None:
        state = load_checkpoint(path, ARCHITECTURE)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.pace.spent, self.pace.steps = state["spent"], state["steps"]
        self.best.load_state(state["best"])
        torch.manual_seed(self.options.seed + self.pace.steps)

    def save(self) -> None:
        if self.path is None:
            return
        state = {
            "architecture": ARCHITECTURE,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "spent": self.pace.spent,
            "steps": self.pace.steps,
            "best": self.best.state(),
        }
        save_checkpoint(self.path, state)

    def step(self, batch: list[Canvas]) -> float:
        """One step; the learning rate rises at first, then falls as a cosine over the training, however fast the machine is."""
        done = self.pace.share
        share = done / WARM_UP if done < WARM_UP else 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate * max(share, 0.01) * group["share"]
        loss = loss_of(self.network, batch)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.pace.stepped()
        decay = min(AVERAGE_DECAY, (1 + self.pace.steps) / (10 + self.pace.steps))
        with torch.no_grad():
            for mine, theirs in zip(self.average.parameters(), self.network.parameters(), strict=True):
                mine.lerp_(theirs, 1 - decay)
        return float(loss.detach())

    def check(self, normal: list[Scene], poor: list[Scene], loss: float) -> None:
        """Scores the average on the validation split, exports it if it is the best yet, writes a checkpoint."""
        both = judged(self.average, normal, poor)
        score, threshold = best_threshold(*both)[1], operating_point(*both)
        good, bad = rates(both[0], threshold), rates(both[1], threshold)
        text = " | ".join(f"{r.recall:.4f}/{r.precision:.4f}" for r in (good, bad))
        best = self.best.offer(self.average, score, threshold)
        self.pace.say(
            "detector",
            f"step {self.pace.steps}, {self.pace.share:.0%} done, loss {loss:.3f}, valid {text} false "
            f"{good.false_pictures}/{good.empty_pictures} threshold {threshold:.2f} mean F1 {score:.5f}{' best' if best else ''}, "
            + self.pace.left(),
        )
        self.save()
        self.pace.begin()


def train(options: TrainingOptions) -> float:
    """Trains as long as the options say; the best average by mean F1 on the validation split stays exported.

    Returns:
        The best mean F1.

    Raises:
        TrainingRefused: a checkpoint or the weights folder cannot be used, or epochs were asked for.
        LabelsInvalid: a label file cannot be used.
        KeyboardInterrupt, SystemExit: somebody asked for the end; the checkpoint is written.
    """
    if options.epochs:
        raise TrainingRefused("The detector draws its pictures without epochs; give --steps or --minutes instead of --epochs.")
    ignored = unlabelled_faces(options.data, options.baselines, options.work)
    own, own_valid = own_scenes(options.data, options.labels)
    known = [*scenes(options.data, ("train",), ignored), *own]
    normal = [*scenes(options.data, ("valid",), ignored), *own_valid]
    print(f"detector: {len(known)} pictures to train on, {len(normal)} to validate", flush=True)
    with alone(options.work, "detector") if options.weights else nullcontext():
        return train_on(options, known, normal)


def train_on(options: TrainingOptions, known: list[Scene], normal: list[Scene]) -> float:
    """The same on these scenes; a learning curve calls it with a share of them."""
    poor = poor_twins(normal)
    trainer = Trainer(options)
    pace = trainer.pace
    if pace.over:
        trainer.best.publish()
        raise TrainingRefused(trainer.best.finished(trainer.path))
    if told := trainer.best.look(lambda found: best_threshold(*judged(found, normal, poor))[1]):  # type: ignore[arg-type]
        pace.say("detector", told)
        trainer.best.publish()
    pace.say("detector", f"seed {options.seed}, from step {pace.steps}, {pace.length}")
    composer = Composer(known, options.seed + pace.steps)
    checked, losses = pace.spent, []
    with StopWish() as wish:
        pace.begin()
        while not pace.over and not wish.number:
            width, height = CANVASES[pace.steps % len(CANVASES)]
            batch = [composer.canvas(width, height) for _ in range(BATCH)]
            losses.append(trainer.step(batch))
            pace.tell("detector", losses)
            if pace.spent - checked > 60 * options.check_minutes or pace.over:
                trainer.check(normal, poor, float(np.mean(losses)))
                checked, losses = pace.spent, []
    trainer.save()
    if wish.number:
        pace.stopped("detector", kept=trainer.path is not None)
        wish.leave()
    trainer.best.publish()
    pace.say("detector", f"done, {trainer.best.verdict()}")
    return trainer.best.score
