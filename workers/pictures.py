"""A picture or a folder of them in, a line of scores for each out. `smilereel detect` and `smilereel faces` print the lines."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from shared.face import FaceScores
from workers.gpu.classify import score_faces
from workers.gpu.detect import detect_faces, score_shoulders
from workers.gpu.weights import Models
from workers.inputs import Pixels, crop_of_face_picture, face_crop

# HEIC is named although Pillow alone cannot read it: an error line is better than a photograph silently left out.
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"}
    | {".jp2", ".avif", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".heic", ".heif"}
)
# Larger pictures are scaled down on load; the detector looks at 320 pixels, and a crop needs 64.
LONGEST_SIDE = 2560
PICTURES_AT_ONCE = 16

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A picture as it is looked at: `pixels` uint8 H x W x 3; its own size is `to_own` (x, y) times as large. Or why not: `error`."""

    file: str
    pixels: Pixels | None
    to_own: tuple[float, float] = (1.0, 1.0)
    error: str = ""


def picture_files(path: str) -> list[str]:
    """The pictures at `path`, each as `path` as typed plus what lies below it, sorted by folder and name.

    A file named directly is always tried; in a folder, files without a picture's suffix are passed over.

    Raises:
        FileNotFoundError: nothing is there.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"There is no picture or folder at {path}; check the path.")
    if not Path(path).is_dir():
        return [path]
    below: list[Path] = []
    for folder, _, names in os.walk(path):
        here = Path(folder).relative_to(path)
        below.extend(here / name for name in names if Path(name).suffix.lower() in SUFFIXES)
    start = path if path.endswith(os.sep) else path + os.sep
    return [start + str(file) for file in sorted(below, key=lambda file: file.parts)]


def load_picture(file: str) -> Loaded:
    """A picture upright (EXIF), in RGB, at most 2,560 pixels on its longest side; of an animation the first frame."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures; those up to twice its limit are scaled down here, larger ones it refuses itself.
            warnings.simplefilter("ignore")
            with Image.open(file) as picture:
                picture.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
                own = _own_size(picture, file)
                if max(picture.size) > LONGEST_SIDE:
                    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BOX)
                pixels = _rgb(ImageOps.exif_transpose(picture))
    except Image.DecompressionBombError:
        return Loaded(file, None, error="The picture has more pixels than can be read safely; scale it down.")
    # Pillow's readers raise many kinds of errors on damaged files, none of them ours.
    except Exception as error:  # noqa: BLE001
        return Loaded(file, None, error=f"The picture cannot be read ({_reason(error)}).")
    height, width = pixels.shape[:2]
    # An upright phone picture is stored lying, so the two sides may have changed places.
    if (own[0] < own[1]) != (width < height):
        own = (own[1], own[0])
    return Loaded(file, pixels, (own[0] / width, own[1] / height))


def _own_size(picture: Image.Image, file: str) -> tuple[int, int]:
    """The size before `draft` chose a smaller one."""
    if picture.format != "JPEG":
        return picture.size
    with Image.open(file) as untouched:
        return untouched.size


def _rgb(picture: Image.Image) -> Pixels:
    if picture.mode.startswith(("I", "F")):
        # `convert` would clip 16 bit at 255 and turn the picture white.
        values = np.asarray(picture, dtype=np.float64)
        top = 65535.0 if picture.mode.startswith("I") and values.max(initial=0) > 255 else max(float(values.max(initial=0)), 1.0)
        grey = (values * (255 / max(top, 255.0) if top > 255 else 1.0)).clip(0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        over = picture.convert("RGBA")
        black = Image.new("RGBA", over.size, (0, 0, 0, 255))
        picture = Image.alpha_composite(black, over)
    return np.array(picture.convert("RGB"), dtype=np.uint8)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "it is in no known picture format"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    text = str(error).strip().rstrip(".") or type(error).__name__
    return text.splitlines()[0]


def _chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def detect_lines(path: str, models: Models) -> Iterator[dict[str, Any]]:
    """What the models see in each picture at `path`.

    Args:
        path: a picture or a folder, which is searched through.
        models: with all four networks.

    Yields:
        `{"file", "boxes": [{"xyxy", "score", "p_child", "p_smile"}], "p_parent_shoulder"}`, boxes in pixels of the picture as it
        is shown, highest score first; or `{"file", "error"}` for a picture that cannot be read.

    Raises:
        FileNotFoundError: nothing is at `path`.
    """
    for files in _chunks(picture_files(path), PICTURES_AT_ONCE):
        pictures = [load_picture(file) for file in files]
        frames = [picture.pixels for picture in pictures if picture.pixels is not None]
        found = detect_faces(models, frames)
        crops = [face_crop(frame, face.box.xyxy) for frame, faces in zip(frames, found, strict=True) for face in faces]
        scores = iter(score_faces(models, _stacked(crops)))
        shoulders = score_shoulders(models, frames)
        results = iter(zip(found, shoulders, strict=True))
        for picture in pictures:
            if picture.pixels is None:
                yield {"file": picture.file, "error": picture.error}
                continue
            faces, shoulder = next(results)
            to_x, to_y = picture.to_own
            boxes = [
                {
                    "xyxy": [round(corner, 2) for corner in face.box.scaled(to_x, to_y).xyxy],
                    "score": round(face.score, 6),
                    **_probabilities(next(scores)),
                }
                for face in faces
            ]
            yield {"file": picture.file, "boxes": boxes, "p_parent_shoulder": round(shoulder, 6)}


def faces_lines(path: str, models: Models) -> Iterator[dict[str, Any]]:
    """The classifiers' scores for pictures that already are face crops.

    Yields:
        `{"file", "p_child", "p_smile"}`, or `{"file", "error"}` for a picture that cannot be read.

    Raises:
        FileNotFoundError: nothing is at `path`.
    """
    for files in _chunks(picture_files(path), 4 * PICTURES_AT_ONCE):
        lines = [_crop_of(file) for file in files]
        scores = iter(score_faces(models, _stacked([crop for _, crop, _ in lines if crop is not None])))
        for file, crop, error in lines:
            yield {"file": file, "error": error} if crop is None else {"file": file, **_probabilities(next(scores))}


def _crop_of(file: str) -> tuple[str, Pixels | None, str]:
    """The crop at once, so that a batch of large pictures is never held together."""
    picture = load_picture(file)
    return file, None if picture.pixels is None else crop_of_face_picture(picture.pixels), picture.error


def _probabilities(scores: FaceScores) -> dict[str, float]:
    return {"p_child": round(scores.p_child, 6), "p_smile": round(scores.p_smile, 6)}


def _stacked(crops: Sequence[Pixels]) -> Pixels:
    return np.stack(crops) if crops else np.zeros((0, 64, 64), np.uint8)
