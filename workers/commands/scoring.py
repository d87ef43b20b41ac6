"""Models for the commands that score pictures in this process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.gpu.weights import Models


def open_models() -> Models:
    """The released models on the device that the settings name.

    Raises:
        ModelError: weights or device cannot be used.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from workers.gpu.loading import load_for_process

    return load_for_process()
