"""The article's loop with its detector, as far as pictures allow: taught by OpenCV's DNN, its boxes corrected, taught again.

python -m workers.training.rounds --steps 300
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch

from workers.gpu.weights import load_models
from workers.training.baselines import OpenCvDnn, with_unlabelled
from workers.training.datasets import Scene, scenes
from workers.training.detector import train_on
from workers.training.detector_checks import found_by
from workers.training.options import TrainingOptions, add_data_options
from workers.training.scoring import Rates, judge, rates

# The article corrected its first frames by hand, then more of them: a third of the pictures, by a fixed draw, then all.
FIRST_CORRECTED = 1 / 3


def rounds(train: list[Scene], dnn: OpenCvDnn) -> Iterator[tuple[str, list[Scene]]]:
    """Each round's name and what it learns from: the same pictures, with ever better boxes."""
    taught = [replace(scene, boxes=dnn(scene.picture)[0], ignored=scene.ignored[:0]) for scene in train]
    yield "0: taught by OpenCV's DNN", taught
    corrected = np.random.default_rng(0).random(len(train)) < FIRST_CORRECTED
    mixed = [scene if right else wrong for scene, wrong, right in zip(train, taught, corrected, strict=True)]
    yield "1: a third of its boxes corrected", mixed
    yield "2: all corrected", [replace(scene, ignored=scene.ignored[:0]) for scene in train]
    yield "3: and what two baselines see unlabelled counts neither way", train


def counted(found: list[tuple[np.ndarray, np.ndarray]], test: list[Scene]) -> Rates:
    """Faces found and missed on the fixed pictures, all boxes given."""
    return rates([judge(boxes, scene.boxes, scene.ignored) for boxes, scene in zip(found, test, strict=True)], 0.0)


def told(name: str, figures: Rates) -> str:
    """A row of the card's table."""
    false = figures.drawn - figures.found
    return f"| {name} | {figures.found} | {figures.faces - figures.found} | {false} | {figures.recall:.3f} / {figures.precision:.3f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_options(parser)
    parser.add_argument("--steps", type=int, default=300, help="of training, each round from ImageNet weights afresh")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    dnn = OpenCvDnn(options.baselines)
    known = with_unlabelled(scenes(options.data, ("train",)), options.baselines)
    valid = list(scenes(options.data, ("valid",)))
    test = list(scenes(options.data, ("test",)))
    print("| round | found | missed | false | recall / precision |", "|--|--|--|--|--|", sep="\n", flush=True)
    print(told("OpenCV's DNN itself", counted([dnn(scene.picture) for scene in test], test)), flush=True)
    for name, pictures in rounds(known, dnn):
        with TemporaryDirectory() as folder:
            train_on(
                TrainingOptions(
                    work=Path(folder), weights=Path(folder), steps=options.steps, check_minutes=60, seed=options.seed
                ),
                pictures,
                valid,
            )
            models = load_models("cpu", ("detector",), Path(folder))
        found = found_by(models, [scene.picture for scene in test], models.thresholds["detector"])
        print(told(name, counted(found, test)), flush=True)


if __name__ == "__main__":
    main()
