"""A process's models, by the settings: called by the GPU room's tasks and by the commands that score pictures."""

from __future__ import annotations

import os
from functools import cache

import torch

from shared.errors import ModelError
from shared.settings import load_settings
from workers.gpu.weights import Models, WeightsError, load_models


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


def _n_cores() -> int:
    """Cores this process may use; macOS cannot tell, and gets all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
