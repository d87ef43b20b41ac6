"""More than fits: giant pictures, bombs, files without an end, thousands of tracks. As `damage`, one file a call."""

from __future__ import annotations

import gzip
import io
import os
import socket
import struct
import threading
import zipfile
import zlib
from fractions import Fraction
from pathlib import Path
from time import monotonic

import av

from . import boxes
from .damage import Case, Lot

TERABYTE = 1 << 40


def giant_picture(lot: Lot, case: Case) -> str:
    """30,000x30,000 in a PNG's header, in H.264's of three containers, in MJPEG's and VP8's."""
    side, stamps = boxes.HUGE_SIDE // 16 * 16, [40 * count for count in range(5)]
    kind = lot.randrange(7)
    if kind == 0:
        head = struct.pack(">IIBBBBB", boxes.HUGE_SIDE, boxes.HUGE_SIDE, 8, 2, 0, 0, 0)
        png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
        return case.write("me.mp4", png + struct.pack(">I", 9) + b"IDAT" + zlib.compress(b"") * 9)
    if kind == 1:
        return case.write("me.flv", boxes.flv_h264([(side, side)], stamps))
    if kind == 2:
        return case.write(
            "me.flv", boxes.flv_h264(lot.sample([(160, 128), (side, side), (16_000, 16_000), (8192, 4096)], 3), stamps)
        )
    if kind == 3:
        return _giant_transport(case, lot.choice((side, 16_000)))
    name, data = case.seed(lot, *((".avi",) if kind == 4 else (".webm",) if kind == 5 else (".mp4", ".mkv", ".flv")))
    wide = {4: b"\xff\xc0\x00\x11\x08", 5: b"\x9d\x01\x2a"}.get(kind)
    if wide:
        size = struct.pack(">HH", 30_000, 30_000) if kind == 4 else struct.pack("<HH", 16_383, 16_383)
        parts = data.split(wide)
        data = bytearray(wide.join([parts[0]] + [size + part[4:] for part in parts[1:]]))
    else:
        data = data.replace(struct.pack(">HH", 160, 128), struct.pack(">HH", 30_000, 30_000))
    return case.write(name, data)


def _giant_transport(case: Case, side: int) -> str:
    path = case.folder / "me.ts"
    with av.open(str(path), "w", format="mpegts") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        for count in range(60):
            packet = av.Packet(boxes.annex_b(side, side))
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, 40 * count, 40 * count, Fraction(1, 1000)
            packet.is_keyframe = True
            container.mux(packet)
    return f"{case.folder.name}/me.ts"


def endless(lot: Lot, case: Case) -> str:
    """A sparse terabyte after a good beginning, a pipe that nobody writes, a socket."""
    name, data = case.seed(lot)
    path = case.folder / name
    kind = lot.randrange(3)
    if kind == 0:
        path.write_bytes(data)
        os.truncate(path, TERABYTE)
    elif kind == 1:
        os.mkfifo(path)
    else:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    return f"{case.folder.name}/{name}"


def growing(lot: Lot, case: Case) -> str:
    """A file that somebody goes on writing while it is read."""
    name, data = case.seed(lot, ".ts", ".flv")
    path = case.folder / name
    path.write_bytes(data)
    writer = threading.Thread(target=_append, args=(path, bytes(data)), daemon=True)
    case.threads.append(writer)
    writer.start()
    return f"{case.folder.name}/{name}"


def _append(path: Path, data: bytes) -> None:
    ends_at = monotonic() + 1.0
    with path.open("ab") as file:
        while monotonic() < ends_at:
            file.write(data)
            file.flush()


def sparse_middle(lot: Lot, case: Case) -> str:
    """Within the allowed size, but nearly all of it a hole."""
    name, data = case.seed(lot)
    path = case.folder / name
    path.write_bytes(data)
    os.truncate(path, lot.choice((1 << 20, 64 << 20)))
    with path.open("ab") as file:
        file.write(data)
    return f"{case.folder.name}/{name}"


def bomb(lot: Lot, case: Case) -> str:
    """Much in little: zip, gzip, GIF, and the two that a video container may hold, a packed index and packed blocks."""
    zeros = bytes(10 << 20)
    kind = lot.randrange(5)
    if kind == 0:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("me.mp4", zeros)
        return case.write("me.mp4", packed.getvalue())
    if kind == 1:
        return case.write("me.mp4", gzip.compress(zeros))
    if kind == 2:
        gif = b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0x80, 0, 0) + bytes(6)
        frame = b"," + struct.pack("<HHHHB", 0, 0, 65_535, 65_535, 0) + b"\x02\x02\x4c\x01\0"
        return case.write(lot.choice(("me.gif", "me.mp4")), gif + frame * 2000 + b";")
    if kind == 3:
        index = struct.pack(">I", lot.choice((len(zeros), 0x7FFFFFF0))) + zlib.compress(zeros)
        packed_index = boxes.box(b"cmov", boxes.box(b"dcom", b"zlib") + boxes.box(b"cmvd", index))
        return case.write(
            "me.mov", boxes.box(b"ftyp", b"qt  \0\0\0\0") + boxes.box(b"moov", packed_index) + boxes.box(b"mdat", b"")
        )
    return case.write("me.mkv", boxes.matroska_bomb(lot.choice((20, 300)), zlib.compress(zeros[: 9 << 20])))


def many_tracks(lot: Lot, case: Case) -> str:
    """Thousands of tracks, or boxes in boxes in boxes."""
    data = next(bytes(path.read_bytes()) for path in case.seeds if path.name == "plain.mp4")
    if lot.random() < 0.5:
        nested = b""
        for _ in range(lot.choice((500, 4000))):
            nested = boxes.box(lot.choice((b"moov", b"trak", b"udta")), nested)
        return case.write("me.mp4", boxes.find_box(data, b"ftyp") + nested)
    moov = boxes.find_box(data, b"moov")
    return case.write(
        "me.mp4", data.replace(moov, boxes.box(b"moov", moov[8:] + boxes.find_box(moov, b"trak") * lot.choice((40, 3000))))
    )


GIANTS = [
    (giant_picture, 6),
    (endless, 3),
    (growing, 1),
    (sparse_middle, 1),
    (bomb, 4),
    (many_tracks, 2),
]
