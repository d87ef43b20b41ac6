"""How long a recording really is: read from its packets, not from its header. Called by the plan stage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from av.container import InputContainer
from av.video.stream import VideoStream

from shared.errors import RecordingUnreadable

from .limits import DEFAULT_LIMITS, Budget, MediaLimits
from .media import OpenedFile, open_video, read_packets, within_limits

# Browsers and MPEG-TS count from odd beginnings, but no camera's clock says more than ten years: such a stamp is damage.
LATEST_SECONDS = 10 * 365 * 86_400.0


@dataclass(frozen=True, slots=True)
class Probe:
    """What the packets tell.

    `seconds` from the first picture to the end of the last one, `first_pts_seconds` the decoder's time of the first one, which
    need not be 0, and how many places could not be read.
    """

    seconds: float
    first_pts_seconds: float
    n_packets: int
    n_unreadable: int


def probe(media: Path | OpenedFile, limits: MediaLimits = DEFAULT_LIMITS) -> Probe:
    """Measure a recording without decoding it.

    A header may be missing (as browsers write WebM) or promise more than a truncated file holds, so that packets count; where
    there is a header, a damaged time stamp cannot lead past it.

    Raises:
        RecordingUnreadable: it cannot be opened, holds no video or just one picture, or more than `limits` allow.
    """
    with within_limits(media, limits) as (opened, budget), open_video(opened, budget) as (container, stream):
        measured = _measure(container, stream, budget)
        header_seconds = container.duration / 1e6 if container.duration and container.duration > 0 else None
    if measured.n_packets == 0:
        raise RecordingUnreadable(f"The recording {opened.name} holds no readable picture; upload it again.")
    if measured.n_packets == 1 or measured.seconds <= 0:
        raise RecordingUnreadable(f"The recording {opened.name} is a still picture; send the camera's recording.")
    if header_seconds is not None and measured.seconds > header_seconds + 1.0:
        measured = replace(measured, seconds=header_seconds)
    if measured.seconds > limits.max_seconds:
        raise RecordingUnreadable(
            f"The recording {opened.name} spans {measured.seconds:.0f} s, more than {limits.max_seconds:.0f}; split it."
        )
    return measured


def _measure(container: InputContainer, stream: VideoStream, budget: Budget) -> Probe:
    rate = stream.average_rate or stream.guessed_rate
    picture_seconds = float(1 / rate) if rate else 1 / 25
    first, end = float("inf"), float("-inf")
    n_packets = n_unreadable = 0
    for packet in read_packets(container, stream, budget):
        if packet is None:
            n_unreadable += 1
            continue
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None or packet.size == 0 or packet.time_base is None:
            continue
        seconds = float(stamp * packet.time_base)
        if abs(seconds) > LATEST_SECONDS:
            n_unreadable += 1
            continue
        length = float(packet.duration * packet.time_base) if packet.duration else picture_seconds
        n_packets += 1
        first, end = min(first, seconds), max(end, seconds + length)
    return Probe(end - first, first, n_packets, n_unreadable) if n_packets else Probe(0.0, 0.0, 0, n_unreadable)
