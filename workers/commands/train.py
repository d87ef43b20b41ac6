"""`smilereel train`: train one of the four models, with checkpoints to go on from."""

from __future__ import annotations

import argparse
import os
from importlib import import_module

from shared.errors import TrainingRefused
from workers.training.options import MINUTES, TrainingOptions, add_training_options, training_options

# Each takes the options and returns the best validation score.
TRAINERS = {
    "detector": ("workers.training.detector", "train"),
    "smile": ("workers.training.classifiers", "smile_training"),
    "age": ("workers.training.classifiers", "age_training"),
    "shoulder": ("workers.training.shoulder", "shoulder_training"),
}
# glibc's mallopt: freed memory is kept for the next batch rather than handed back and faulted in again.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    default = ", ".join(f"{name} {minutes:g}" for name, minutes in MINUTES.items())
    parser.epilog = f"Minutes by default: {default}. Ctrl-C ends with a checkpoint; --resume goes on from it."
    parser.add_argument("model", choices=tuple(TRAINERS))
    add_training_options(parser)


def main(args: argparse.Namespace) -> int:
    """Train."""
    # A thread that waits must not burn the core on which another training works.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    run_training(args.model, training_options(args.model, args))
    return 0


def run_training(model: str, options: TrainingOptions) -> float:
    """One training; its best validation score.

    Raises:
        TrainingRefused: pictures, checkpoint, or weights folder cannot be used.
        LabelsInvalid: a label file cannot be used.
    """
    prepare_process(options.threads)
    module, function = TRAINERS[model]
    trainer = getattr(import_module(module), function)
    try:
        best: float = trainer(options)
    except FileNotFoundError as error:
        text = f"The file {error.filename} is missing; training needs it." if error.filename else str(error)
        raise TrainingRefused(text) from error
    return best


def prepare_process(threads: int) -> None:
    """Threads and memory of this process as trainings need them."""
    import cv2
    import torch

    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    _keep_memory()


def _keep_memory() -> None:
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, size in ((M_MMAP_THRESHOLD, 1 << 30), (M_TRIM_THRESHOLD, (1 << 31) - 1), (M_TOP_PAD, 200_000_000)):
            mallopt(option, size)
