"""Writes pictures as a webcam's H.264 recording; called by the demo and by the tests' composed lesson."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray


def encode_video(path: Path, pictures: Iterable[NDArray[np.uint8]], fps: int, crf: int, bits_per_second: int = 330_000) -> None:
    """H.264 in mp4 out of BGR uint8 pictures (height, width, 3) of one size, at a constant rate and on one thread.

    One thread, as slices of several would make the bytes differ from machine to machine.
    """
    limits = {"maxrate": str(bits_per_second), "bufsize": str(2 * bits_per_second)}
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        options = {"crf": str(crf), "preset": "superfast", "threads": "1", **limits}
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.pix_fmt = "yuv420p"
        for count, picture in enumerate(pictures):
            if count == 0:
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts = count
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
