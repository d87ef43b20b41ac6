"""Batches that shrink when the device runs out of memory. `detect.py` and `classify.py` run everything through here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_in_batches(items: Sequence[Item], batch_size: int, run: Callable[[Sequence[Item]], Sequence[Result]]) -> list[Result]:
    """`run` over all items in their order, at most `batch_size` at a time.

    When the device is out of memory the batch is halved and tried again; it stays halved to the end of this call.

    Raises:
        torch.OutOfMemoryError: even a single item does not fit.
        ValueError: `batch_size` is below one.
    """
    if batch_size < 1:
        raise ValueError(f"a batch holds at least one item, not {batch_size}")
    results: list[Result] = []
    while len(results) < len(items):
        batch = items[len(results) : len(results) + batch_size]
        try:
            results.extend(run(batch))
            continue
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                raise
        # Outside the handler, or the error's traceback would still hold the tensors that have to go.
        batch_size = len(batch) // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return results


def to_device(pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
    """uint8 pixels as a tensor on the device; to a GPU through pinned memory, without waiting for the copy."""
    tensor = torch.from_numpy(np.ascontiguousarray(pixels))
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor
