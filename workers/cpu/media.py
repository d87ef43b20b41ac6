"""Opening a recording with PyAV, hardened: one open descriptor, whitelisted containers and codecs. Used by probe and decode."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from shared.errors import RecordingUnreadable

from .limits import Budget, MediaLimits, give_back_memory, hard_stop

# Playlists (ffconcat, HLS) and picture formats are missing on purpose: the first read other files, the second are no recordings.
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg"
# FFmpeg's names of the decoders that cameras, browsers and recorders need; no sound, no pictures, none of the game formats.
CODECS = (
    "h264,hevc,vp8,vp9,libdav1d,av1,mpeg4,mjpeg,h263,h263p,flv,mpeg1video,mpeg2video,theora,"
    "msmpeg4v1,msmpeg4v2,msmpeg4,wmv1,wmv2,wmv3,vc1"
)
MAX_FAILURES_IN_A_ROW = 50
MAX_STREAMS = 32


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A recording that is open already: what its name, its links or its host do from now on changes nothing.

    `name` for messages; `version` tells one content from another (bytes and time of change in ns, or what a host said).
    """

    name: str
    descriptor: int
    n_bytes: int
    version: tuple[int, int]


def opened_file(descriptor: int, name: str) -> OpenedFile:
    """Describe an open descriptor.

    Raises:
        RecordingUnreadable: a folder, pipe, socket or device; these may never end, or answer.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise RecordingUnreadable(f"The recording {name} does not exist or is no file; check its path.")
    return OpenedFile(name, descriptor, status.st_size, (status.st_size, status.st_mtime_ns))


@contextmanager
def open_file(path: Path) -> Iterator[OpenedFile]:
    """A file that the caller trusts to lie where it may (`sources.open_recording` is for those that come from outside)."""
    try:
        if not path.is_file():  # Asked first, as opening a device may do things.
            raise RecordingUnreadable(f"The recording {path.name} does not exist or is no file; check its path.")
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise RecordingUnreadable(
            f"The recording {path.name} cannot be opened: {describe_fault(error)}; check that it is a whole video file."
        ) from error
    try:
        yield opened_file(descriptor, path.name)
    finally:
        os.close(descriptor)


@contextmanager
def within_limits(media: Path | OpenedFile, limits: MediaLimits) -> Iterator[tuple[OpenedFile, Budget]]:
    """The open file and the budget of one call on it, with the last resort against a decoder that hangs."""
    if isinstance(media, Path):
        with open_file(media) as opened, within_limits(opened, limits) as found:
            yield found
        return
    budget = Budget(limits, media.name)
    if media.n_bytes == 0:
        raise RecordingUnreadable(f"The recording {media.name} is empty; upload it again.")
    budget.check_size(media.n_bytes)
    try:
        with hard_stop(limits):
            yield media, budget
    finally:
        give_back_memory()


@contextmanager
def open_video(media: OpenedFile, budget: Budget, *, threads: int = 1) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The opened container and its first video stream.

    Raises:
        RecordingUnreadable: no media file, of a kind that is not accepted, without video, or of too large pictures.
    """
    name, limits = media.name, budget.limits
    pixels = {"max_pixels": str(limits.max_pixels)}
    options = {
        # FFmpeg gets no path at all and knows no protocol but this one: whatever a file names, nothing else can be opened.
        "protocol_whitelist": "fd",
        "fd": str(media.descriptor),
        "format_whitelist": FORMATS,
        "codec_whitelist": CODECS,
        "max_streams": str(MAX_STREAMS),
    }
    try:
        os.lseek(media.descriptor, 0, os.SEEK_SET)
        timeout = (limits.max_open_seconds, limits.max_open_seconds)
        container = av.open("fd:", mode="r", options=options | pixels, metadata_errors="ignore", timeout=timeout)
    except av.error.ArgumentError as error:
        raise RecordingUnreadable(
            f"The recording {name} is no video of an accepted kind; send the camera's recording."
        ) from error
    except (av.error.FFmpegError, OSError, ValueError, MemoryError) as error:
        raise RecordingUnreadable(
            f"The recording {name} cannot be opened: {describe_fault(error)}; check that it is a whole video file."
        ) from error
    with container:
        stream = _camera_stream(container, name)
        context = stream.codec_context
        budget.check_pixels(context.width, context.height)
        context.options = pixels
        context.thread_count = threads
        context.thread_type = "AUTO"
        yield container, stream


def _camera_stream(container: InputContainer, name: str) -> VideoStream:
    videos = [s for s in container.streams.video if s.codec_context is not None and not _is_cover(s)]
    if not videos:
        raise RecordingUnreadable(f"The recording {name} holds no video, only sound or a picture; send the camera's recording.")
    accepted = [s for s in videos if s.codec_context.name in CODECS.split(",")]
    if not accepted:
        raise RecordingUnreadable(
            f"The recording {name} holds no video of an accepted codec but {videos[0].codec_context.name}; send H.264 or VP8."
        )
    return accepted[0]


def read_packets(container: InputContainer, stream: VideoStream, budget: Budget) -> Iterator[Packet[VideoStream] | None]:
    """The stream's packets to the end; None stands for a place that could not be read, after which reading goes on.

    Raises:
        RecordingUnreadable: the budget is spent.
    """
    failures = 0
    while failures < MAX_FAILURES_IN_A_ROW:
        try:
            # A generator that raised is finished, hence a new one after each failure. All streams are read, so that a
            # recording of endless sound comes by here too.
            for packet in container.demux():
                budget.spend(packet.size)
                failures = 0
                # Not packet.stream_index: that is 0 in each of the empty packets that end the streams.
                if packet.stream.index == stream.index:
                    yield cast("Packet[VideoStream]", packet)
        except av.error.ExitError as error:
            raise RecordingUnreadable(
                f"The recording {budget.name} gave nothing for {budget.limits.max_open_seconds:g} s; check its disk."
            ) from error
        except IndexError:
            return  # PyAV at the end of a file whose streams became more on the way; ours has ended before.
        except (av.error.FFmpegError, OSError, MemoryError):
            failures += 1
            budget.spend(0)
            yield None
        else:
            return


def _is_cover(stream: VideoStream) -> bool:
    return bool(getattr(stream.disposition, "value", 0) & 0x400)  # the picture that comes with a sound file


def describe_fault(error: BaseException) -> str:
    """FFmpeg's words without its numbers and paths."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")


def recording_path(uri: str, media_root: Path) -> Path:
    """Where a recording lies.

    Raises:
        RecordingUnreadable: the path, its links followed, leads out of the media root.
    """
    try:
        root = media_root.resolve()
        path = (root / uri).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a loop of links, a name too long
        raise RecordingUnreadable(f"The recording's path cannot be followed: {describe_fault(error)}; check it.") from error
    if not path.is_relative_to(root):
        raise RecordingUnreadable(f"The recording {path.name} lies outside the media root; give a path below it.")
    return path
