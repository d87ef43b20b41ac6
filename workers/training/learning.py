"""What the fastai trainings share: averaging, checkpoints, the best exported, the time budget. `classifiers`, `shoulder` call it."""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastai.callback.core import Callback
from fastai.callback.schedule import Learner  # this module adds fit_one_cycle
from fastai.callback.training import GradientClip
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from numpy.typing import NDArray
from torch import Tensor, nn

from workers.gpu.models import for_serving
from workers.gpu.weights import WEIGHTS_FOLDER, export

AVERAGE_DECAY = 0.998
BATCH = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """One training: which model, how long (`epochs`, or as many as the minutes allow), where its checkpoint lies, whether to go on.

    `validate` takes a network and gives its score (higher is better) and its operating point; it never sees the test split.
    """

    name: str
    architecture: str
    minutes: float
    epochs: int | None
    work: Path
    resume: bool
    validate: Callable[[nn.Module], tuple[float, float]]
    weights: Path = WEIGHTS_FOLDER
    learning_rate: float = 5e-4
    seed: int = 1


class KeepBest(Callback):  # type: ignore[misc]
    """Averages the weights after each step; after each epoch it writes a checkpoint and exports the average if it is the best yet."""

    def __init__(self, plan: Plan, network: nn.Module) -> None:
        super().__init__()
        self.plan = plan
        self.best = -1.0
        self.first = 0
        self.steps = 0
        self.average = deepcopy(network)

    def after_batch(self) -> None:
        if not self.learn.training:
            return
        self.steps += 1
        decay = min(AVERAGE_DECAY, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            for mine, theirs in zip(self.average.state_dict().values(), self.learn.model.state_dict().values(), strict=True):
                if mine.dtype.is_floating_point:
                    mine.lerp_(theirs, 1 - decay)
                else:
                    mine.copy_(theirs)

    def after_epoch(self) -> None:
        # fastai skips the epochs before a checkpoint, but still announces each of them.
        if self.learn.epoch < self.first:
            return
        network = deepcopy(self.average).eval()
        score, threshold = self.plan.validate(network)
        line = f"{time.strftime('%H:%M:%S')} {self.plan.name} epoch {self.learn.epoch + 1}/{self.learn.n_epoch} valid {score:.5f}"
        print(line + (" best" if score > self.best else ""), flush=True)
        if score > self.best:
            self.best = score
            entry = {"architecture": self.plan.architecture, "threshold": round(threshold, 4), "valid": round(score, 5)}
            shape = for_serving(self.plan.architecture).input
            export(self.plan.name, network, {**entry, "input": asdict(shape)}, self.plan.weights)  # type: ignore[call-overload]
        self._checkpoint()

    def _checkpoint(self) -> None:
        path = checkpoint_path(self.plan)
        state = {
            "network": self.learn.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.learn.opt.state_dict(),
            "epoch": self.learn.epoch + 1,
            "epochs": self.learn.n_epoch,
            "best": self.best,
        }
        half = path.with_suffix(".new")
        torch.save(state, half)
        half.replace(path)


def checkpoint_path(plan: Plan) -> Path:
    plan.work.mkdir(parents=True, exist_ok=True)
    return plan.work / f"{plan.name}.ckpt"


def train(plan: Plan, network: nn.Module, dataset: Any, loss: Callable[[Tensor, Tensor], Tensor], steps_per_epoch: int) -> float:
    """fastai's one-cycle over as many epochs as the minutes allow; the best average by the validation score is what stays exported.

    Args:
        plan: the training.
        network: as `backbone.prepared` makes it.
        dataset: random access to (uint8 pixels, target) pairs, `steps_per_epoch * BATCH` of them an epoch.
        loss: logits and targets to a scalar.
        steps_per_epoch: batches between two checkpoints.

    Returns:
        The best validation score.
    """
    torch.manual_seed(plan.seed)
    loader = DataLoader(dataset, bs=BATCH, shuffle=False, num_workers=0, drop_last=True, n=steps_per_epoch * BATCH)
    # fastai wants a validation loader; ours scores the averaged network instead, so this one is a single batch.
    empty = DataLoader(dataset, bs=BATCH, shuffle=False, num_workers=0, n=BATCH)
    # fp32 on purpose: without AMX the backward pass of MobileNetV2 is slower in bf16 (148 against 187 faces/s).
    network = network.to(memory_format=torch.channels_last)
    keeper = KeepBest(plan, network)
    cbs = [keeper, GradientClip(1.0)]
    learner = Learner(DataLoaders(loader, empty), network, loss_func=loss, cbs=cbs, path=plan.work)
    learner.remove_cbs([cb for cb in learner.cbs if type(cb).__name__ == "ProgressCallback"])
    first, epochs = 0, 0
    if plan.resume and checkpoint_path(plan).exists():
        state = torch.load(checkpoint_path(plan), weights_only=False)
        network.load_state_dict(state["network"])
        keeper.average.load_state_dict(state["average"])
        learner.create_opt()
        learner.opt.load_state_dict(state["optimiser"])
        keeper.best, first, epochs = state["best"], state["epoch"], state["epochs"]
        keeper.first, keeper.steps = first, first * steps_per_epoch
    else:
        epochs = plan.epochs or max(round(plan.minutes * 60 / (_seconds_per_step(network, dataset, loss) * steps_per_epoch)), 2)
    print(f"{plan.name}: {epochs} epochs of {steps_per_epoch} steps, from epoch {first}", flush=True)
    with learner.no_logging():
        learner.fit_one_cycle(epochs, plan.learning_rate, start_epoch=first)
    return keeper.best


def _seconds_per_step(network: nn.Module, dataset: Any, loss: Callable[[Tensor, Tensor], Tensor]) -> float:
    """Measured on a copy, so that the training starts untouched."""
    trial = deepcopy(network).train()
    started = 0.0
    for step in range(6):
        if step == 2:
            started = time.monotonic()
        pixels, targets = zip(*(dataset[index] for index in range(BATCH)), strict=True)
        loss(trial(torch.stack(pixels)), torch.stack(targets)).backward()  # type: ignore[no-untyped-call]
    return (time.monotonic() - started) / 4 * 1.1


@torch.inference_mode()
def probabilities(network: nn.Module, pixels: NDArray[np.uint8], batch: int = 128) -> NDArray[np.float32]:
    """A network's probability for each picture, as it serves (bf16): uint8 N x C x H x W in, float32 N out."""
    network.eval()
    rows = []
    for start in range(0, len(pixels), batch):
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(torch.from_numpy(np.ascontiguousarray(pixels[start : start + batch])))
        rows.append(network.probability(logits.float()).numpy())  # type: ignore[operator]
    return np.concatenate(rows) if rows else np.zeros(0, np.float32)
