"""Nine pictures and their faces in, the GIF, its poster and the contact sheet out. Pure; called by the CPU room's door."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import imageio.v3 as iio
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from shared.reel import Reel
from workers.packs import Picture

# The crop's side over the face's: head and a little of the shoulders.
CROP_TO_FACE = 2.3
# The face's centre stands a little above the picture's, where a photographer would put it.
HEADROOM = 0.04
MOST_EXPOSURE_GAIN = 1.25
# Tried in turn until the GIF is small enough: share of the wished side, colours.
STEPS = ((1.0, 256), (1.0, 128), (0.9, 128), (0.9, 64), (0.75, 64), (0.6, 48), (0.5, 32), (0.4, 16))


@dataclass(frozen=True, slots=True)
class Shot:
    """One moment's picture (uint8, h x w x 3, RGB), the face in its pixels, and the caption of the contact sheet."""

    rgb: Picture
    box_xyxy: tuple[float, float, float, float]
    caption: str


@dataclass(frozen=True, slots=True)
class ReelFiles:
    """What a parent gets, and the contact sheet for an operator's eye."""

    record: Reel
    gif: bytes
    poster_jpeg: bytes
    contact_sheet_jpeg: bytes


def assemble_reel(shots: Sequence[Shot], *, side: int, max_bytes: int, frame_seconds: float, loops: int) -> ReelFiles:
    """Make the reel; the shots come in the order in which they are shown.

    Args:
        side: width and height in pixels; steps down together with the colours until the GIF is at most `max_bytes`.
        frame_seconds: how long a picture stands; the last stands twice as long.
        loops: how often the GIF plays, 0 for ever.

    Raises:
        ValueError: fewer than two shots, or two that are equal once they are scaled (the GIF would lose one).
    """
    if len(shots) < 2:
        raise ValueError("a reel needs at least two pictures")
    pictures = match_exposure([square_crop(shot, side) for shot in shots])
    gif, pixels = _smallest_fitting(pictures, max_bytes, frame_seconds, loops)
    record = Reel(frames=len(shots), width=pixels, height=pixels, bytes=len(gif))
    captions = [shot.caption for shot in shots]
    return ReelFiles(record, gif, _jpeg(pictures[0]), _jpeg(contact_sheet(pictures, captions)))


def square_crop(shot: Shot, side: int) -> Picture:
    """The face upright in the middle, equally large in every picture; at the frame's edge the crop moves rather than shows black."""
    height, width = shot.rgb.shape[:2]
    x1, y1, x2, y2 = shot.box_xyxy
    wished = max(x2 - x1, y2 - y1) * CROP_TO_FACE
    pixels = int(max(1, min(round(wished), height, width)))
    left = (x1 + x2 - pixels) / 2
    top = (y1 + y2 - pixels) / 2 + HEADROOM * pixels
    left, top = round(min(max(left, 0), width - pixels)), round(min(max(top, 0), height - pixels))
    crop = shot.rgb[top : top + pixels, left : left + pixels]
    return _resize(crop, side)


def match_exposure(pictures: Sequence[Picture]) -> list[Picture]:
    """Bring dark and bright pictures a little nearer to the middle one, by at most a quarter."""
    means = [float(picture.mean()) for picture in pictures]
    middle = float(np.median(means))
    gains = [min(max(middle / max(mean, 1.0), 1 / MOST_EXPOSURE_GAIN), MOST_EXPOSURE_GAIN) ** 0.7 for mean in means]
    return [
        np.asarray(np.clip(picture.astype(np.float32) * gain, 0, 255), dtype=np.uint8)
        for picture, gain in zip(pictures, gains, strict=True)
    ]


def _smallest_fitting(pictures: Sequence[Picture], max_bytes: int, frame_seconds: float, loops: int) -> tuple[bytes, int]:
    gif, pixels = b"", 0
    for share, colours in STEPS:
        pixels = max(16, round(pictures[0].shape[0] * share))
        gif = encode_gif([_resize(p, pixels) for p in pictures], colours=colours, frame_seconds=frame_seconds, loops=loops)
        if len(gif) <= max_bytes:
            break
    return gif, pixels


def encode_gif(pictures: Sequence[Picture], *, colours: int, frame_seconds: float, loops: int) -> bytes:
    """Write the GIF with one palette for all pictures and without dithering, which keeps skin calm and the file small.

    Raises:
        ValueError: a picture was lost, as two neighbours were equal.
    """
    palette = Image.fromarray(np.vstack(list(pictures))).quantize(
        colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
    )
    reduced = [
        np.asarray(Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE).convert("RGB"))
        for picture in pictures
    ]
    milliseconds = [round(frame_seconds * 1000)] * (len(pictures) - 1) + [round(frame_seconds * 2000)]
    # A GIF without the loop extension plays once.
    options: dict[str, Any] = {"duration": milliseconds} if loops == 1 else {"duration": milliseconds, "loop": max(loops - 1, 0)}
    gif: bytes = iio.imwrite("<bytes>", np.stack(reduced), extension=".gif", plugin="pillow", **options)
    with Image.open(io.BytesIO(gif)) as written:
        if getattr(written, "n_frames", 1) != len(pictures):
            raise ValueError("two neighbouring pictures of the reel are equal, so the GIF would lose one")
    return gif


def contact_sheet(pictures: Sequence[Picture], captions: Sequence[str]) -> Picture:
    """The moments side by side, each over its caption."""
    side, columns, bar, gutter = pictures[0].shape[0], 3, 30, 8
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (side + gutter) + gutter, rows * (side + bar + gutter) + gutter), color=(250, 250, 248))
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=15)
    for index, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        x = gutter + (index % columns) * (side + gutter)
        y = gutter + (index // columns) * (side + bar + gutter)
        sheet.paste(Image.fromarray(picture), (x, y))
        draw.text((x + 2, y + side + 6), caption, fill=(40, 40, 40), font=font)
    return np.asarray(sheet, dtype=np.uint8)


def _resize(picture: Picture, side: int) -> Picture:
    if picture.shape[0] == side:
        return picture
    method = cv2.INTER_AREA if picture.shape[0] > side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (side, side), interpolation=method), dtype=np.uint8)


def _jpeg(picture: Picture) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="JPEG", quality=90, optimize=True)
    return buffer.getvalue()
