"""Pictures and their files' names in, the slice that each belongs to out: light, skin tone, sex, age, size. All tables slice by it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.inputs import Pixels
from workers.training.evaluation.intervals import Estimate
from workers.training.evaluation.tables import SMALLEST_SLICE, Cell

Names = NDArray[np.str_]
# Mean grey level of the face.
DARK_BELOW, BRIGHT_FROM = 80, 160
# Skin tones by the individual typology angle in degrees (Chardon, Cretois & Hourseau 1991), the lightest first.
SKIN_TONES = ((55.0, "very light"), (41.0, "light"), (28.0, "intermediate"), (10.0, "tan"), (-30.0, "brown"), (-math.inf, "dark"))
AGE_BANDS = ((5, "0-4"), (9, "5-8"), (12, "9-11"), (15, "12-14"), (18, "15-17"), (22, "18-21"), (30, "22-29"), (50, "30-49"))
OLDEST_BAND = "50 and over"
# The shorter side of the face's box in pixels of the detector's input.
FACE_SIDES = ((12, "below 12 px"), (24, "12-24 px"), (48, "24-48 px"), (96, "48-96 px"))
LARGEST_FACE = "above 96 px"
UNKNOWN = "not known"


def banded(values: Iterable[float], bands: Sequence[tuple[float, str]], beyond: str) -> Names:
    """The first band whose upper end lies above each value, or `beyond`."""
    return np.array([next((name for top, name in bands if value < top), beyond) for value in values])


def light(faces: Iterable[Pixels]) -> Names:
    """dark, normal or bright for each face or frame (uint8, grey or RGB)."""
    return banded(
        (float(face.mean()) if face.size else 0.0 for face in faces), ((DARK_BELOW, "dark"), (BRIGHT_FROM, "normal")), "bright"
    )


def skin_tone(face_rgb: Pixels) -> str:
    """The skin tone of a face's cheeks by the individual typology angle; a picture without colour is `not known`.

    Args:
        face_rgb: uint8 H x W x 3, the face's box or crop. Room light is in the angle too: a dark room makes skin darker.
    """
    height, width = face_rgb.shape[:2]
    rows = slice(int(0.45 * height), max(int(0.7 * height), 1))
    cheeks = [face_rgb[rows, int(a * width) : max(int(b * width), 1)].reshape(-1, 3) for a, b in ((0.2, 0.4), (0.6, 0.8))]
    pixels = np.concatenate(cheeks)
    if not len(pixels) or np.ptp(pixels.astype(np.int16), axis=1).max() < 4:
        return UNKNOWN
    lab = cv2.cvtColor(pixels[None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
    lightness, _, yellow = np.median(lab, axis=0)
    angle = math.degrees(math.atan2(float(lightness) - 50, max(float(yellow), 1e-3)))
    return next(name for least, name in SKIN_TONES if angle > least)


def sex(files: Iterable[str]) -> Names:
    """As UTKFace's names state it (age_gender_race_...); the other sets state none."""
    stated = {"0": "male", "1": "female"}
    parts = [file.rsplit("/", 1)[-1].split("_") if "utk" in file else [] for file in files]
    return np.array([stated.get(part[1], UNKNOWN) if len(part) > 2 else UNKNOWN for part in parts])


def slice_rows(
    by: dict[str, Names], figure: Callable[[NDArray[np.bool_]], dict[str, Cell]], counted: Callable[[NDArray[np.bool_]], bool]
) -> list[dict[str, Cell]]:
    """A row for each slice of each kind, in the order in which the bands stand.

    Args:
        by: kind of slice ("light") to the slice of each item.
        figure: the columns for the items of a mask.
        counted: whether a mask holds enough for a figure; otherwise only its number is shown.
    """
    rows: list[dict[str, Cell]] = []
    for kind, names in by.items():
        for name in _ordered(kind, set(names.tolist())):
            mask = names == name
            row: dict[str, Cell] = {"slice": f"{kind}: {name}", "n": int(mask.sum())}
            rows.append(row | figure(mask) if counted(mask) else row)
    return rows


def enough(mask: NDArray[np.bool_]) -> bool:
    """Whether a slice is large enough for a figure."""
    return int(mask.sum()) >= SMALLEST_SLICE


def with_interval(name: str, estimate: Estimate) -> dict[str, Cell]:
    """Two cells: the figure and its interval."""
    return {name: estimate.value, "95 %": estimate}


def _ordered(kind: str, names: set[str]) -> list[str]:
    """Bands in their own order, other names by the alphabet, what is not known last."""
    order = [band for _, band in (*AGE_BANDS, *FACE_SIDES)] + [OLDEST_BAND, LARGEST_FACE]
    order += [tone for _, tone in SKIN_TONES] if "skin" in kind else ["dark", "normal", "bright"]
    others = sorted(names - set(order) - {UNKNOWN})
    return [name for name in [*order, *others, UNKNOWN] if name in names]
