"""A real training of a few steps: it keeps the best, ends with a checkpoint when asked, goes on, and refuses what it cannot use."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from shared.errors import TrainingRefused
from workers.gpu.models import SmileClassifier, fold_batch_norms, for_serving
from workers.gpu.weights import export, read_manifest
from workers.training import learning
from workers.training.keeping import Best, alone, load_checkpoint, save_checkpoint, start_path
from workers.training.learning import Plan, train
from workers.training.options import TrainingOptions

ARCHITECTURE = "smile-mobilenetv2-112"
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "BATCH", 2)


@dataclass
class Noise:
    """Random crops; at the `kill_at`th one the process is asked to end."""

    kill_at: int = -1
    drawn: int = 0
    seeds: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return 8

    def __getitem__(self, _: int) -> tuple[Tensor, Tensor]:
        self.drawn += 1
        if self.drawn == self.kill_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return torch.randint(0, 256, (1, 64, 64), dtype=torch.uint8), torch.tensor([float(self.drawn % 2)])

    def reseed(self, seed: int) -> None:
        self.seeds.append(seed)

    def advance(self, share: float) -> None:
        assert 0 <= share <= 1


def a_network() -> nn.Module:
    return fold_batch_norms(SmileClassifier().eval()).train()


def run(options: TrainingOptions, scores: Iterator[float], dataset: Noise | None = None) -> float:
    plan = Plan("smile", ARCHITECTURE, options, lambda _: (next(scores), 0.5))
    return train(plan, a_network(), dataset or Noise(), binary_cross_entropy_with_logits, 4)


@pytest.fixture
def options(tmp_path: Path) -> TrainingOptions:
    return TrainingOptions(work=tmp_path / "work", weights=tmp_path / "weights", steps=3, check_minutes=1e-9)


def valid_of(options: TrainingOptions) -> float:
    assert options.weights is not None
    valid: float = read_manifest(options.weights)["smile"]["valid"]
    return valid


def test_the_best_of_a_run_is_exported_and_not_the_last(options: TrainingOptions, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(options, iter([0.6, 0.8, 0.7])) == 0.8
    assert valid_of(options) == 0.8
    said = capsys.readouterr().out
    assert "seed 1, from step 0, 3 steps in all" in said
    assert "step 2, 67% done" in said
    assert " left" in said
    assert "best on validation 0.80000, exported to" in said


def test_a_stopped_training_leaves_a_checkpoint_and_goes_on_from_it(
    options: TrainingOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as leaving:
        run(options, iter([0.6]), Noise(kill_at=3))
    assert leaving.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before
    assert "stopped at step 2; go on with the same command and --resume" in capsys.readouterr().out
    again = Noise()
    assert run(replace(options, resume=True), iter([0.5]), again) == 0.6
    assert "from step 2, 3 steps in all" in capsys.readouterr().out
    assert again.seeds == [1 + 2]
    assert valid_of(options) == 0.6
    with pytest.raises(TrainingRefused, match=r"smile\.ckpt is finished: best on validation 0\.60000"):
        run(replace(options, resume=True), iter([]))


def test_better_weights_in_the_folder_stay(options: TrainingOptions, capsys: pytest.CaptureFixture[str]) -> None:
    run(options, iter([0.6, 0.9, 0.7]))
    # The first score is what the weights that lie there reach today, whatever their manifest promises.
    run(options, iter([0.85, 0.5, 0.8, 0.7]))
    said = capsys.readouterr().out
    assert "score 0.85000 on this validation split; only better ones replace them" in said
    assert "not better than the 0.85000 of the weights in" in said
    assert "was moved to" in said
    assert valid_of(options) == 0.9
    assert options.weights is not None
    other = options.weights.with_name("other")
    with pytest.raises(TrainingRefused, match="is finished"):
        run(replace(options, resume=True, weights=other), iter([]))
    assert valid_of(replace(options, weights=other)) == 0.8


def test_a_run_without_a_weights_folder_keeps_nothing(options: TrainingOptions) -> None:
    assert run(replace(options, weights=None), iter([0.6, 0.6, 0.6])) == 0.6
    assert not list(options.work.rglob("*.ckpt"))


def test_weights_that_cannot_be_loaded_are_not_replaced(tmp_path: Path) -> None:
    entry = {"architecture": ARCHITECTURE, "threshold": 0.5, "input": {}}
    path = export("smile", for_serving(ARCHITECTURE), entry, tmp_path)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(
        TrainingRefused, match=r"smile\.safetensors do not have the SHA-256 .* name another folder with --weights"
    ):
        Best("smile", ARCHITECTURE, tmp_path).look(lambda _: 0.5)
    export("smile", for_serving(ARCHITECTURE), {**entry, "architecture": "resnet-of-tomorrow"}, tmp_path)
    with pytest.raises(TrainingRefused, match="resnet-of-tomorrow"):
        Best("smile", ARCHITECTURE, tmp_path).look(lambda _: 0.5)


def test_checkpoints_that_cannot_be_used_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(TrainingRefused, match=r"no checkpoint .*smile\.ckpt to go on from"):
        start_path(tmp_path, "smile", resume=True)
    path = tmp_path / "smile.ckpt"
    path.write_bytes(b"no checkpoint")
    with pytest.raises(TrainingRefused, match=r"smile\.ckpt cannot be read"):
        load_checkpoint(path, ARCHITECTURE)
    save_checkpoint(path, {"architecture": "resnet-of-tomorrow"})
    with pytest.raises(TrainingRefused, match=r"smile\.ckpt is of the architecture resnet-of-tomorrow"):
        load_checkpoint(path, ARCHITECTURE)


def test_two_trainings_of_one_model_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        alone(tmp_path, "smile"),
        alone(tmp_path, "age"),
        pytest.raises(TrainingRefused, match="Another training of smile runs in"),
    ):
        alone(tmp_path, "smile").__enter__()
    with alone(tmp_path, "smile"):
        pass
