"""The demo's two people, cut out of public-domain portraits that scikit-image and matplotlib ship; `camera.py` moves them.

Eileen Collins (NASA photograph, skimage/data/astronaut.png) smiles; Grace Hopper (US Navy photograph,
matplotlib/mpl-data/sample_data/grace_hopper.jpg) does not. Works of the US government are in the public domain.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

# Outlines drawn by hand, x,y in pixels of the shipped pictures; grabCut decides within a narrow band around them.
COLLINS_OUTLINE = """
    230,15 262,22 285,42 298,65 302,85 297,107 282,123 278,133 270,137 264,148 258,165 256,173 270,183 290,205
    303,230 306,236 318,245 335,258 345,275 352,295 357,320 363,347 25,347 32,325 41,300 50,275 62,250 78,233
    100,215 114,206 113,190 118,187 125,174 140,157 160,149 184,148 182,132 174,129 170,118 157,104 153,80 157,58
    172,44 188,36 205,21
"""
HOPPER_OUTLINE = """
    235,27 258,23 285,28 300,40 325,45 345,60 354,78 364,87 370,105 372,135 371,178 376,195 374,215 365,245
    361,262 358,285 345,304 333,310 336,318 350,333 400,355 450,373 486,387 500,410 511,436 522,470 534,520 548,599
    10,599 18,540 25,480 28,440 40,405 55,381 80,371 140,353 180,336 195,320 204,313 197,296 186,291 170,278
    162,262 163,245 155,215 152,200 155,185 150,170 150,130 155,105 165,90 176,84 178,75 187,59 202,46 220,41
"""


@dataclass(frozen=True)
class Portrait:
    """A person without background, and where the head is, in pixels of `bgra_premultiplied`."""

    bgra_premultiplied: NDArray[np.uint8]  # (height, width, 4), colours already multiplied by alpha
    face_xy: tuple[float, float]
    face_width: float
    neck_xy: tuple[float, float]  # what the head turns about
    mouth_corners_xy: tuple[tuple[float, float], tuple[float, float]]


def eileen_collins() -> Portrait:
    """Cut out at 400x348; she smiles with her teeth."""
    picture = shipped_picture("skimage", "data/astronaut.png", "scikit-image")[:348, :400]
    return Portrait(_cut_out(picture, COLLINS_OUTLINE, band=3), (221, 118), 88, (222, 196), ((199, 141), (247, 141)))


def grace_hopper() -> Portrait:
    """Cut out at 560x600; her mouth is closed and straight."""
    picture = shipped_picture("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", "matplotlib")
    # The uniform's shoulder runs out of the portrait: the cloth goes on.
    wide = cv2.copyMakeBorder(picture, 0, 0, 0, 560 - picture.shape[1], cv2.BORDER_REPLICATE)
    cut = _cut_out(np.asarray(wide, np.uint8), HOPPER_OUTLINE, band=3)
    return Portrait(cut, (262, 215), 200, (262, 335), ((225, 281), (305, 281)))


def shipped_picture(module: str, path: str, package: str) -> NDArray[np.uint8]:
    """A picture file of an installed package, BGR uint8 (height, width, 3), without importing the package.

    Raises:
        FileNotFoundError: the package or its picture is not installed.
    """
    spec = find_spec(module)
    roots = list(spec.submodule_search_locations or ()) if spec else []
    for root in roots:
        picture = cv2.imread(str(Path(root) / path), cv2.IMREAD_COLOR)
        if picture is not None:
            return np.asarray(picture, np.uint8)
    raise FileNotFoundError(f"the demo needs {path} out of {package}: install smilereel[demo]")


def _cut_out(picture: NDArray[np.uint8], outline: str, band: int) -> NDArray[np.uint8]:
    """BGRA, premultiplied: the outline corrected by grabCut within `band` pixels, with a soft edge."""
    inside = np.zeros(picture.shape[:2], np.uint8)
    corners = [[int(number) for number in corner.split(",")] for corner in outline.split()]
    cv2.fillPoly(inside, [np.array(corners, np.int32)], 255)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * band + 1, 2 * band + 1))
    mask = np.full(inside.shape, cv2.GC_BGD, np.uint8)
    mask[cv2.dilate(inside, disc) > 0] = cv2.GC_PR_BGD
    mask[inside > 0] = cv2.GC_PR_FGD
    mask[cv2.erode(inside, disc, borderType=cv2.BORDER_CONSTANT, borderValue=255) > 0] = cv2.GC_FGD
    cv2.setRNGSeed(1)
    models: tuple[Any, Any] = (np.zeros((1, 65)), np.zeros((1, 65)))
    cv2.grabCut(picture, mask, (0, 0, 1, 1), *models, 3, cv2.GC_INIT_WITH_MASK)
    hard = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8) * 255
    smooth = cv2.medianBlur(hard, 7)
    # One pixel inwards, so that no rim of the old background shows.
    alpha = cv2.GaussianBlur(cv2.erode(smooth, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE), (0, 0), 1.1)
    bgra = np.dstack([picture, alpha])
    bgra[..., :3] = (picture * (alpha[..., None] / 255.0)).round().astype(np.uint8)
    return bgra
