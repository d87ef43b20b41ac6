"""The GPU room with stand-in models that fail as a broken card would, while a file lies in a folder. Loaded into a real worker by `-I`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workers.gpu import tasks
from workers.gpu.scorer import StandIn

__all__ = ["tasks"]

# Names the file; without it the card is sound.
BROKEN = "FAILING_CARD"
detect = StandIn.detect


def fail(self: StandIn, frames_rgb: Sequence[Any], batch_size: int) -> Any:
    """What torch raises when a kernel reads past its memory."""
    # Tests import the name from here, and have stand-ins of their own in the same process.
    if BROKEN in os.environ and Path(os.environ[BROKEN]).exists():
        import torch

        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be ...")
    return detect(self, frames_rgb, batch_size)


StandIn.detect = fail  # type: ignore[method-assign]
