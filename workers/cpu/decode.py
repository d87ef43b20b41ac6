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

from .limits import DEFAULT_LIMITS, Budget, MediaLimits
from .media import OpenedFile, open_video, read_packets, within_limits

# A decoder may hand pictures out of order by a few places, so that a second is only settled this much later.
REORDER_SECONDS = 1.0


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
    media: Path | OpenedFile,
    seconds: Sequence[int],
    pts_offset_seconds: float,
    *,
    longest_side: int | None,
    threads: int = 1,
    limits: MediaLimits = DEFAULT_LIMITS,
) -> Sampling:
    """Decode one frame for each of these lesson seconds.

    A second's frame is the one nearest to its middle among those whose own time lies in `[second, second + 1)`, so that it is
    right to half a second; variable frame rates leave seconds without a frame rather than repeat an old one.

    Args:
        seconds: lesson seconds, ascending.
        pts_offset_seconds: the decoder's own time at lesson second 0.
        longest_side: pictures are scaled down to it; None keeps the original size.

    Raises:
        RecordingUnreadable: the file cannot be opened at all, or goes beyond `limits`. Damage inside only costs the seconds it
            hits.
    """
    if not seconds:
        return Sampling([], [])
    with within_limits(media, limits) as (opened, budget):
        sampler = _Sampler(opened, budget, pts_offset_seconds, longest_side, threads)
        found = sampler.sample(seconds, seek=True)
        if seconds[0] not in found and seconds[0] + pts_offset_seconds > REORDER_SECONDS:
            # Files without an index may land behind the wished place: read those from their start.
            found |= sampler.sample([s for s in seconds if s not in found], seek=False)
    frames = [frame for frame in (found[second] for second in sorted(found)) if frame is not None]
    readable = {frame.ref.second for frame in frames}
    return Sampling(frames, [second for second in seconds if second not in readable])


@dataclass(frozen=True, slots=True)
class _Sampler:
    """One call's file, budget and wishes; it may read the file twice."""

    opened: OpenedFile
    budget: Budget
    offset: float
    longest_side: int | None
    threads: int

    def sample(self, seconds: Sequence[int], *, seek: bool) -> dict[int, SampledFrame | None]:
        """For each second the frame nearest to its middle; None where that one cannot be converted."""
        wanted = set(seconds)
        best: dict[int, Chosen] = {}
        found: dict[int, SampledFrame | None] = {}
        with open_video(self.opened, self.budget, threads=self.threads) as (container, stream):
            if seek:
                _seek(container, stream, seconds[0] + self.offset)
            for pts, frame in _decode(container, stream, self.budget):
                pts_seconds = pts - self.offset
                if pts_seconds > seconds[-1] + 1 + REORDER_SECONDS:
                    break
                second = floor(pts_seconds)
                if second not in wanted or second in found:
                    continue
                known = best.get(second)
                if known is None:
                    self._settle(best, found, before=pts_seconds - 1 - REORDER_SECONDS)
                if known is None or abs(pts_seconds - second - 0.5) < abs(known.pts_seconds - second - 0.5):
                    best[second] = Chosen(pts_seconds, frame, _pixel_aspect(stream))
            self._settle(best, found, before=float("inf"))
        return found

    def _settle(self, best: dict[int, Chosen], found: dict[int, SampledFrame | None], before: float) -> None:
        """Convert what no later frame can change, so that no more than a few large pictures are held at once."""
        for second in [second for second in best if second < before]:
            found[second] = _upright(best.pop(second), second, self.longest_side, self.budget.limits.max_pixels)


def _seek(container: InputContainer, stream: VideoStream, pts_seconds: float) -> None:
    if pts_seconds <= REORDER_SECONDS or stream.time_base is None:
        return
    try:
        container.seek(int(pts_seconds / stream.time_base), stream=stream, backward=True)
    except (av.error.FFmpegError, OSError, OverflowError):
        return  # Not seekable: it is read from where it stands.


def _decode(container: InputContainer, stream: VideoStream, budget: Budget) -> Iterator[tuple[float, VideoFrame]]:
    """Each readable frame with the decoder's own time in seconds; a damaged packet costs only itself."""
    for packet in read_packets(container, stream, budget):
        if packet is None:
            continue
        try:
            frames = packet.decode()
        except (av.error.FFmpegError, OSError, MemoryError):
            continue
        for frame in frames:
            small_enough = frame.width * frame.height <= budget.limits.max_pixels
            if frame.pts is not None and frame.time_base is not None and small_enough:
                yield float(frame.pts * frame.time_base), frame


def _upright(chosen: Chosen, second: int, longest_side: int | None, max_pixels: int) -> SampledFrame | None:
    """Square pixels, rotation undone, scaled down; None where the pixels cannot be converted."""
    frame = chosen.frame
    source_width, source_height = max(1, round(frame.width * chosen.pixel_aspect)), frame.height
    scale = min(1.0, longest_side / max(source_width, source_height)) if longest_side else 1.0
    width, height = max(1, round(source_width * scale)), max(1, round(source_height * scale))
    if width * height > max_pixels:
        return None  # Within the limit as stored, but drawn out by the pixels' shape.
    try:
        rgb = _to_rgb(frame, width, height)
    except (av.error.FFmpegError, OSError, ValueError, MemoryError):
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
