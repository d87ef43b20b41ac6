"""How long a recording really is: read from its packets, not from its header. Called by the plan stage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from av.container import InputContainer
from av.video.stream import VideoStream

from shared.errors import RecordingUnreadable

from .media import open_video, read_packets


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


def probe(path: Path) -> Probe:
    """Measure a recording without decoding it.

    A header may be missing (as browsers write WebM) or promise more than a truncated file holds, so that packets count; where
    there is a header, a damaged time stamp cannot lead past it.

    Raises:
        RecordingUnreadable: it cannot be opened, or holds no video or just one picture.
    """
    with open_video(path) as (container, stream):
        measured = _measure(container, stream)
        header_seconds = container.duration / 1e6 if container.duration and container.duration > 0 else None
    if measured.n_packets == 0:
        raise RecordingUnreadable(f"The recording {path.name} holds no readable picture; upload it again.")
    if measured.n_packets == 1:
        raise RecordingUnreadable(f"The recording {path.name} is a still picture; send the camera's recording.")
    if header_seconds is not None and measured.seconds > header_seconds + 1.0:
        return Probe(header_seconds, measured.first_pts_seconds, measured.n_packets, measured.n_unreadable)
    return measured


def _measure(container: InputContainer, stream: VideoStream) -> Probe:
    rate = stream.average_rate or stream.guessed_rate
    picture_seconds = float(1 / rate) if rate else 1 / 25
    first, end = float("inf"), float("-inf")
    n_packets = n_unreadable = 0
    for packet in read_packets(container, stream):
        if packet is None:
            n_unreadable += 1
            continue
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None or packet.size == 0 or packet.time_base is None:
            continue
        seconds = float(stamp * packet.time_base)
        length = float(packet.duration * packet.time_base) if packet.duration else picture_seconds
        n_packets += 1
        first, end = min(first, seconds), max(end, seconds + length)
    return Probe(end - first, first, n_packets, n_unreadable) if n_packets else Probe(0.0, 0.0, 0, n_unreadable)
