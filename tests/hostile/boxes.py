"""Bytes of containers written and rewritten by hand: what no muxer would write. Used by the mutations."""

from __future__ import annotations

import struct

HUGE_SIDE = 30_000


def box(kind: bytes, content: bytes) -> bytes:
    """One box of an MP4 file."""
    return struct.pack(">I", len(content) + 8) + kind + content


def replace_box(data: bytes, path: list[bytes], make: bytes) -> bytes:
    """The boxes with the first one under this path replaced, all sizes above it put right."""
    place = 0
    while place + 8 <= len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        if size < 8 or place + size > len(data):
            break
        if data[place + 4 : place + 8] == path[0]:
            content = data[place + 8 : place + size]
            new = make if len(path) == 1 else box(path[0], replace_box(content, path[1:], make))
            return data[:place] + new + data[place + size :]
        place += size
    return data


def find_box(data: bytes, kind: bytes) -> bytes:
    """The whole first box of this kind, wherever it stands; empty where there is none."""
    place = data.find(kind) - 4
    return data[place : place + int.from_bytes(data[place : place + 4], "big")] if place >= 0 else b""


def alias(target: str) -> bytes:
    """A `dref` whose only entry, a Macintosh alias, names another file (QuickTime's external reference)."""
    name = target.encode()
    record = bytes(10) + bytes([1]) + b"v".ljust(27, b"\0") + bytes(12) + bytes([5]) + b"c.mp4".ljust(63, b"\0") + bytes(16)
    record += struct.pack(">hh", 1, 1) + bytes(16) + struct.pack(">hH", 2, len(name)) + name + bytes(len(name) % 2)
    record += struct.pack(">hH", 18, len(name)) + name + bytes(len(name) % 2) + struct.pack(">hH", -1, 0)
    return box(b"dref", struct.pack(">II", 0, 1) + box(b"alis", bytes(4) + record))


class Bits:
    """Writes H.264's numbers: fixed widths and exponential Golomb codes."""

    def __init__(self) -> None:
        self.text = ""

    def fixed(self, value: int, width: int) -> Bits:
        self.text += f"{value:0{width}b}"
        return self

    def golomb(self, *values: int) -> Bits:
        for value in values:
            digits = f"{value + 1:b}"
            self.text += "0" * (len(digits) - 1) + digits
        return self

    def done(self) -> bytes:
        text = self.text + "1"
        text += "0" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def sps(width: int, height: int, reference_frames: int = 16) -> bytes:
    """A baseline sequence header of any size, in whole macroblocks."""
    bits = Bits().fixed(66, 8).fixed(0, 8).fixed(62, 8).golomb(0, 0, 2, reference_frames).fixed(0, 1)
    bits.golomb(width // 16 - 1, height // 16 - 1).fixed(1, 1).fixed(1, 1).fixed(0, 1).fixed(0, 1)
    return b"\x67" + bits.done()


def pps() -> bytes:
    bits = Bits().golomb(0, 0).fixed(0, 2).golomb(0, 0, 0).fixed(0, 3).golomb(0, 0, 0).fixed(0, 3)
    return b"\x68" + bits.done()


def idr_slice() -> bytes:
    """The start of a picture: enough for a decoder to make room for all of it."""
    return b"\x65" + Bits().golomb(0, 7, 0).fixed(0, 4).golomb(0).fixed(0, 2).golomb(0).done() + b"\x55" * 40


def flv_h264(sizes: list[tuple[int, int]], stamps_ms: list[int]) -> bytes:
    """FLV whose sequence header changes to each of the sizes in turn, a picture at each of the times."""
    out = b"FLV\x01\x01\0\0\0\x09\0\0\0\0"
    for index, stamp in enumerate(stamps_ms):
        if index < len(sizes):
            head = sps(*sizes[index])
            record = bytes([1, *head[1:4], 0xFF, 0xE1]) + struct.pack(">H", len(head)) + head
            out += flv_tag(b"\x17\0\0\0\0" + record + b"\x01" + struct.pack(">H", len(pps())) + pps(), stamp)
        picture = idr_slice()
        out += flv_tag(b"\x17\x01\0\0\0" + struct.pack(">I", len(picture)) + picture, stamp)
    return out


def flv_tag(content: bytes, stamp_ms: int) -> bytes:
    """One tag of pictures; the content begins with its kind and codec."""
    stamp = struct.pack(">I", stamp_ms & 0xFFFFFFFF)
    return (
        b"\x09"
        + struct.pack(">I", len(content))[1:]
        + stamp[1:]
        + stamp[:1]
        + bytes(3)
        + content
        + struct.pack(">I", len(content) + 11)
    )


def annex_b(width: int, height: int) -> bytes:
    start = b"\0\0\0\1"
    return b"".join(start + unit for unit in (sps(width, height), pps(), idr_slice()))


def ebml(identity: str, content: bytes) -> bytes:
    """One element of Matroska."""
    return bytes.fromhex(identity) + struct.pack(">Q", len(content) | 1 << 56) + content


def matroska_bomb(n_blocks: int, packed: bytes) -> bytes:
    """Matroska whose blocks are `packed` by zlib, a small one for very much."""
    head = ebml("1A45DFA3", ebml("4282", b"matroska") + ebml("4287", b"\4") + ebml("4285", b"\2"))
    compression = ebml("5034", ebml("4254", b"\0"))
    fields = ebml("5031", b"\0") + ebml("5032", b"\1") + ebml("5033", b"\0") + compression
    encoding = ebml("6D80", ebml("6240", fields))
    video = ebml("E0", ebml("B0", b"\0\xa0") + ebml("BA", b"\0\x80"))
    track = ebml(
        "AE", ebml("D7", b"\1") + ebml("73C5", b"\1") + ebml("83", b"\1") + ebml("86", b"V_MPEG4/ISO/ASP") + video + encoding
    )
    info = ebml("1549A966", ebml("2AD7B1", b"\x0f\x42\x40"))
    blocks = b"".join(ebml("A3", b"\x81" + struct.pack(">h", count * 40) + b"\x80" + packed) for count in range(n_blocks))
    return head + ebml("18538067", info + ebml("1654AE6B", track) + ebml("1F43B675", ebml("E7", b"\0") + blocks))
