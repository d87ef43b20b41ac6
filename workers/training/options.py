"""What every training is told: the command line's words in, one value for the trainers out. `smilereel train` calls it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from workers.training.places import DEFAULT_BASELINES, DEFAULT_DATA, DEFAULT_WEIGHTS, DEFAULT_WORK

# How long the released weights were trained, one core each beside other work.
MINUTES = {"detector": 70.0, "smile": 25.0, "age": 22.0, "shoulder": 20.0}
# How often the average is scored on the validation split, exported if it is the best yet, and written into the checkpoint.
CHECK_MINUTES = {"detector": 4.0, "smile": 2.0, "age": 2.0, "shoulder": 2.0}


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """One training. It lasts `minutes`, or so many `steps` or `epochs` where one of them is given.

    Attributes:
        data: the folder with the public pictures' archives.
        baselines: the folder with OpenCV's detectors.
        labels: label files of one's own pictures, learned from besides the public ones.
        work: where the checkpoint lies.
        weights: the folder to which the best is exported; None keeps neither weights nor checkpoint, as for a learning curve.
        learning_rate: None takes the trainer's own.
        threads: PyTorch's and OpenCV's; the same seed repeats a run only with the same number.
    """

    data: Path = DEFAULT_DATA
    baselines: Path = DEFAULT_BASELINES
    labels: tuple[Path, ...] = ()
    work: Path = DEFAULT_WORK
    weights: Path | None = DEFAULT_WEIGHTS
    minutes: float = 20.0
    epochs: int | None = None
    steps: int | None = None
    check_minutes: float = 2.0
    learning_rate: float | None = None
    seed: int = 1
    resume: bool = False
    threads: int = 1

    def total_steps(self, steps_per_epoch: int) -> int | None:
        """How many steps were asked for; None where the minutes decide."""
        return self.epochs * steps_per_epoch if self.epochs else self.steps


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Where the pictures and the baselines lie: every command that trains or measures takes these two."""
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, metavar="DIR", help="the public pictures' archives")
    parser.add_argument("--baselines", type=Path, default=DEFAULT_BASELINES, metavar="DIR", help="OpenCV's DNN and YuNet")


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """The options of `smilereel train`."""
    add_data_options(parser)
    parser.add_argument(
        "--labels",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a CSV of labels of your own pictures; repeatable",
    )
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK, metavar="DIR", help="where the checkpoint lies")
    parser.add_argument(
        "--weights",
        type=Path,
        default=DEFAULT_WEIGHTS,
        metavar="DIR",
        help="where the best goes; workers/gpu/weights releases it",
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=_positive, help="how long to train; by default what the model needs")
    length.add_argument("--epochs", type=_count, help="so many epochs instead (not for the detector)")
    length.add_argument("--steps", type=_count, help="so many steps instead")
    parser.add_argument("--check-minutes", type=_positive, help="score, keep the best and write a checkpoint so often")
    parser.add_argument("--learning-rate", type=_positive, help="the highest; by default the trainer's own")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=_count, default=1, help="of PyTorch (default: 1)")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --work")


def training_options(model: str, args: argparse.Namespace) -> TrainingOptions:
    """The options as typed, with the model's own length where none was given."""
    return TrainingOptions(
        data=args.data,
        baselines=args.baselines,
        labels=tuple(args.labels),
        work=args.work,
        weights=args.weights,
        minutes=args.minutes or MINUTES[model],
        epochs=args.epochs,
        steps=args.steps,
        check_minutes=args.check_minutes or CHECK_MINUTES[model],
        learning_rate=args.learning_rate,
        seed=args.seed,
        resume=args.resume,
        threads=args.threads,
    )


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value
