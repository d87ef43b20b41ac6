"""How fast the released models are on one core, through the stages that serve them, and how much faster than the same nets untuned.

    uv run python -m benchmarks.model_speed [--seconds 5] [--repeats 5] [--json]

Ends with 1 if a must is missed (60 frames/s detected, 300 faces/s cropped and put through both classifiers), with 2 if nothing could
be measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

# Read when torch loads its OpenMP, so before it is imported.
os.environ.update(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="0")

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from shared.errors import SmilereelError
from shared.face import Detection
from shared.settings import Settings, load_settings
from workers.cpu.crop import crop_faces
from workers.demo import DEMO_TRUTH
from workers.demo.render import SEED, StudentFrames
from workers.gpu.classify import score_faces
from workers.gpu.detect import detect_faces, score_shoulders
from workers.gpu.models import ARCHITECTURES
from workers.gpu.weights import MODEL_NAMES, Models, WeightsError, load_models, read_manifest
from workers.inputs import Pixels

FRAMES = 64
MUSTS = {"detector": 60.0, "crop_and_classify": 300.0}
# bf16 moves these scores by a hundredth; biases that were a fifth too small moved them by 0.12.
SAME_SCORES = 0.08
# Below this share of a core, other programs were being served.
WHOLE_CORE = 0.97


@dataclass(frozen=True)
class Work:
    """One thing that is measured: `run` handles `items` of `unit`."""

    unit: str
    items: int
    run: Callable[[], object]


@dataclass(frozen=True)
class Figure:
    """Items a second of each repeat, and the share of a core that the process got meanwhile."""

    unit: str
    per_second: list[float]
    core_share: list[float]


def frames_with_faces() -> list[Pixels]:
    """The demo's camera, a frame a second: uint8 480 x 640 x 3, RGB; one woman who smiles, at the end another who does not."""
    camera = StudentFrames(np.random.default_rng(SEED))
    spans = [stretch for stretch in DEMO_TRUTH.stretches if stretch.event in ("smile", "visitor")]
    times = [second + 0.5 for span in spans for second in range(int(span.start), int(span.end))]
    return [np.asarray(cv2.cvtColor(camera.at(time), cv2.COLOR_BGR2RGB), np.uint8) for time in times[:FRAMES]]


def untuned(models: Models) -> Models:
    """The same nets in fp32, NCHW, with their BatchNorms: what one gets without thinking of speed."""
    manifest = read_manifest()
    nets: dict[str, Any] = {name: _unfolded(manifest[name]["architecture"], getattr(models, name)) for name in MODEL_NAMES}
    return replace(models, **nets, dtype=torch.float32)


def _unfolded(architecture: str, served: nn.Module) -> nn.Module:
    network = ARCHITECTURES[architecture]().eval().requires_grad_(False)
    state = network.state_dict()
    for key, value in served.state_dict().items():
        if key in state:
            state[key] = value.float()
            continue
        # The bias that folding gave a convolution goes back to the BatchNorm behind it, which otherwise changes nothing.
        path, index, _ = key.rsplit(".", 2)
        norm = network.get_submodule(f"{path}.{int(index) + 1}")
        state[f"{path}.{int(index) + 1}.bias"] = value.float()
        state[f"{path}.{int(index) + 1}.running_var"] = torch.full(value.shape, 1.0 - float(norm.eps))  # type: ignore[arg-type]
    network.load_state_dict({key: value.contiguous() for key, value in state.items()})
    # `forward` asks for channels_last; one copy of the input picture back costs about a hundredth of the net.
    first: nn.Module = network.body[0]  # type: ignore[index, assignment]
    first.register_forward_pre_hook(_to_nchw)
    return network


def _to_nchw(_network: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(pixels.contiguous() for pixels in inputs)


def works(models: Models, plain: Models, settings: Settings) -> tuple[dict[str, Work], dict[str, Any]]:
    """What is measured, and what the pictures hold.

    Raises:
        ValueError: no face is found in the pictures, or the untuned nets score otherwise than the released ones.
    """
    frames = frames_with_faces()
    found = detect_faces(models, frames, batch_size=settings.detector_batch)
    pairs = [(frame, [face.box.xyxy for face in faces]) for frame, faces in zip(frames, found, strict=True)]
    crops = crop_faces(pairs).crops
    if not len(crops):
        raise ValueError("The released detector finds no face in the demo's pictures, so there is nothing to measure.")
    batch = settings.detector_batch
    parts = [frames[start : start + batch] for start in range(0, len(frames) - batch + 1, batch)] or [frames]

    def faces(nets: Models, pixels: Callable[[], Pixels]) -> Work:
        return Work("faces", len(crops), lambda: score_faces(nets, pixels(), batch_size=settings.classifier_batch))

    def of_frames(stage: Callable[..., object], nets: Models) -> Work:
        turns = cycle(parts)
        return Work("frames", len(parts[0]), lambda: stage(nets, next(turns), batch_size=batch))

    measured = {
        "detector": of_frames(detect_faces, models),
        "detector_untuned": of_frames(detect_faces, plain),
        "crop_and_classify": faces(models, lambda: crop_faces(pairs).crops),
        "crop_and_classify_untuned": faces(plain, lambda: crop_faces(pairs).crops),
        "classify": faces(models, lambda: crops),
        "shoulder": of_frames(score_shoulders, models),
    }
    few = slice(None, None, 8)
    difference = _difference(models, plain, frames[few], crops[few], found[few])
    if difference > SAME_SCORES:
        raise ValueError(
            f"The untuned nets score up to {difference:.2f} otherwise than the released ones: they are not the same."
        )
    return measured, {"frames": len(frames), "faces": len(crops), "largest_score_difference": round(difference, 4)}


def _difference(models: Models, plain: Models, frames: list[Pixels], crops: Pixels, found: list[list[Detection]]) -> float:
    """The largest difference between both sides' scores of a face, a smile, a child or a shoulder."""
    again = detect_faces(plain, frames)
    best = [[max((face.score for face in faces), default=0.0) for faces in side] for side in (found, again)]
    classified = [[(s.p_smile, s.p_child) for s in score_faces(nets, crops)] for nets in (models, plain)]
    shoulders = [score_shoulders(nets, frames) for nets in (models, plain)]
    return max(float(np.abs(np.subtract(*sides)).max()) for sides in (best, classified, shoulders))


def measure(measured: Mapping[str, Work], seconds: float, repeats: int) -> dict[str, Figure]:
    """All works in turn, `repeats` times, so that a disturbance does not hit one alone; each runs for at least `seconds`."""
    figures = {name: Figure(work.unit, [], []) for name, work in measured.items()}
    for _ in range(repeats):
        for name, work in measured.items():
            started, used, items = perf_counter(), process_time(), 0
            while perf_counter() - started < seconds or not items:
                work.run()
                items += work.items
            wall = perf_counter() - started
            figures[name].per_second.append(items / wall)
            figures[name].core_share.append((process_time() - used) / wall)
    return figures


def summary(figures: Mapping[str, Figure]) -> dict[str, Any]:
    """The medians, the medians of the repeats' ratios to the untuned nets, and whether the musts are reached."""
    result: dict[str, Any] = {f"{name}_{f.unit}_per_second": round(median(f.per_second), 1) for name, f in figures.items()}
    for name in MUSTS:
        both = zip(figures[name].per_second, figures[f"{name}_untuned"].per_second, strict=True)
        result[f"{name}_times_untuned"] = round(median(tuned / plain for tuned, plain in both), 2)
    shares = [share for figure in figures.values() for share in figure.core_share]
    result["core_share"] = round(median(shares), 3)
    result["reached"] = all(median(figures[name].per_second) >= must for name, must in MUSTS.items())
    return result


def processor() -> dict[str, Any]:
    """The processor's name and which bf16 instructions it has; where there is no /proc/cpuinfo, what Python knows."""
    path = Path("/proc/cpuinfo")
    rows = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    told = {key.strip(): value.strip() for key, _, value in (row.partition(":") for row in rows)}
    flags = told.get("flags", "").split()
    name = told.get("model name") or platform.processor() or platform.machine()
    return {"processor": name, "avx512_bf16": "avx512_bf16" in flags, "amx_bf16": "amx_bf16" in flags}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5, help="how long each thing runs in each repeat (default: 5)")
    parser.add_argument("--repeats", type=int, default=5, help="how often; the medians are printed (default: 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    args = parser.parse_args()
    if args.repeats < 1:
        parser.error("--repeats is at least 1")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        settings, models = load_settings(), load_models("cpu")
        measured, pictures = works(models, untuned(models), settings)
    except (SmilereelError, WeightsError, FileNotFoundError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    figures = measure(measured, args.seconds, args.repeats)
    setting = {"torch": torch.__version__, "served_in": str(models.dtype), "threads": torch.get_num_threads(), **pictures}
    setting |= {"detector_batch": settings.detector_batch, "classifier_batch": settings.classifier_batch}
    total = {**processor(), **setting, "seconds": args.seconds, "repeats": args.repeats, **summary(figures)}
    if args.json:
        print(json.dumps({**total, "musts": MUSTS, "runs": {name: figure.per_second for name, figure in figures.items()}}))
    else:
        print("\n".join(f"{name:38} {value}" for name, value in total.items()))
    if total["core_share"] < WHOLE_CORE:
        print(f"Only {total['core_share']:.0%} of a core was free for this: the figures are too low.", file=sys.stderr)
    return 0 if total["reached"] else 1


if __name__ == "__main__":
    sys.exit(main())
