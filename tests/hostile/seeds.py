"""The small good files that hostile ones are made from: every container and codec that the build can write. Made once a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.media import Picture, change_resolution_midstream, write_audio_only, write_video

# name, then what write_video is told; 2-3 seconds of 160x128, some 3-40 KB each.
ENCODES: dict[str, dict[str, Any]] = {
    "plain.mp4": {},
    "bframes.mp4": {"b_frames": 2, "gop": 10, "faststart": True},
    "fragments.mp4": {"container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "turned.mov": {"rotation_degrees": 90},
    "hevc.mp4": {"codec": "libx265", "seconds": 1},
    "av1.mp4": {"codec": "libsvtav1", "seconds": 1},
    "mpeg4.mp4": {"codec": "mpeg4"},
    "h264.mkv": {"gop": 10},
    "live.webm": {"codec": "libvpx", "container_options": {"live": "1"}},
    "vp9.webm": {"codec": "libvpx-vp9", "seconds": 1},
    "mpeg4.avi": {"codec": "mpeg4"},
    "h264.ts": {"container_format": "mpegts", "gop": 10},
    "h264.flv": {},
    "sorenson.flv": {"codec": "flv"},
    "wmv2.asf": {"codec": "wmv2"},
}


# Encoders that `write_video` cannot drive, as they want whole frame rates or full-range pictures.
PLAIN_ENCODES = {
    "mjpeg.avi": ("mjpeg", "yuvj420p"),
    "mpeg2.ts": ("mpeg2video", "yuv420p"),
    "mpeg1.mpg": ("mpeg1video", "yuv420p"),
}


def paint(second: float) -> Picture:
    """A moving texture, so that a flipped bit hits coefficients and motion rather than nothing."""
    rows, columns = np.mgrid[0:128, 0:160]
    grey = 128 + 60 * np.sin(columns / 5 + 7 * second) + 50 * np.sin(rows / 3 + columns / 11 - 3 * second)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def paint_canary(second: float) -> Picture:
    """What must never be seen: magenta all over."""
    return np.full((128, 160, 3), (255, 0, 255), np.uint8)


def write_plain(path: Path, codec: str, pixel_format: str, seconds: int = 1) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 128, pixel_format
        for count in range(25 * seconds):
            frame = av.VideoFrame.from_ndarray(paint(count / 25), format="rgb24")
            frame.pts = count
            container.mux(stream.encode(frame.reformat(format=pixel_format)))
        container.mux(stream.encode())
    return path


def make_seeds(folder: Path) -> list[Path]:
    """Write them all and return their paths, in the same order each time."""
    common: dict[str, Any] = {"seconds": 3, "gop": 25, "picture": paint}
    made = [write_video(folder / name, **common | options) for name, options in ENCODES.items()]
    made += [write_plain(folder / name, codec, kind) for name, (codec, kind) in PLAIN_ENCODES.items()]
    made.append(change_resolution_midstream(folder / "sizes.ts"))
    made.append(write_audio_only(folder / "sound.mp4"))
    return made


def find_clips(project: Path) -> list[Path]:
    """The smallest clips beside the project, where there are any."""
    clips = sorted((project.parent / "shared" / "clips").glob("*"), key=lambda path: path.stat().st_size)
    return clips[:3]
