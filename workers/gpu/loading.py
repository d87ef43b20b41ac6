"""A process's models, by the settings: called by the GPU room's tasks and by the commands that score pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

import torch

from shared.errors import ModelError
from shared.face import Detection, FaceScores
from shared.settings import load_settings
from workers.gpu.classify import score_faces
from workers.gpu.detect import detect_faces, score_shoulders
from workers.gpu.weights import Models, WeightsError, load_models, read_manifest
from workers.inputs import Pixels


@dataclass(frozen=True, slots=True)
class Released:
    """The released models as the tasks ask for them (`scorer.Scorer`)."""

    models: Models

    @property
    def shoulder_threshold(self) -> float:
        return self.models.thresholds["shoulder"]

    def detect(self, frames_rgb: Sequence[Pixels], batch_size: int) -> list[list[Detection]]:
        return detect_faces(self.models, frames_rgb, batch_size=batch_size)

    def score_shoulders(self, frames_rgb: Sequence[Pixels], batch_size: int) -> list[float]:
        return score_shoulders(self.models, frames_rgb, batch_size=batch_size)

    def score_faces(self, crops: Pixels, batch_size: int) -> list[FaceScores]:
        return score_faces(self.models, crops, batch_size=batch_size)


def released_scorer() -> Released:
    """The process's models, ready to be asked.

    Raises:
        ModelError: the weights or the device cannot be used.
    """
    return Released(load_for_process())


@cache
def load_for_process() -> Models:
    """Loaded once a process.

    Raises:
        ModelError: the weights or the device cannot be used.
    """
    settings = load_settings()
    torch.set_num_threads(settings.torch_threads or _n_cores())
    try:
        return load_models(settings.device)
    except (WeightsError, ValueError) as error:
        raise ModelError(str(error)) from error


def device_name() -> str:
    """What this process' models lie on: "cpu", or "cuda" and the card's name."""
    device = load_for_process().device
    return f"cuda {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


def weights_version() -> str:
    """The same for the same weights: twelve digits of a hash over all of them, in the manifest's order."""
    hashes = "".join(str(entry["sha256"]) for entry in read_manifest().values())
    return sha256(hashes.encode()).hexdigest()[:12]


def _n_cores() -> int:
    """Cores this process may use; macOS cannot tell, and gets all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
