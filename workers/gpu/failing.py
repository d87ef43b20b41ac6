"""Tells a card that has failed from everything else that goes wrong while it computes. Needs no torch where none is loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import DeviceFailed

# How torch, cuDNN, cuBLAS and NCCL begin; after any of them the process' CUDA context is lost.
SIGNS = ("CUDA error", "CUDNN_STATUS", "cuDNN error", "CUBLAS_STATUS", "CUDA driver", "device-side assert")


@contextmanager
def device_watched() -> Iterator[None]:
    """Inside it an error of the device becomes DeviceFailed; out of memory stays what it is, as another batch may fit.

    Raises:
        DeviceFailed: names the kind of failure in torch's words, which name no file and no lesson.
    """
    try:
        yield
    except Exception as error:
        if not is_device_failure(error):
            raise
        first_line = str(error).strip().splitlines()[0][:200]
        raise DeviceFailed(f"The graphics card has failed ({first_line}); look at the card and its driver.") from error


def is_device_failure(error: BaseException) -> bool:
    """Whether nothing can be computed on the device any more."""
    torch = sys.modules.get("torch")
    if torch is not None:
        if isinstance(error, torch.OutOfMemoryError):
            return False
        if isinstance(error, getattr(torch, "AcceleratorError", ())):
            return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)
