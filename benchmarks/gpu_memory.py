"""Memory of one model process by batch: `python -m benchmarks.gpu_memory [--batches 1 8 32 64] [--json]`.

On a machine with a card: what torch allocates on it at most. Without one: by how much the process grows beyond its loaded models, in
whatever number format the processor serves them in; cuDNN's workspaces and the CUDA context are then not in it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

# Read when torch loads its OpenMP, so before it is imported.
os.environ.update(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="0")

MEGABYTE = 2**20


def measure(batch: int) -> dict[str, object]:
    """In this process, which must be new: loaded models, then one batch of frames of 640 x 480 and as many face crops."""
    import torch

    from workers.gpu.loading import device_name, load_for_process, released_scorer
    from workers.gpu.warm import run_first_batches

    eyes, models = released_scorer(), load_for_process()
    networks = [models.detector, models.smile, models.age, models.shoulder]
    weights = sum(p.nbytes for network in networks if network is not None for p in network.state_dict().values())
    on_card = torch.cuda.is_available()
    run_first_batches(eyes, detector_batch=1, classifier_batch=1)
    if on_card:
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")
    before = 0 if on_card else _kilobytes("VmRSS")
    run_first_batches(eyes, detector_batch=batch, classifier_batch=batch)
    grown = torch.cuda.max_memory_allocated() if on_card else 1024 * (_kilobytes("VmHWM") - before)
    return {
        "batch": batch,
        "device": device_name(),
        "dtype": str(models.dtype).removeprefix("torch."),
        "weights_mb": round(weights / MEGABYTE, 1),
        "process_mb": round(_kilobytes("VmRSS") / 1024),
        "batch_mb": round(grown / MEGABYTE),
    }


def _kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


def main() -> None:
    """A process for each batch, so that none is measured in another's memory."""
    parser = argparse.ArgumentParser(description="Memory of one model process by batch.")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32, 64])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.one)))
        return
    rows = []
    for batch in args.batches:
        command = [sys.executable, "-m", "benchmarks.gpu_memory", "--one", str(batch)]
        rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    print(f"{rows[0]['device']}, {rows[0]['dtype']}, weights {rows[0]['weights_mb']} MB")
    print("| frames at once | MB beyond the loaded models | MB a frame |\n| -- | -- | -- |")
    for row in rows:
        print(f"| {row['batch']} | {row['batch_mb']} | {row['batch_mb'] / row['batch']:.1f} |")
    if args.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
