"""Small synthetic recordings for tests: each picture carries its own time as a pattern that survives compression.

`write_video` writes, `read_time` reads a decoded picture; `corrupt`, `truncate` and `change_resolution_midstream` do harm.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Painter = Callable[[float], Picture]

# 5 columns x 4 rows of cells: the corners tell what is up (only the upper left one is white), 15 hold the bits, one their parity.
COLUMNS, ROWS = 5, 4
CORNERS = ((0, 0), (0, COLUMNS - 1), (ROWS - 1, 0), (ROWS - 1, COLUMNS - 1))
BIT_CELLS = tuple((row, column) for row in range(ROWS) for column in range(COLUMNS) if (row, column) not in CORNERS)
LATEST_SECONDS = (2 ** (len(BIT_CELLS) - 1) - 1) / 10
TICKS_PER_SECOND = 1000


def paint_time(pts_seconds: float, size: tuple[int, int] = (160, 128)) -> Picture:
    """The time in tenths of a second as black and white cells; RGB uint8 (height, width, 3) for a `size` of (width, height)."""
    tenths = round(pts_seconds * 10)
    if not 0 <= tenths <= LATEST_SECONDS * 10:
        raise ValueError(f"the pattern holds 0 to {LATEST_SECONDS} seconds, not {pts_seconds}")
    bits = [tenths >> place & 1 for place in range(len(BIT_CELLS) - 1)]
    cells = np.zeros((ROWS, COLUMNS), np.uint8)
    cells[CORNERS[0]] = 1
    for cell, bit in zip(BIT_CELLS, [*bits, sum(bits) % 2], strict=True):
        cells[cell] = bit
    width, height = size
    rows, columns = np.arange(height) * ROWS // height, np.arange(width) * COLUMNS // width
    # Not quite black and white, as limited-range video would clip them.
    levels = 24 + 208 * cells[rows][:, columns]
    return np.repeat(levels[..., None], 3, axis=2).astype(np.uint8)


def read_time(frame_rgb: Picture) -> float:
    """The seconds that `paint_time` painted, to a tenth; any size, grey tolerated, upright only.

    Raises:
        ValueError: the picture does not stand upright, or is damaged beyond reading.
    """
    height, width = frame_rgb.shape[:2]
    cells = np.zeros((ROWS, COLUMNS), bool)
    for row in range(ROWS):
        for column in range(COLUMNS):
            top, left = (4 * row + 1) * height // (4 * ROWS), (4 * column + 1) * width // (4 * COLUMNS)
            bottom, right = (4 * row + 3) * height // (4 * ROWS), (4 * column + 3) * width // (4 * COLUMNS)
            cells[row, column] = frame_rgb[top:bottom, left:right].mean() > 128
    if [bool(cells[corner]) for corner in CORNERS] != [True, False, False, False]:
        raise ValueError("the picture holds no time, or does not stand upright")
    bits = [bool(cells[cell]) for cell in BIT_CELLS]
    if sum(bits[:-1]) % 2 != bits[-1]:
        raise ValueError("the picture's time is damaged")
    return sum(bit << place for place, bit in enumerate(bits[:-1])) / 10


def write_video(
    path: Path,
    *,
    seconds: float = 3.0,
    fps: int = 10,
    size: tuple[int, int] = (160, 128),
    codec: str = "libx264",
    start_offset_seconds: float = 0.0,
    pts_seconds: Sequence[float] | None = None,
    rotation_degrees: int = 0,
    sample_aspect_ratio: Fraction | None = None,
    gop: int = 250,
    b_frames: int = 0,
    faststart: bool = False,
    container_options: Mapping[str, str] | None = None,
    container_format: str | None = None,
    picture: Painter | None = None,
) -> Path:
    """Write one video track and return its path; the suffix or `container_format` chooses the container.

    Args:
        size: (width, height) as stored, or as shown upright where the file is to be rotated.
        start_offset_seconds: the first packet's time; `picture` is painted with times that begin at 0.
        pts_seconds: the frames' times, ascending to a millisecond, in place of `seconds` and `fps`.
        rotation_degrees: 90, 180 or 270: what a player must turn clockwise; mp4 and mov only.
        sample_aspect_ratio: a stored pixel's width over its height.
        b_frames: longest run of bidirectional frames; codecs without any want 0.
        picture: seconds to an RGB uint8 picture of `size`; by default `paint_time`.
    """
    times = [count / fps for count in range(round(seconds * fps))] if pts_seconds is None else list(pts_seconds)
    paint = picture or (lambda second: paint_time(second, size))
    stored = size[::-1] if rotation_degrees in (90, 270) else size
    options = dict(container_options or {}) | ({"movflags": "+faststart"} if faststart else {})
    with av.open(str(path), "w", format=container_format, options=options) as container:
        stream: Any = container.add_stream(codec, rate=fps, options=_codec_options(codec, b_frames))
        stream.width, stream.height = stored
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, TICKS_PER_SECOND)
        stream.codec_context.gop_size = gop
        if sample_aspect_ratio is not None:
            stream.codec_context.sample_aspect_ratio = sample_aspect_ratio
        for frame in _frames(times, paint, start_offset_seconds, rotation_degrees):
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    if rotation_degrees:
        _turn(path, rotation_degrees, stored)
    return path


def _codec_options(codec: str, b_frames: int) -> dict[str, str]:
    if codec == "libx264":
        return {"preset": "superfast", "crf": "24", "threads": "1", "bf": str(b_frames), "b-adapt": "0", "sc_threshold": "0"}
    return {"threads": "1", "deadline": "realtime", "cpu-used": "8", "b": "300k"} if codec.startswith("libvpx") else {}


def _frames(times: Sequence[float], paint: Painter, offset: float, rotation_degrees: int) -> Iterator[av.VideoFrame]:
    for second in times:
        upright = paint(second)
        # Stored the other way round, so that the player's turn makes it upright.
        stored = np.ascontiguousarray(np.rot90(upright, rotation_degrees // 90))
        frame = av.VideoFrame.from_ndarray(stored, format="rgb24")
        frame.pts = round((second + offset) * TICKS_PER_SECOND)
        frame.time_base = Fraction(1, TICKS_PER_SECOND)
        yield frame


def _turn(path: Path, degrees: int, stored: tuple[int, int]) -> None:
    """Write the display matrix into the only track's header, which PyAV cannot set."""
    one = 1 << 16
    width, height = stored[0] * one, stored[1] * one
    matrices = {
        90: (0, one, 0, -one, 0, 0, height, 0),
        180: (-one, 0, 0, 0, -one, 0, width, height),
        270: (0, -one, 0, one, 0, 0, 0, width),
    }
    content = bytearray(path.read_bytes())
    header = content.find(b"tkhd")
    if header < 0 or degrees not in matrices:
        raise ValueError(f"{path} cannot be turned by {degrees} degrees: only mp4 and mov by 90, 180 or 270")
    matrix = header + 4 + (52 if content[header + 4] == 1 else 40)
    content[matrix : matrix + 36] = struct.pack(">8iI", *matrices[degrees], 1 << 30)
    path.write_bytes(content)


def write_audio_only(path: Path, seconds: float = 2.0) -> Path:
    """A tone without any picture."""
    rate, chunk = 16_000, 1024
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("aac", rate=rate)
        for start in range(0, round(seconds * rate), chunk):
            tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(start, start + chunk) / rate)
            frame = av.AudioFrame.from_ndarray(tone[None].astype(np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def truncate(path: Path, keep: float = 0.5) -> Path:
    """Cut the file off after this share of its bytes."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    return path


def corrupt(path: Path, n_bytes: int, seed: int) -> Path:
    """Overwrite this many bytes, drawn by lot, with others; in mp4 only pictures are hit, elsewhere all after the first 4 KiB."""
    content = bytearray(path.read_bytes())
    first, end = _media_bytes(content)
    lot = random.Random(seed)
    for place in lot.sample(range(first, end), n_bytes):
        content[place] ^= lot.randint(1, 255)
    path.write_bytes(content)
    return path


def _media_bytes(content: bytearray) -> tuple[int, int]:
    place = 0
    if content[4:8] != b"ftyp":
        return min(4096, len(content) // 4), len(content)
    while place + 8 <= len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        if content[place + 4 : place + 8] == b"mdat":
            return place + 8, place + length
        place += length
    raise ValueError("the mp4 file holds no mdat box")


def change_resolution_midstream(
    path: Path, *, seconds: float = 2.0, fps: int = 10, sizes: tuple[tuple[int, int], ...] = ((160, 128), (320, 256))
) -> Path:
    """MPEG-TS whose pictures change size: for `seconds` each of the sizes, one after the other, times going on."""
    parts = []
    for index, size in enumerate(sizes):
        begin = index * seconds
        times = [begin + count / fps for count in range(round(seconds * fps))]
        part = path.with_name(f"{path.name}.{index}")
        parts.append(write_video(part, size=size, fps=fps, pts_seconds=times, container_format="mpegts").read_bytes())
        part.unlink()
    path.write_bytes(b"".join(parts))
    return path
