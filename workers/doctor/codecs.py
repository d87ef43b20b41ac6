"""Whether this machine's libraries read what cameras write, and write GIF and JPEG. Asked by the doctor; the CPU room's needs."""

from __future__ import annotations

import io
from collections.abc import Iterator

from .findings import Finding, failure, ok, warning

# What browsers and phones record; the rest of `workers/cpu/media.py` is rare.
NEEDED = ("h264", "hevc", "vp8", "vp9", "mpeg4", "mjpeg")
INSTALL = "install the extra 'cpu' again: its wheels bring FFmpeg."


def check_codecs() -> Iterator[Finding]:
    """Ask PyAV for its decoders, and write a small GIF and a JPEG with the libraries that the workers use."""
    try:
        import av
        import cv2
        import imageio.v3 as iio
        import numpy as np
    except ImportError as error:
        yield failure("codecs.reading", f"Videos cannot be read without {error.name}", INSTALL)
        return
    missing = [name for name in NEEDED if not _decodes(av, name)]
    if missing:
        yield failure("codecs.reading", f"Videos in {', '.join(missing)} cannot be read", INSTALL)
    elif not _decodes(av, "libdav1d") and not _decodes(av, "av1"):
        yield warning("codecs.reading", "Videos in av1 cannot be read", INSTALL)
    else:
        yield ok("codecs.reading", f"Videos in {', '.join(NEEDED)} and av1 can be read.")
    pictures = np.zeros((2, 8, 8, 3), np.uint8)
    pictures[1] += 255
    try:
        gif: bytes = iio.imwrite("<bytes>", pictures, extension=".gif", plugin="pillow", loop=0)
        jpeg = io.BytesIO()
        iio.imwrite(jpeg, pictures[0], extension=".jpg", plugin="pillow")
        written, packed = cv2.imencode(".jpg", pictures[0])
        sound = (
            gif.startswith(b"GIF8")
            and jpeg.getvalue().startswith(b"\xff\xd8")
            and written
            and packed.tobytes()[:2] == b"\xff\xd8"
        )
    except (OSError, ValueError, KeyError, cv2.error):
        sound = False
    if sound:
        yield ok("codecs.writing", "GIF and JPEG can be written.")
    else:
        yield failure("codecs.writing", "GIF or JPEG cannot be written", INSTALL)


def _decodes(av: object, name: str) -> bool:
    try:
        av.Codec(name, "r")  # type: ignore[attr-defined]
    except ValueError:
        return False
    return True
