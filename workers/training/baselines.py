"""The detectors that ours replaces: OpenCV's DNN (the article's) and YuNet. `evaluate` compares with them; where both see a face of a
training picture that nobody labelled, it counts neither way."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.inputs import Pixels
from workers.training.datasets import Boxes, Scene, scenes

DNN_SIDE = 300
DNN_MEAN = (104.0, 117.0, 123.0)
DNN_THRESHOLD = 0.5
YUNET_THRESHOLD = 0.6
# Both must say so, the DNN at a lower score since it misses most small faces.
DNN_AGREES = 0.3
SAME_FACE_IOU = 0.3
Found = tuple[Boxes, NDArray[np.float32]]


class Baseline(Protocol):
    def __call__(self, picture_rgb: Pixels) -> Found:
        """Boxes float32 N x 4 in pixels and their scores, above the baseline's threshold."""
        ...


class OpenCvDnn:
    """OpenCV's DNN face detector, 300 x 300; boxes whose centre lies outside the picture are dropped."""

    def __init__(self, folder: Path, threshold: float = DNN_THRESHOLD) -> None:
        graph, text = folder / "opencv_face_detector_uint8.pb", folder / "opencv_face_detector.pbtxt"
        self.net = cv2.dnn.readNetFromTensorflow(str(graph), str(text))
        self.threshold = threshold

    def __call__(self, picture_rgb: Pixels) -> Found:
        height, width = picture_rgb.shape[:2]
        self.net.setInput(cv2.dnn.blobFromImage(picture_rgb, 1.0, (DNN_SIDE, DNN_SIDE), DNN_MEAN, swapRB=True))
        rows = np.asarray(self.net.forward(), np.float32).reshape(-1, 7)
        boxes = rows[:, 3:7] * np.array([width, height, width, height], np.float32)
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        inside = ((centre >= 0) & (centre <= [width, height])).all(1) & (rows[:, 2] >= self.threshold)
        return boxes[inside].clip(0, [width, height, width, height]).astype(np.float32), rows[inside, 2]


class YuNet:
    """OpenCV's YuNet at the picture's own size."""

    def __init__(self, folder: Path, threshold: float = YUNET_THRESHOLD) -> None:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        self.net = cv2.FaceDetectorYN.create(str(folder / "yunet_n_dynamic.onnx"), "", (320, 320), threshold)

    def __call__(self, picture_rgb: Pixels) -> Found:
        height, width = picture_rgb.shape[:2]
        self.net.setInputSize((width, height))
        rows = self.net.detect(cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2BGR))[1]
        if rows is None:
            return np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
        rows = np.asarray(rows, np.float32)
        boxes = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], 1)
        return boxes.clip(0, [width, height, width, height]).astype(np.float32), rows[:, -1]


def iou_matrix(ones: Boxes, others: Boxes) -> NDArray[np.float32]:
    """Intersection over union of each of N boxes with each of M: float32 N x M."""
    low = np.maximum(ones[:, None, :2], others[None, :, :2])
    high = np.minimum(ones[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), 2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], 1) for boxes in (ones, others)]
    return np.asarray(shared / np.maximum(areas[0][:, None] + areas[1][None] - shared, 1e-9), np.float32)


def unlabelled(scene: Scene, dnn: OpenCvDnn, yunet: YuNet) -> Boxes:
    """Faces of a scene that both baselines see and nobody labelled; `dnn` at the lower score `DNN_AGREES`."""
    if scene.source == "teddy":
        # A teddy bear's face is exactly what the detector must learn to pass over.
        return scene.boxes[:0]
    boxes, theirs = yunet(scene.picture)[0], dnn(scene.picture)[0]
    if not len(boxes) or not len(theirs):
        return boxes[:0]
    agreed = boxes[iou_matrix(boxes, theirs).max(1) >= SAME_FACE_IOU]
    if len(scene.boxes) and len(agreed):
        agreed = agreed[iou_matrix(agreed, scene.boxes).max(1) < SAME_FACE_IOU]
    return np.asarray(agreed, np.float32)


def with_unlabelled(known: Iterable[Scene], baselines: Path) -> list[Scene]:
    """The scenes, those to train on with what `unlabelled` finds added to the boxes that count neither way.

    The truth of the others was made by eye and is complete.
    """
    dnn, yunet = OpenCvDnn(baselines, DNN_AGREES), YuNet(baselines)
    return [
        replace(scene, ignored=np.concatenate([scene.ignored, unlabelled(scene, dnn, yunet)]))
        if scene.split == "train"
        else scene
        for scene in known
    ]


def unlabelled_faces(data: Path, baselines: Path, work: Path) -> dict[str, list[list[float]]]:
    """Those boxes by file for the training split, computed once and then read from `work`."""
    kept = work / "unlabelled_faces.json"
    if kept.exists():
        stored: dict[str, list[list[float]]] = json.loads(kept.read_text(encoding="utf-8"))
        return stored
    dnn, yunet = OpenCvDnn(baselines, DNN_AGREES), YuNet(baselines)
    found = {scene.file: unlabelled(scene, dnn, yunet).round(1).tolist() for scene in scenes(data, ("train",))}
    work.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps({file: boxes for file, boxes in found.items() if boxes}), encoding="utf-8")
    return found
