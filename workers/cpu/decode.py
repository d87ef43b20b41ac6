"""One frame a second out of a recording: for each second the picture nearest to its middle. Called by the door of the CPU room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import floor
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from shared.frame import FrameRef
from workers.packs import Picture, SampledFrame

from .media import open_video, read_packets

# A decoder may hand pictures out of order by a few places, so that a second is only settled this much later.
REORDER_SECONDS = 1.0
MAX_PIXELS = 8192 * 8192


@dataclass(frozen=True, slots=True)
class Sampling:
    """What was found: frames in order of time, and the seconds that held none that could be decoded."""

    frames: list[SampledFrame]
    unreadable: list[int]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A second's best frame so far, still in the decoder's own format, with the width of its pixels over their height."""

    pts_seconds: float
    frame: VideoFrame
    pixel_aspect: float


def sample_frames(
    path: Path, seconds: Sequence[int], pts_offset_seconds: float, *, longest_side: int | None, threads: int = 1
) -> Sampling:
    """Decode one frame for each of these lesson seconds.

    A second's frame is the one nearest to its middle among those whose own time lies in `[second, second + 1)`, so that it is
    right to half a second; variable frame rates leave seconds without a frame rather than repeat an old one.

    Args:
        seconds: lesson seconds, ascending.
        pts_offset_seconds: the decoder's own time at lesson second 0.
        longest_side: pictures are scaled down to it; None keeps the original size.

    Raises:
        RecordingUnreadable: the file cannot be opened at all. Damage inside only costs the seconds it hits.
    """
    if not seconds:
        return Sampling([], [])
    chosen = _choose(path, seconds, pts_offset_seconds, threads, seek=True)
    if seconds[0] not in chosen and seconds[0] + pts_offset_seconds > REORDER_SECONDS:
        # Files without an index may land behind the wished place: read those from their start.
        missing = [s for s in seconds if s not in chosen]
        chosen |= _choose(path, missing, pts_offset_seconds, threads, seek=False)
    frames = []
    for second in sorted(chosen):
        sampled = _upright(chosen[second], second, longest_side)
        if sampled is not None:
            frames.append(sampled)
    readable = {frame.ref.second for frame in frames}
    return Sampling(frames, [second for second in seconds if second not in readable])


def _choose(path: Path, seconds: Sequence[int], offset: float, threads: int, *, seek: bool) -> dict[int, Chosen]:
    """For each second the frame nearest to its middle."""
    wanted = set(seconds)
    best: dict[int, Chosen] = {}
    with open_video(path, threads=threads) as (container, stream):
        if seek:
            _seek(container, stream, seconds[0] + offset)
        for pts, frame in _decode(container, stream):
            pts_seconds = pts - offset
            if pts_seconds > seconds[-1] + 1 + REORDER_SECONDS:
                break
            second = floor(pts_seconds)
            if second not in wanted:
                continue
            known = best.get(second)
            if known is None or abs(pts_seconds - second - 0.5) < abs(known.pts_seconds - second - 0.5):
                best[second] = Chosen(pts_seconds, frame, _pixel_aspect(stream))
    return best


def _seek(container: InputContainer, stream: VideoStream, pts_seconds: float) -> None:
    if pts_seconds <= REORDER_SECONDS or stream.time_base is None:
        return
    try:
        container.seek(int(pts_seconds / stream.time_base), stream=stream, backward=True)
    except (av.error.FFmpegError, OSError):
        return  # Not seekable: it is read from where it stands.


def _decode(container: InputContainer, stream: VideoStream) -> Iterator[tuple[float, VideoFrame]]:
    """Each readable frame with the decoder's own time in seconds; a damaged packet costs only itself."""
    for packet in read_packets(container, stream):
        if packet is None:
            continue
        try:
            frames = packet.decode()
        except (av.error.FFmpegError, OSError, MemoryError):
            continue
        for frame in frames:
            if frame.pts is not None and frame.time_base is not None and frame.width * frame.height <= MAX_PIXELS:
                yield float(frame.pts * frame.time_base), frame


def _upright(chosen: Chosen, second: int, longest_side: int | None) -> SampledFrame | None:
    """Square pixels, rotation undone, scaled down; None where the pixels cannot be converted."""
    frame = chosen.frame
    source_width, source_height = max(1, round(frame.width * chosen.pixel_aspect)), frame.height
    scale = min(1.0, longest_side / max(source_width, source_height)) if longest_side else 1.0
    width, height = max(1, round(source_width * scale)), max(1, round(source_height * scale))
    try:
        rgb = _to_rgb(frame, width, height)
    except (av.error.FFmpegError, OSError, ValueError):
        return None
    quarter_turns = round(frame.rotation / 90) % 4
    if quarter_turns:
        rgb = np.ascontiguousarray(np.rot90(rgb, quarter_turns))
        if quarter_turns % 2:
            width, height, source_width, source_height = height, width, source_height, source_width
    ref = FrameRef(
        second=second,
        pts_seconds=chosen.pts_seconds,
        width=width,
        height=height,
        source_width=source_width,
        source_height=source_height,
    )
    return SampledFrame(ref, rgb)


def _to_rgb(frame: VideoFrame, width: int, height: int) -> Picture:
    scaled = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA")
    return np.ascontiguousarray(scaled.to_ndarray(), dtype=np.uint8)


def _pixel_aspect(stream: VideoStream) -> float:
    ratio = stream.codec_context.sample_aspect_ratio or stream.sample_aspect_ratio
    return float(ratio) if ratio and 0.1 < ratio < 10 else 1.0
