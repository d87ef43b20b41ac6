"""What the fastai trainings share: averaging, checkpoints, the best exported, the time budget. `classifiers`, `shoulder` call it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from fastai.callback.core import Callback, CancelFitException, CancelValidException
from fastai.callback.schedule import Learner  # this module adds fit_one_cycle
from fastai.callback.training import GradientClip
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from torch import Tensor, nn

from shared.errors import TrainingRefused
from workers.training.keeping import Best, alone, load_checkpoint, save_checkpoint, start_path
from workers.training.options import TrainingOptions
from workers.training.pace import Pace, StopWish

AVERAGE_DECAY = 0.998
BATCH = 64
LEARNING_RATE = 5e-4
# Reached by no training: the share of the time that is done decides when to end, and drives the learning rate.
EPOCHS_AT_MOST = 1_000_000


class Drawn(Protocol):
    """Random access to (uint8 pixels, target) pairs, drawn afresh by its own generator whatever the index."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> tuple[Tensor, Tensor]: ...

    def reseed(self, seed: int) -> None:
        """Draw on from this seed: a training that goes on must not see its first pictures again."""
        ...

    def advance(self, share: float) -> None:
        """So much of the training is done, 0..1: a later stage may draw other pictures."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """One training: which model, and for how long, where and from which seed (`options`).

    `validate` takes a network, calibrates it in place and gives its score (higher is better) and its operating point; it never
    sees the test split.
    """

    name: str
    architecture: str
    options: TrainingOptions
    validate: Callable[[nn.Module], tuple[float, float]]

    @property
    def learning_rate(self) -> float:
        return self.options.learning_rate or LEARNING_RATE


class KeepBest(Callback):  # type: ignore[misc]
    """Averages the weights after each step; scores, keeps and writes a checkpoint every few minutes and at the end."""

    def __init__(self, plan: Plan, network: nn.Module, dataset: Drawn, steps_per_epoch: int) -> None:
        super().__init__()
        self.plan = plan
        self.dataset = dataset
        self.pace = Pace(plan.options.minutes, plan.options.total_steps(steps_per_epoch))
        self.best = Best(plan.name, plan.architecture, plan.options.weights)
        self.average = deepcopy(network)
        self.wish = StopWish()
        self.path: Path | None = None
        self._checked = 0.0
        self._losses: list[float] = []

    def before_train(self) -> None:
        self.learn.pct_train = self.pace.share
        self.pace.begin()

    def before_validate(self) -> None:
        # fastai wants a validation loader; ours scores the averaged network instead.
        raise CancelValidException

    def after_batch(self) -> None:
        if not self.learn.training:
            return
        self._average()
        self.pace.stepped()
        self._losses.append(float(self.learn.loss.detach()))
        self.learn.pct_train = self.pace.share
        self.dataset.advance(self.pace.share)
        stopping = bool(self.wish.number)
        if not stopping and (self.pace.over or self.pace.spent - self._checked >= 60 * self.plan.options.check_minutes):
            self._check()
        if stopping or self.pace.over:
            self.checkpoint()
            raise CancelFitException
        self.pace.tell(self.plan.name, self._losses)

    def _average(self) -> None:
        decay = min(AVERAGE_DECAY, (2 + self.pace.steps) / (11 + self.pace.steps))
        with torch.no_grad():
            for mine, theirs in zip(self.average.state_dict().values(), self.learn.model.state_dict().values(), strict=True):
                if mine.dtype.is_floating_point:
                    mine.lerp_(theirs, 1 - decay)
                else:
                    mine.copy_(theirs)

    def _check(self) -> None:
        network = deepcopy(self.average).eval()
        score, threshold = self.plan.validate(network)
        best = self.best.offer(network, score, threshold)
        loss = float(np.mean(self._losses))
        self.pace.say(
            self.plan.name,
            f"step {self.pace.steps}, {self.pace.share:.0%} done, loss {loss:.4f}, valid {score:.5f}{' best' if best else ''}, "
            + self.pace.left(),
        )
        self._checked, self._losses = self.pace.spent, []
        self.checkpoint()
        self.pace.begin()

    def checkpoint(self) -> None:
        """Everything that is needed to go on."""
        if self.path is None:
            return
        optimiser = self.learn.opt.state_dict()
        state = {
            "architecture": self.plan.architecture,
            "network": self.learn.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": {"state": list(optimiser["state"]), "hypers": [_plain(group) for group in optimiser["hypers"]]},
            "spent": self.pace.spent,
            "steps": self.pace.steps,
            "best": self.best.state(),
        }
        save_checkpoint(self.path, state)

    def resume(self, learner: Any) -> None:
        """Go on from the checkpoint."""
        assert self.path is not None  # noqa: S101  (`train` sets it)
        state = load_checkpoint(self.path, self.plan.architecture)
        learner.model.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        learner.create_opt()
        learner.opt.load_state_dict(state["optimiser"])
        self.pace.spent, self.pace.steps = state["spent"], state["steps"]
        self._checked = self.pace.spent
        self.best.load_state(state["best"])


def train(
    plan: Plan, network: nn.Module, dataset: Drawn, loss: Callable[[Tensor, Tensor], Tensor], steps_per_epoch: int
) -> float:
    """fastai's one-cycle over the minutes, epochs or steps of the plan; the best average by the validation score stays exported.

    Args:
        plan: the training.
        network: as `backbone.prepared` makes it.
        dataset: what is drawn, `steps_per_epoch * BATCH` an epoch.
        loss: logits and targets to a scalar.
        steps_per_epoch: how many steps `--epochs` counts as one.

    Returns:
        The best validation score.

    Raises:
        TrainingRefused: a checkpoint or the weights folder cannot be used.
        KeyboardInterrupt, SystemExit: somebody asked for the end; the checkpoint is written.
    """
    torch.manual_seed(plan.options.seed)
    # fp32 on purpose: without AMX the backward pass of MobileNetV2 is slower in bf16 (148 against 187 faces/s).
    network = network.to(memory_format=torch.channels_last)
    keeper = KeepBest(plan, network, dataset, steps_per_epoch)
    with alone(plan.options.work, plan.name) if plan.options.weights else nullcontext():
        if plan.options.weights:
            keeper.path = start_path(plan.options.work, plan.name, resume=plan.options.resume)
        learner = _learner(network, dataset, loss, keeper, steps_per_epoch)
        if plan.options.resume and keeper.path:
            keeper.resume(learner)
            dataset.reseed(plan.options.seed + keeper.pace.steps)
            torch.manual_seed(plan.options.seed + keeper.pace.steps)
        if keeper.pace.over:
            keeper.best.publish()
            raise TrainingRefused(keeper.best.finished(keeper.path))
        if told := keeper.best.look(lambda found: plan.validate(found)[0]):
            keeper.pace.say(plan.name, told)
            keeper.best.publish()
        keeper.pace.say(plan.name, f"seed {plan.options.seed}, from step {keeper.pace.steps}, {keeper.pace.length}")
        with keeper.wish, learner.no_logging():
            learner.fit_one_cycle(EPOCHS_AT_MOST, plan.learning_rate)
    if keeper.wish.number:
        keeper.pace.stopped(plan.name, kept=keeper.path is not None)
        keeper.wish.leave()
    keeper.pace.say(plan.name, f"done, {keeper.best.verdict()}")
    return keeper.best.score


def _learner(
    network: nn.Module, dataset: Drawn, loss: Callable[[Tensor, Tensor], Tensor], keeper: KeepBest, steps_per_epoch: int
) -> Any:
    loader = DataLoader(dataset, bs=BATCH, shuffle=False, num_workers=0, drop_last=True, n=steps_per_epoch * BATCH)
    cbs = [keeper, GradientClip(1.0)]
    learner = Learner(DataLoaders(loader, loader), network, loss_func=loss, cbs=cbs, path=keeper.plan.options.work)
    learner.remove_cbs([cb for cb in learner.cbs if type(cb).__name__ in ("ProgressCallback", "Recorder")])
    return learner


def _plain(group: dict[str, Any]) -> dict[str, float]:
    """numpy's numbers as Python's, which alone PyTorch reads back without running code from the file."""
    return {name: float(value) for name, value in group.items()}
