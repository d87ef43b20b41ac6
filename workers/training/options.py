"""The command line that the fastai trainings share. `classifiers` and `shoulder` call it."""

from __future__ import annotations

import argparse
from pathlib import Path

from workers.gpu.weights import WEIGHTS_FOLDER
from workers.training.archive import DEFAULT_DATA, DEFAULT_WORK


def training_parser(description: str | None, minutes: float) -> argparse.ArgumentParser:
    """A parser with the options of every training; `minutes` is the default length."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK, help="where checkpoints lie")
    parser.add_argument("--weights", type=Path, default=WEIGHTS_FOLDER, help="where the best is exported to")
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--epochs", type=int, help="instead of as many as the minutes allow")
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", action="store_true")
    return parser
