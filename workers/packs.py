"""Pictures of a segment as one object: frames as a zip of JPEGs, face crops as an npz. Written and read by the rooms' doors."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.errors import StoreError
from shared.frame import FrameRef

Picture = NDArray[np.uint8]
_INDEX = "frames.json"


@dataclass(frozen=True, slots=True)
class SampledFrame:
    """A frame's name and its picture, uint8 (height, width, 3) in RGB."""

    ref: FrameRef
    rgb: Picture


@dataclass(frozen=True, slots=True)
class CropPack:
    """A segment's faces: `crops` uint8 (n, 64, 64), `quality` float32 (n,) in 0..1, `thumbnails` uint8 (n, side, side) in grey."""

    crops: Picture
    quality: NDArray[np.float32]
    thumbnails: Picture


def pack_frames(frames: Iterable[SampledFrame], unreadable: Sequence[int], *, jpeg_quality: int) -> bytes:
    """Frames as a zip of JPEGs (stored, as they do not shrink) with an index; `unreadable` are seconds without a frame."""
    buffer = io.BytesIO()
    refs: list[dict[str, object]] = []
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for frame in frames:
            written, jpeg = cv2.imencode(
                ".jpg", cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality]
            )
            if not written:
                raise StoreError(f"The frame of second {frame.ref.second} could not be written as JPEG.")
            archive.writestr(_name(frame.ref), jpeg.tobytes())
            refs.append(frame.ref.model_dump())
        archive.writestr(_INDEX, json.dumps({"frames": refs, "unreadable": list(unreadable)}))
    return buffer.getvalue()


def read_index(data: bytes) -> tuple[list[FrameRef], list[int]]:
    """The frames' names and the seconds without a frame."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        index = json.loads(archive.read(_INDEX))
    return [FrameRef.model_validate(ref) for ref in index["frames"]], [int(s) for s in index["unreadable"]]


def unpack_frames(data: bytes, refs: Sequence[FrameRef]) -> list[Picture]:
    """The pictures of these frames, each uint8 (height, width, 3) in RGB."""
    pictures = []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for ref in refs:
            jpeg = np.frombuffer(archive.read(_name(ref)), dtype=np.uint8)
            pictures.append(cv2.cvtColor(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB))
    return pictures


def _name(ref: FrameRef) -> str:
    return f"{ref.second:06d}.jpg"


def pack_crops(crops: CropPack) -> bytes:
    """Face crops and what was measured on them as one npz."""
    buffer = io.BytesIO()
    np.savez(buffer, crops=crops.crops, quality=crops.quality, thumbnails=crops.thumbnails)
    return buffer.getvalue()


def unpack_crops(data: bytes) -> CropPack:
    """The inverse of `pack_crops`."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return CropPack(arrays["crops"], arrays["quality"], arrays["thumbnails"])
