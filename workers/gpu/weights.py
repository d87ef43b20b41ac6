"""The released weights: read, checked against the manifest, put on a device. The GPU-queue worker calls `load_models` once a process."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from workers.gpu.models import ARCHITECTURES, AgeClassifier, FaceDetector, ShoulderClassifier, SmileClassifier, for_serving

WEIGHTS_FOLDER = Path(__file__).parent / "weights"
MANIFEST_NAME = "manifest.json"
MODEL_NAMES = ("detector", "smile", "age", "shoulder")


class WeightsError(RuntimeError):
    """Released weights are missing, changed or of another architecture; the message names the file in one sentence."""


@dataclass(frozen=True, slots=True)
class Models:
    """The networks of one process, ready to run; those that were not asked for are None.

    Attributes:
        device: where the networks lie.
        dtype: the number format of their weights.
        thresholds: the released operating points by model name, each in 0..1.
    """

    detector: FaceDetector | None
    smile: SmileClassifier | None
    age: AgeClassifier | None
    shoulder: ShoulderClassifier | None
    device: torch.device
    dtype: torch.dtype
    thresholds: Mapping[str, float]


def load_models(device: str = "auto", names: Sequence[str] = MODEL_NAMES, folder: Path = WEIGHTS_FOLDER) -> Models:
    """The released networks on a device.

    Args:
        device: `auto` (CUDA where there is one), `cpu` or `cuda`.
        names: which of detector, smile, age and shoulder to load.
        folder: where `manifest.json` and the weights lie.

    Raises:
        WeightsError: a file is missing, its SHA-256 is not the manifest's, or its tensors do not fit the architecture.
        ValueError: an unknown device or model name, or `cuda` on a machine without one.
    """
    chosen = _device(device)
    dtype = _dtype(chosen)
    manifest = read_manifest(folder)
    networks: dict[str, Any] = dict.fromkeys(MODEL_NAMES)
    for name in names:
        if name not in MODEL_NAMES:
            raise ValueError(f"there is no model called {name}; choose from {', '.join(MODEL_NAMES)}")
        if name not in manifest:
            raise WeightsError(f"{folder / MANIFEST_NAME} lists no weights for {name}; restore the file from the release.")
        network = _filled(manifest[name], folder)
        networks[name] = network.to(chosen, dtype).to(memory_format=torch.channels_last)
    thresholds = {name: float(entry["threshold"]) for name, entry in manifest.items()}
    return Models(**networks, device=chosen, dtype=dtype, thresholds=thresholds)


def read_manifest(folder: Path = WEIGHTS_FOLDER) -> dict[str, dict[str, Any]]:
    """The manifest's entries by model name.

    Raises:
        WeightsError: the manifest is missing or is no JSON object.
    """
    path = folder / MANIFEST_NAME
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"The weights' manifest {path} cannot be read ({error}); restore it from the release.") from error
    if not isinstance(entries, dict):
        raise WeightsError(f"The weights' manifest {path} is not a JSON object; restore it from the release.")
    return entries


def _filled(entry: Mapping[str, Any], folder: Path) -> nn.Module:
    path = folder / str(entry["file"])
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"The weights {path} cannot be read ({error}); restore the file from the release.") from error
    if sha256(data).hexdigest() != entry["sha256"]:
        raise WeightsError(f"The weights {path} do not have the SHA-256 of the manifest; restore the file from the release.")
    architecture = str(entry["architecture"])
    if architecture not in ARCHITECTURES:
        raise WeightsError(f"The weights {path} are for the architecture {architecture}, which this release does not know.")
    network = for_serving(architecture)
    try:
        network.load_state_dict({key: value.float() for key, value in load(data).items()})
    except (SafetensorError, RuntimeError) as error:
        raise WeightsError(
            f"The weights {path} do not fit the architecture {architecture}; restore the file from the release."
        ) from error
    return network.eval().requires_grad_(False)


def export(name: str, network: nn.Module, entry: Mapping[str, Any], folder: Path = WEIGHTS_FOLDER) -> Path:
    """A folded network written as fp16 safetensors, and its manifest entry replaced; each file appears whole or not at all.

    Args:
        name: detector, smile, age or shoulder.
        network: as `for_serving` makes it, with the trained weights.
        entry: `architecture`, `threshold` and `input`; the file's name and SHA-256 are added here.

    Returns:
        The file that was written.
    """
    data = save({key: value.detach().to("cpu", torch.float16).contiguous() for key, value in network.state_dict().items()})
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    _replace(path, data)
    manifest = read_manifest(folder) if (folder / MANIFEST_NAME).exists() else {}
    manifest[name] = {"file": path.name, "sha256": sha256(data).hexdigest(), **entry}
    ordered = {key: manifest[key] for key in MODEL_NAMES if key in manifest}
    _replace(folder / MANIFEST_NAME, (json.dumps(ordered, indent=2) + "\n").encode())
    return path


def _replace(path: Path, data: bytes) -> None:
    half = path.with_name(f".{path.name}.new")
    half.write_bytes(data)
    half.replace(path)


def _device(wish: str) -> torch.device:
    if wish not in ("auto", "cpu", "cuda"):
        raise ValueError(f"the device is auto, cpu or cuda, not {wish}")
    if wish == "cuda" and not torch.cuda.is_available():
        raise ValueError("device cuda was asked for, but torch finds no CUDA device on this machine; use auto or cpu")
    return torch.device("cuda" if wish == "cuda" or (wish == "auto" and torch.cuda.is_available()) else "cpu")


def _dtype(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        return torch.float16
    # Without bf16 instructions the processor would emulate them and be slower than in fp32.
    return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32
