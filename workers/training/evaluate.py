"""Scores the released weights on the test split, beside the baselines that they replace, in one run.

python -m workers.training.evaluate --data ../shared/data --baselines ../shared/baselines [--model smile] [--json]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from workers.gpu.classify import score_faces
from workers.gpu.detect import score_shoulders
from workers.gpu.weights import MODEL_NAMES, Models, load_models
from workers.inputs import clahe
from workers.training.archive import DEFAULT_BASELINES, DEFAULT_DATA
from workers.training.augment import enlarged
from workers.training.baselines import Found, OpenCvDnn, YuNet, with_unlabelled
from workers.training.datasets import Faces, Scene, age_faces, age_groups, children_smiles, scenes, smile_faces
from workers.training.detector import found_by, poor_twins
from workers.training.scoring import auc, judge, rates
from workers.training.shoulder_frames import composed

Row = dict[str, Any]
SHOULDER_FRAMES = 800
# The article's own figure, on its own frames; nothing of it can be run here.
ARTICLE_SMILE_AUC = 0.93
FER_SIDE = 48


def detector_rows(models: Models, data: Path, baselines: Path, every: int = 1) -> list[Row]:
    """Recall and precision of OpenCV's DNN, YuNet and ours on the test split and on its low-quality twin.

    Args:
        models: with a detector.
        data: the labelled pictures.
        baselines: OpenCV's detectors.
        every: take each n-th picture only.
    """
    normal = with_unlabelled(scenes(data, ("test",), every=every), baselines)
    dnn, yunet = OpenCvDnn(baselines), YuNet(baselines)
    finders: dict[str, Callable[[Sequence[Scene]], list[Found]]] = {
        "OpenCV DNN": lambda side: [dnn(scene.picture) for scene in side],
        "YuNet": lambda side: [yunet(scene.picture) for scene in side],
        "ours": lambda side: found_by(models, [scene.picture for scene in side], models.thresholds["detector"]),
    }
    rows: list[Row] = []
    for quality, side in (("normal", normal), ("low quality", poor_twins(normal))):
        for name, finder in finders.items():
            judged = [judge(found, scene.boxes, scene.ignored) for found, scene in zip(finder(side), side, strict=True)]
            # A baseline's boxes are above its own threshold already.
            figures = rates(judged, 0.0)
            rows.append(
                {
                    "model": "detector",
                    "pictures": quality,
                    "detector": name,
                    "recall": round(figures.recall, 4),
                    "precision": round(figures.precision, 4),
                    "faces": figures.faces,
                    "false_pictures": figures.false_pictures,
                    "empty_pictures": figures.empty_pictures,
                }
            )
    return rows


def smile_rows(models: Models, data: Path, every: int = 1) -> list[Row]:
    """AUC of P(smile) on the test split: all pictures, each set, and LFW shrunk to 48 pixels in the place of FER2013."""
    faces = smile_faces(data, ("test",), every)
    score = _scores(models, faces.crops)[0]
    small = np.stack([enlarged(crop, FER_SIDE / crop.shape[0]) for crop in faces.crops])
    sources = np.array(faces.sources)
    rows = [_auc_row("smile", "test split", faces.targets, score)]
    both = ("facial_expressions", "smilesmiled")
    rows += [_auc_row("smile", name, faces.targets[sources == name], score[sources == name]) for name in both]
    children = children_smiles(data, ("test",))
    rows.append(_auc_row("smile", "children of the age sets", children.targets, _scores(models, children.crops)[0]))
    rows.append(_auc_row("smile", "LFW at 48 px", faces.targets, _scores(models, small)[0]))
    rows.append({"model": "smile", "pictures": "the article's own frames", "by": "the article", "auc": ARTICLE_SMILE_AUC})
    at = models.thresholds["smile"]
    rows[0]["threshold"] = at
    rows[0]["recall"] = round(float((score[faces.targets > 0.5] >= at).mean()), 4)
    rows[0]["false_alarms"] = round(float((score[faces.targets < 0.5] >= at).mean()), 4)
    return rows


def age_rows(models: Models, data: Path, every: int = 1) -> list[Row]:
    """AUC of child (5-14) against adult (18 and over) on the test split, and how many of each group count as a child."""
    faces = age_faces(data, ("test",), every)
    score = _scores(models, faces.crops)[1]
    groups, sources = age_groups(faces.targets), np.array(faces.sources)
    judged = (groups == "child") | (groups == "adult")
    truth = (groups == "child").astype(np.float32)
    rows = [_auc_row("age", "child or adult", truth[judged], score[judged])]
    for name in ("aaf", "utk"):
        side = judged & (sources == name)
        rows.append(_auc_row("age", name, truth[side], score[side]))
    at = models.thresholds["age"]
    for group in ("toddler", "child", "teen", "adult"):
        share = float((score[groups == group] >= at).mean())
        rows.append({"model": "age", "pictures": group, "called_child": round(share, 4), "threshold": at})
    return rows


def shoulder_rows(models: Models, data: Path, count: int = SHOULDER_FRAMES) -> list[Row]:
    """AUC of P(parent beside the child) on frames composed from the test split's people and rooms."""
    pixels, truth = composed(data, "test", count, 11)
    score = np.array(score_shoulders(models, list(pixels.transpose(0, 2, 3, 1))), np.float32)
    row = _auc_row("shoulder", "composed frames", truth, score)
    at = models.thresholds["shoulder"]
    row["threshold"] = at
    row["recall"] = round(float((score[truth > 0.5] >= at).mean()), 4)
    row["false_alarms"] = round(float((score[truth < 0.5] >= at).mean()), 4)
    return [row]


def _scores(models: Models, crops: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    scores = score_faces(models, np.stack([clahe(crop) for crop in crops]))
    return np.array([s.p_smile for s in scores], np.float32), np.array([s.p_child for s in scores], np.float32)


def _auc_row(model: str, pictures: str, truth: NDArray[np.float32], score: NDArray[np.float32]) -> Row:
    return {"model": model, "pictures": pictures, "by": "ours", "n": len(truth), "auc": round(auc(truth, score), 4)}


def worst(faces: Faces, score: NDArray[np.float32], count: int) -> list[int]:
    """The pictures whose score is farthest from their label, the worst first: for a person's eye."""
    return np.argsort(-np.abs(score - faces.targets))[:count].tolist()  # type: ignore[no-any-return]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--baselines", type=Path, default=DEFAULT_BASELINES)
    parser.add_argument("--model", choices=MODEL_NAMES, action="append", help="may be given more than once; all by default")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of lines")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    models = load_models()
    rows: list[Row] = []
    for name in options.model or MODEL_NAMES:
        if name == "detector":
            rows += detector_rows(models, options.data, options.baselines)
        elif name == "smile":
            rows += smile_rows(models, options.data)
        elif name == "age":
            rows += age_rows(models, options.data)
        else:
            rows += shoulder_rows(models, options.data)
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print("  ".join(f"{key}={value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
