"""The first batches reach each model, whole; what a child tells its worker arrives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from shared.face import Detection, FaceScores
from workers import children
from workers.gpu.scorer import StandIn
from workers.gpu.warm import run_first_batches
from workers.inputs import Pixels


class Counting(StandIn):
    """Writes down what it is asked."""

    seen: list[tuple[str, int, int]]

    def detect(self, frames_rgb: Sequence[Pixels], batch_size: int) -> list[list[Detection]]:
        self.seen.append(("detect", len(frames_rgb), batch_size))
        return super().detect(frames_rgb, batch_size)

    def score_shoulders(self, frames_rgb: Sequence[Pixels], batch_size: int) -> list[float]:
        self.seen.append(("shoulders", len(frames_rgb), batch_size))
        return super().score_shoulders(frames_rgb, batch_size)

    def score_faces(self, crops: Pixels, batch_size: int) -> list[FaceScores]:
        self.seen.append(("faces", len(crops), batch_size))
        return super().score_faces(crops, batch_size)


def test_each_model_sees_a_whole_batch() -> None:
    Counting.seen = []
    run_first_batches(Counting(), detector_batch=3, classifier_batch=5)
    assert Counting.seen == [("detect", 3, 3), ("shoulders", 3, 3), ("faces", 5, 5)]


def test_the_released_models_take_them() -> None:
    pytest.importorskip("torch")
    from workers.gpu.loading import device_name, released_scorer, weights_version

    run_first_batches(released_scorer(), detector_batch=1, classifier_batch=1)
    assert device_name().split()[0] in {"cpu", "cuda"}
    assert len(weights_version()) == 12


def test_what_children_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(children.FOLDER, str(tmp_path))
    assert (children.warm_children(), children.broken()) == ([], None)
    children.tell_warm("cpu", "stand_in", 1.23456, 0.5)
    (warm,) = children.warm_children()
    assert (warm.device, warm.weights, warm.load_seconds, warm.warm_seconds) == ("cpu", "stand_in", 1.235, 0.5)
    children.tell_stopped()
    children.give_up("The card is gone.")  # does not wait: nothing more is taken
    assert children.broken() == "The card is gone."


def test_outside_of_a_worker_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(children.FOLDER, raising=False)
    children.tell_warm("cpu", "stand_in", 1.0, 0.5)
    children.give_up("The card is gone.")
    assert (children.warm_children(), children.broken()) == ([], None)
