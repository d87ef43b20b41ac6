"""What the GPU room computes on: cards by NVIDIA's own library, without torch and without touching a card. Asked by both."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from .findings import Finding, failure, ok, warning

NVML = "libnvidia-ml.so.1"
CPU_INSTEAD = "set SMILEREEL_DEVICE=cpu (or auto) to compute on the processor"
TORCH_SECONDS = 25.0
_ASK_TORCH = "import json, torch; print(json.dumps([torch.__version__, torch.version.cuda, torch.cuda.device_count()]))"


def n_cards() -> int | None:
    """NVIDIA cards that this process may use; None where their driver is not there."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}:
        return 0
    try:
        library = ctypes.CDLL(NVML)
    except OSError:
        return None
    if library.nvmlInit_v2() != 0:
        return 0
    try:
        count = ctypes.c_uint()
        return int(count.value) if library.nvmlDeviceGetCount_v2(ctypes.byref(count)) == 0 else 0
    finally:
        library.nvmlShutdown()


def check_device(wish: str, cards: int | None) -> Iterator[Finding]:
    """Hold the wish against the machine.

    Args:
        wish: SMILEREEL_DEVICE: auto, cpu or cuda.
        cards: as `n_cards` counts them.
    """
    check = "device.card"
    if wish == "cuda" and not cards:
        why = "this machine has no NVIDIA driver" if cards is None else "no NVIDIA card can be used here"
        advice = f"start the container with a card (NVIDIA's container toolkit), or {CPU_INSTEAD}."
        yield failure(check, f"SMILEREEL_DEVICE is cuda, but {why}", advice)
    elif wish == "cpu" and cards:
        yield warning(check, f"{cards} NVIDIA card(s) lie idle: SMILEREEL_DEVICE is cpu", "set it to cuda or auto.")
    else:
        yield ok(check, f"SMILEREEL_DEVICE is {wish}; {cards or 'no'} NVIDIA card(s) are here.")


def check_torch(wish: str, cards: int | None) -> Iterator[Finding]:
    """Whether the installed torch can use them; asked in a process of its own, as a broken driver may hang or crash it."""
    if find_spec("torch") is None:
        return
    try:
        command = [sys.executable, "-c", _ASK_TORCH]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TORCH_SECONDS)
        version, cuda, seen = _read(said.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        yield failure("device.torch", f"torch cannot be started ({type(error).__name__})", "install the extra 'gpu' again.")
        return
    if cards and not seen:
        build = f"was built for CUDA {cuda}" if cuda else "was built without CUDA"
        tell = failure if wish == "cuda" else warning
        advice = f"install a torch for this driver, or {CPU_INSTEAD}."
        yield tell("device.torch", f"torch {version} {build} and sees no card, though there is one", advice)
    else:
        yield ok("device.torch", f"torch {version} sees {seen or 'no'} card(s).")
    if cards and shutil.which("nvidia-smi") is None:
        yield warning("device.tools", "nvidia-smi is not there, so nobody can look at the cards", "install NVIDIA's tools.")


def _read(text: str) -> tuple[str, str | None, int]:
    found: Any = json.loads(text.strip().splitlines()[-1])
    version, cuda, seen = found
    return str(version), None if cuda is None else str(cuda), int(seen)
