"""The reel's pictures as small JPEGs: the GIF's bytes in, one data URI a frame out. Pure; `page.py` calls it."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from shared.errors import LessonInvalid

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

# Shown at half of it, for screens of double density.
SIDE = 256
QUALITIES = (82, 70, 55, 40)
MOST_BYTES = 40_000
MOST_PICTURES = 30


def reel_pictures(reel_gif: bytes) -> list[str]:
    """A `data:image/jpeg` address for each frame, in the reel's order, none of more than about 50 kB.

    Raises:
        LessonInvalid: it is no picture that can be read.
    """
    from PIL import Image, ImageSequence, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(reel_gif), formats=["GIF"]) as reel:
            frames: list[str] = []
            for frame in ImageSequence.Iterator(reel):
                if len(frames) == MOST_PICTURES:
                    break
                picture = frame.convert("RGB")
                picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
                frames.append(_data_uri(picture))
    except (UnidentifiedImageError, OSError, ValueError, EOFError, SyntaxError, Image.DecompressionBombError):
        raise LessonInvalid("The file reel.gif cannot be read as a GIF; give the file that `smilereel` wrote.") from None
    return frames


def _data_uri(picture: Picture) -> str:
    jpeg = b""
    for quality in QUALITIES:
        buffer = io.BytesIO()
        picture.save(buffer, format="JPEG", quality=quality, optimize=True)
        jpeg = buffer.getvalue()
        if len(jpeg) <= MOST_BYTES:
            break
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
