"""Mutations of good files: each takes the lot, the case and leaves one file in its folder, whose URI it returns."""

from __future__ import annotations

import random
import struct
import threading
from dataclasses import dataclass, field
from pathlib import Path

from . import boxes

Lot = random.Random
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFE)
MP4_FIELDS = [
    b"mvhd",
    b"tkhd",
    b"mdhd",
    b"stts",
    b"ctts",
    b"stsz",
    b"stsc",
    b"stco",
    b"stss",
    b"elst",
    b"stsd",
    b"avcC",
    b"trun",
    b"tfhd",
]
MP4_FIELDS += [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mdat", b"ftyp", b"hdlr", b"avc1", b"colr", b"pasp"]


@dataclass
class Case:
    """What a mutation may use: its folder below the media root, good files, and the canaries that nothing may touch."""

    folder: Path
    seeds: list[Path]
    clips: list[Path]
    canary_video: Path
    canary_url: str
    threads: list[threading.Thread] = field(default_factory=list)
    cleanup: list[Path] = field(default_factory=list)

    def write(self, name: str, content: bytes | bytearray) -> str:
        (self.folder / name).write_bytes(content)
        return f"{self.folder.name}/{name}"

    def seed(self, lot: Lot, *suffixes: str) -> tuple[str, bytearray]:
        """A good file's name and bytes; one of these kinds if any are given."""
        fitting = [path for path in self.seeds if not suffixes or path.suffix in suffixes]
        if self.clips and not suffixes and lot.random() < 0.03:
            fitting = self.clips
        path = lot.choice(fitting)
        return path.name, bytearray(path.read_bytes())


def bit_flips(lot: Lot, case: Case) -> str:
    name, data = case.seed(lot)
    for _ in range(lot.choice((1, 3, 10, 50, 200))):
        data[lot.randrange(len(data))] ^= 1 << lot.randrange(8)
    return case.write(name, data)


def header_flips(lot: Lot, case: Case) -> str:
    name, data = case.seed(lot)
    span = min(1500, len(data))
    start = lot.choice((0, len(data) - span))  # an MP4's index stands at the end
    for _ in range(lot.choice((1, 2, 5, 20))):
        data[start + lot.randrange(span)] = lot.randrange(256)
    return case.write(name, data)


def truncated(lot: Lot, case: Case) -> str:
    name, data = case.seed(lot)
    return case.write(name, data[: int(len(data) * lot.random())])


def overwritten(lot: Lot, case: Case) -> str:
    name, data = case.seed(lot)
    start, length = lot.randrange(len(data)), lot.choice((4, 64, 1000))
    data[start : start + length] = lot.choice((bytes(length), b"\xff" * length, lot.randbytes(length)))
    return case.write(name, data)


def spliced_headers(lot: Lot, case: Case) -> str:
    (name, head), (_, body) = case.seed(lot), case.seed(lot)
    cut = lot.choice((12, 64, 400, 1200, len(head) // 2))
    return case.write(name, head[:cut] + body[lot.choice((0, cut, len(body) // 2)) :])


def wrong_extension(lot: Lot, case: Case) -> str:
    _, data = case.seed(lot)
    return case.write("me" + lot.choice((".mp4", ".webm", ".txt", ".jpg", ".m3u8", ".ffconcat", ".exe", "", ".mp4.")), data)


def mp4_fields(lot: Lot, case: Case) -> str:
    """Sizes, counts, rates and durations of MP4 boxes at their extremes."""
    name, data = case.seed(lot, ".mp4", ".mov")
    for _ in range(lot.choice((1, 1, 2, 4))):
        places = [place for kind in lot.sample(MP4_FIELDS, 6) if (place := data.find(kind)) >= 0]
        if places:
            at = lot.choice(places) + lot.choice((-4, 4, 8, 12, 16, 20, 24, 28))
            data[at : at + 4] = struct.pack(">I", lot.choice(EXTREMES))
    return case.write(name, data)


def ebml_fields(lot: Lot, case: Case) -> str:
    """Time scales, durations, sizes and picture sizes of Matroska at their extremes."""
    name, data = case.seed(lot, ".mkv", ".webm")
    for identity in lot.sample(["2ad7b1", "4489", "23e383", "b0", "ba", "e7", "a3", "d7", "86", "63a2", "54b0"], 3):
        place = data.find(bytes.fromhex(identity))
        if place >= 0:
            at = place + len(identity) // 2
            width = (data[at] & 0x0F) or 4
            data[at + lot.choice((0, 1)) : at + 1 + width] = lot.choice((b"\xff" * width, bytes(width), lot.randbytes(width)))
    return case.write(name, data)


def avi_fields(lot: Lot, case: Case) -> str:
    """Frame rates, lengths and chunk sizes of AVI."""
    name, data = case.seed(lot, ".avi")
    at = data.find(lot.choice((b"avih", b"strh", b"strf", b"idx1", b"movi", b"00dc"))) + lot.choice(
        (4, 8, 20, 24, 28, 32, 36, 40)
    )
    data[at : at + 4] = struct.pack("<I", lot.choice(EXTREMES))
    return case.write(name, data)


def transport_packets(lot: Lot, case: Case) -> str:
    """MPEG-TS packets out of order, doubled, dropped, or with wild clocks."""
    name, data = case.seed(lot, ".ts")
    packets = [bytes(data[at : at + 188]) for at in range(0, len(data), 188)]
    for _ in range(lot.choice((2, 10, 40))):
        i, j = lot.randrange(len(packets)), lot.randrange(len(packets))
        packets[i], packets[j] = lot.choice(
            ((packets[j], packets[i]), (packets[j], packets[j]), (lot.randbytes(188), packets[j]))
        )
    return case.write(name, b"".join(packets))


def repeated(lot: Lot, case: Case) -> str:
    name, data = case.seed(lot)
    return case.write(name, data + data[lot.randrange(len(data)) :] * lot.choice((1, 20)))


def midstream_change(lot: Lot, case: Case) -> str:
    """Codec, size and rate change within one stream: parts of transport streams one after the other."""
    parts = [case.seed(lot, ".ts")[1] for _ in range(lot.choice((2, 5, 12)))]
    return case.write("me.ts", b"".join(bytes(part[: 188 * lot.randrange(1, len(part) // 188 + 1)]) for part in parts))


def changing_headers(lot: Lot, case: Case) -> str:
    """FLV that announces another picture size before each picture."""
    sizes = [(16 * lot.randrange(1, 200), 16 * lot.randrange(1, 200)) for _ in range(lot.choice((3, 30)))]
    stamps = [lot.choice((40 * index, lot.randrange(1 << 31), 0)) for index in range(len(sizes) + 5)]
    return case.write("me.flv", boxes.flv_h264(sizes, stamps))


DAMAGES = [
    (bit_flips, 12),
    (header_flips, 12),
    (truncated, 10),
    (overwritten, 8),
    (spliced_headers, 8),
    (wrong_extension, 4),
    (mp4_fields, 12),
    (ebml_fields, 8),
    (avi_fields, 5),
    (transport_packets, 6),
    (repeated, 3),
    (midstream_change, 4),
    (changing_headers, 3),
]
