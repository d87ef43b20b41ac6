"""What a training keeps: its checkpoint, and its best weights, exported only where they beat what lies there. Both loops call it."""

from __future__ import annotations

import fcntl
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from shared.errors import TrainingRefused
from workers.gpu.models import for_serving
from workers.gpu.weights import MANIFEST_NAME, WeightsError, export, load_models, read_manifest


class Best:
    """The run's best weights, and whether they beat those in the weights folder, scored on the same validation split.

    Attributes:
        score: the run's best so far, higher is better; -1 before the first check.
        bar: what the folder's own weights score; -1 where it holds none, or this run's.
    """

    def __init__(self, name: str, architecture: str, folder: Path | None) -> None:
        self.name, self.architecture, self.folder = name, architecture, folder
        self.score = self.bar = -1.0
        self._weights: dict[str, Tensor] = {}
        self._entry: dict[str, Any] = {}
        self._sha256 = ""

    def look(self, score_of: Callable[[nn.Module], float]) -> str:
        """Score what lies in the folder; a sentence about it, empty where there is nothing of this model.

        Raises:
            TrainingRefused: what lies there cannot be loaded, so nobody can tell whether it may be replaced.
        """
        if self.folder is None or not (self.folder / MANIFEST_NAME).exists():
            return ""
        try:
            entry = read_manifest(self.folder).get(self.name)
            if entry is None or entry["sha256"] == self._sha256:
                return ""
            network: nn.Module = getattr(load_models("cpu", [self.name], self.folder), self.name)
        except WeightsError as error:
            raise TrainingRefused(f"{error} Or name another folder with --weights.") from error
        self.bar = score_of(network)
        return f"the weights in {self.folder} score {self.bar:.5f} on this validation split; only better ones replace them"

    def offer(self, network: nn.Module, score: float, threshold: float) -> bool:
        """Take the network if it is the run's best yet, and export it if it also beats the folder's."""
        if score <= self.score:
            return False
        self.score = score
        self._weights = {key: value.detach().clone() for key, value in network.state_dict().items()}
        self._entry = {"architecture": self.architecture, "threshold": round(threshold, 4), "valid": round(score, 5)}
        self.publish()
        return True

    def publish(self) -> None:
        """Export the run's best if it beats what lies in the folder."""
        if self.folder is None or not self._weights or self.score <= self.bar:
            return
        network = for_serving(self.architecture)
        network.load_state_dict(self._weights)
        shape = asdict(network.input)  # type: ignore[call-overload]
        self.folder.mkdir(parents=True, exist_ok=True)
        with _held(self.folder):
            export(self.name, network, {**self._entry, "input": shape}, self.folder)
            self._sha256 = str(read_manifest(self.folder)[self.name]["sha256"])
        self.bar = -1.0

    def verdict(self) -> str:
        """How the run ended, in a sentence."""
        if self.score < 0:
            return "nothing was scored yet, so nothing was exported"
        if self.folder is None:
            return f"best on validation {self.score:.5f}"
        if self.score <= self.bar:
            return (
                f"best on validation {self.score:.5f}, not better than the {self.bar:.5f} of the weights in {self.folder}, which stay; "
                "to have this run's too, go on with --resume and another --weights"
            )
        return f"best on validation {self.score:.5f}, exported to {self.folder}"

    def finished(self, path: Path | None) -> str:
        """A sentence for those who go on with a training that is done."""
        return f"The training in {path} is finished: {self.verdict()}; to train on, give more --minutes, --epochs or --steps."

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of it."""
        return {"score": self.score, "weights": self._weights, "entry": self._entry, "sha256": self._sha256}

    def load_state(self, state: dict[str, Any]) -> None:
        self.score, self._weights = state["score"], state["weights"]
        self._entry, self._sha256 = state["entry"], state["sha256"]


def start_path(work: Path, name: str, *, resume: bool) -> Path:
    """The checkpoint's path. An older one is moved aside where a new training begins.

    Raises:
        TrainingRefused: there is no checkpoint to resume, or the folder cannot be written.
    """
    path = work / f"{name}.ckpt"
    try:
        work.mkdir(parents=True, exist_ok=True)
        if not resume and path.exists():
            path.replace(path.with_suffix(".ckpt.old"))
            print(f"{name}: the checkpoint of an earlier training was moved to {path}.old", flush=True)
    except OSError as error:
        raise TrainingRefused(
            f"The checkpoint folder {work} cannot be written: {error.strerror}; choose another --work."
        ) from error
    if resume and not path.exists():
        raise TrainingRefused(
            f"There is no checkpoint {path} to go on from; begin without --resume, or name its folder with --work."
        )
    return path


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Written whole or not at all."""
    half = path.with_suffix(".new")
    torch.save(state, half)
    half.replace(path)


def load_checkpoint(path: Path, architecture: str) -> dict[str, Any]:
    """The state that `save_checkpoint` wrote.

    Raises:
        TrainingRefused: it is damaged, or of a training of another architecture.
    """
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True)
        kept = state["architecture"]
    except (OSError, RuntimeError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise TrainingRefused(f"The checkpoint {path} cannot be read; begin without --resume.") from error
    if kept != architecture:
        raise TrainingRefused(f"The checkpoint {path} is of the architecture {kept}, not {architecture}; begin without --resume.")
    return state


@contextmanager
def alone(work: Path, name: str) -> Iterator[None]:
    """No two trainings of one model share a checkpoint folder at a time.

    Raises:
        TrainingRefused: another one runs there.
    """
    work.mkdir(parents=True, exist_ok=True)
    with (work / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise TrainingRefused(f"Another training of {name} runs in {work}; wait for it, or choose another --work.") from error
        yield


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """The manifest is read and written whole by several trainings at once, each in its turn."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
