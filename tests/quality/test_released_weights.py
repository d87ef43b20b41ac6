"""The released weights on a sample of the test split: no worse than the baselines that they replace."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from workers.gpu.weights import Models, load_models
from workers.training.archive import DEFAULT_BASELINES, DEFAULT_DATA
from workers.training.evaluate import ARTICLE_SMILE_AUC, age_rows, detector_rows, shoulder_rows, smile_rows

pytestmark = [pytest.mark.quality, pytest.mark.slow]

# Every n-th picture of the test split, so that the whole file takes well under a minute.
EVERY_SCENE, EVERY_SMILE, EVERY_AGE = 14, 12, 8
AGE_AUC = 0.95
SHOULDER_AUC = 0.85


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
    return load_models("cpu")


def by_detector(rows: list[dict[str, Any]], pictures: str) -> dict[str, dict[str, Any]]:
    return {row["detector"]: row for row in rows if row["pictures"] == pictures}


def test_faces_are_found_better_than_by_opencvs_dnn(data: Path, models: Models) -> None:
    rows = detector_rows(models, data, DEFAULT_BASELINES, EVERY_SCENE)
    for pictures in ("normal", "low quality"):
        found = by_detector(rows, pictures)
        assert found["ours"]["faces"] > 50
        assert found["ours"]["recall"] > found["OpenCV DNN"]["recall"], rows
        assert found["ours"]["precision"] > found["OpenCV DNN"]["precision"], rows


def test_smiles_are_told_better_than_in_the_article(data: Path, models: Models) -> None:
    assert smile_rows(models, data, EVERY_SMILE)[0]["auc"] > ARTICLE_SMILE_AUC


def test_children_are_told_from_adults(data: Path, models: Models) -> None:
    assert age_rows(models, data, EVERY_AGE)[0]["auc"] > AGE_AUC


def test_parents_shoulders_are_seen_in_composed_frames(data: Path, models: Models) -> None:
    assert shoulder_rows(models, data, 160)[0]["auc"] > SHOULDER_AUC
