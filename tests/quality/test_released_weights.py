"""The released weights on part of the test splits: none of the musts may be missed by more than noise."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import pytest
import torch

from workers.gpu.weights import Models, load_models
from workers.training.archive import DEFAULT_BASELINES, DEFAULT_DATA
from workers.training.evaluation import ages, faces, shoulders, smiles
from workers.training.evaluation.plan import Plan
from workers.training.evaluation.samples import children_sample
from workers.training.evaluation.tables import Line
from workers.training.evaluation.targets import TARGETS

pytestmark = [pytest.mark.quality, pytest.mark.slow]

# Each n-th picture of the test split, so that the whole file takes less than two minutes on one core; the children are few.
EVERY_SCENE, EVERY_SMILE, EVERY_AGE, EVERY_FRAME = 1, 2, 2, 2


@pytest.fixture(scope="module")
def data() -> Path:
    if not DEFAULT_DATA.is_dir():
        text = f"the labelled pictures are not at {DEFAULT_DATA}"
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)
    return DEFAULT_DATA


@pytest.fixture(scope="module")
def models() -> Models:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    return load_models("cpu")


def assert_no_must_is_missed(lines: Sequence[Line], *expected: str) -> None:
    """Each line's figure is at its must, or short of it by no more than noise.

    Noise is half the width of the figure's own 95 % interval on these pictures, drawn by person: weights that are worth the must
    come out so much below it on another draw of people one time in forty. A figure in hundreds of pictures from few persons
    has more of it than one would think, and that is what the persons are drawn for.
    """
    judged = {line.what: line for line in lines if line.target}
    assert set(judged) == set(expected), "a figure with a target was not measured"
    missed = []
    for line in judged.values():
        target, noise = TARGETS[line.what], line.ours.half_width
        assert line.n > 90, f"{line.what}: too few pictures ({line.n}) to say anything"
        if not target.met(line.ours.value, noise):
            missed.append(f"{line.what}: {line.ours.value:.4f} where {target.must:.4f} is a must, noise {noise:.4f}, n {line.n}")
    assert not missed


def test_faces(data: Path, models: Models) -> None:
    sides = faces.detector_sides(models, Plan(data, DEFAULT_BASELINES, EVERY_SCENE), (faces.OURS,))
    qualities = [f"{quality}: {what}" for quality in (faces.NORMAL, faces.POOR) for what in ("recall", "precision")]
    assert_no_must_is_missed(faces.headline(sides), *qualities, faces.FALSE_FACE)


def test_smiles_of_children(data: Path, models: Models) -> None:
    children = children_sample(models, data)
    assert_no_must_is_missed(smiles.children_lines(children, "not asked"), smiles.CHILDREN)


def test_smiles_of_press_photographs(data: Path, models: Models) -> None:
    press = smiles.press_sample(models, data, EVERY_SMILE)
    assert_no_must_is_missed(smiles.press_lines(press, "not asked", "not asked"), smiles.AGREED, smiles.SMALL)


def test_child_or_adult(data: Path, models: Models) -> None:
    sample = ages.age_sample(models, Plan(data, DEFAULT_BASELINES, EVERY_AGE))
    assert_no_must_is_missed(ages.headline(sample), ages.CHILD_OR_ADULT)


def test_parents_shoulder(data: Path, models: Models) -> None:
    frames = shoulders.shoulder_sample(models, Plan(data, DEFAULT_BASELINES, EVERY_FRAME))
    assert_no_must_is_missed(shoulders.headline(frames), shoulders.COMPOSED)
