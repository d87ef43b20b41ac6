"""Detected faces in, what the classifiers look at out, with a measure of each picture's quality. Called by the CPU room's door."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from workers.inputs import FACE_CROP_SIDE, clahe, face_square, grey_crop
from workers.packs import CropPack, Picture

THUMBNAIL_SIDE = 8
# The picture that a parent will see reaches about this far beyond the face, so that is what two moments are compared by.
THUMBNAIL_CONTEXT = 2.0
SHARP_ENOUGH = 120.0


def crop_faces(frames: Iterable[tuple[Picture, Sequence[tuple[float, float, float, float]]]]) -> CropPack:
    """Cut each face out of its frame.

    Args:
        frames: pairs of a picture (uint8, h x w x 3, RGB) and its faces' boxes in its pixels.

    Returns:
        The faces of all frames in order: the classifiers' input, the quality and a coarse thumbnail of the surroundings.
    """
    crops: list[Picture] = []
    quality: list[float] = []
    thumbnails: list[Picture] = []
    for rgb, boxes in frames:
        for box_xyxy in boxes:
            grey = grey_crop(face_square(rgb, box_xyxy))
            crops.append(clahe(grey))
            quality.append(face_quality(grey))
            thumbnails.append(_thumbnail(rgb, box_xyxy))
    return CropPack(
        np.stack(crops) if crops else np.zeros((0, FACE_CROP_SIDE, FACE_CROP_SIDE), np.uint8),
        np.asarray(quality, dtype=np.float32),
        np.stack(thumbnails) if thumbnails else np.zeros((0, THUMBNAIL_SIDE, THUMBNAIL_SIDE), np.uint8),
    )


def face_quality(grey: Picture) -> float:
    """How well a parent could see this face, 0..1: sharp, neither dark nor blown out, turned to the camera.

    Sharpness is the variance of the Laplacian (Pech-Pacheco et al. 2000), pose the likeness of the face and its mirror image.

    Args:
        grey: uint8, 64 x 64, before contrast was evened out.
    """
    sharpness = float(cv2.Laplacian(grey, cv2.CV_32F).var())
    mean = float(grey.mean())
    light = min(1.0, mean / 70.0, (255.0 - mean) / 45.0)
    halves = np.corrcoef(grey.ravel(), grey[:, ::-1].ravel())[0, 1] if grey.std() > 1 else 0.0
    frontal = float(np.clip(0.5 + halves, 0.0, 1.0))
    return float(np.clip(sharpness / (sharpness + SHARP_ENOUGH) * (0.3 + 0.7 * light) * (0.5 + 0.5 * frontal), 0.0, 1.0))


def _thumbnail(rgb: Picture, box_xyxy: Sequence[float]) -> Picture:
    """A few grey blocks of what the reel would show: enough to tell two poses apart, too coarse to tell two people apart."""
    x1, y1, x2, y2 = box_xyxy
    half = max(x2 - x1, y2 - y1) * THUMBNAIL_CONTEXT / 2
    centre_x, centre_y = (x1 + x2) / 2, (y1 + y2) / 2
    square = face_square(rgb, (centre_x - half, centre_y - half, centre_x + half, centre_y + half))
    grey = cv2.cvtColor(square, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA), dtype=np.uint8)
