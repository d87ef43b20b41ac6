"""Opening a recording with PyAV, hardened: whitelisted protocols, containers and codecs. Used by probe and decode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from shared.errors import RecordingUnreadable

# Playlists (ffconcat, HLS) and picture formats are missing on purpose: the first read other files, the second are no recordings.
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg"
MAX_FAILURES_IN_A_ROW = 50
PICTURE_CODECS = {"png", "bmp", "gif", "tiff", "webp", "jpeg2000", "jpegls", "jpegxl"}


@contextmanager
def open_video(path: Path, *, threads: int = 1) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The opened file and its first video stream.

    Raises:
        RecordingUnreadable: missing, empty, no media file, of a kind that is not accepted, or without video.
    """
    name = path.name
    try:
        if not path.is_file():
            raise RecordingUnreadable(f"The recording {name} does not exist or is no file; check its path.")
        if path.stat().st_size == 0:
            raise RecordingUnreadable(f"The recording {name} is empty; upload it again.")
        container = av.open(
            str(path.resolve()),
            mode="r",
            options={"format_whitelist": FORMATS, "protocol_whitelist": "file"},
            metadata_errors="ignore",
        )
    except av.error.ArgumentError as error:
        raise RecordingUnreadable(
            f"The recording {name} is no video of an accepted kind; send the camera's recording."
        ) from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise RecordingUnreadable(
            f"The recording {name} cannot be opened: {describe_fault(error)}; check that it is a whole video file."
        ) from error
    with container:
        videos = [s for s in container.streams.video if s.codec_context is not None and not _is_picture(s)]
        if not videos:
            raise RecordingUnreadable(
                f"The recording {name} holds no video, only sound or a picture; send the camera's recording."
            )
        stream = videos[0]
        stream.codec_context.thread_count = threads
        stream.codec_context.thread_type = "AUTO"
        yield container, stream


def read_packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream] | None]:
    """The stream's packets to the end; None stands for a place that could not be read, after which reading goes on."""
    failures = 0
    while failures < MAX_FAILURES_IN_A_ROW:
        try:
            # A generator that raised is finished, hence a new one after each failure.
            for packet in container.demux(stream):
                failures = 0
                yield packet
        except (av.error.FFmpegError, OSError):
            failures += 1
            yield None
        else:
            return


def _is_picture(stream: VideoStream) -> bool:
    attached = bool(getattr(stream.disposition, "value", 0) & 0x400)  # a cover picture of a sound file
    return attached or stream.codec_context.name in PICTURE_CODECS


def describe_fault(error: BaseException) -> str:
    """FFmpeg's words without its numbers and paths."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")


def recording_path(uri: str, media_root: Path) -> Path:
    """Where a recording lies.

    Raises:
        RecordingUnreadable: the path, its links followed, leads out of the media root.
    """
    root = media_root.resolve()
    path = (root / uri).resolve()
    if not path.is_relative_to(root):
        raise RecordingUnreadable(f"The recording {path.name} lies outside the media root; give a path below it.")
    return path
