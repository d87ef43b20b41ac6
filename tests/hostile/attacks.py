"""Files and names made with intent: playlists, links, foreign names, times that no camera has. As `damage`, one file a call."""

from __future__ import annotations

import struct

from . import boxes
from .damage import EXTREMES, Case, Lot


def ffconcat(lot: Lot, case: Case) -> str:
    target = lot.choice((str(case.canary_video), f"file:{case.canary_video}", "../../outside/canary.mp4", case.canary_url))
    text = f"ffconcat version 1.0\nfile '{target}'\noption safe 0\n"
    return case.write(lot.choice(("me.mp4", "me.ffconcat", "me.webm")), text.encode())


def playlist(lot: Lot, case: Case) -> str:
    """HLS, DASH, SDP and their like, under their own and under harmless names."""
    target = lot.choice((case.canary_url, str(case.canary_video), f"file://{case.canary_video}", f"concat:{case.canary_video}"))
    hls = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:9.0,\n{target}\n#EXT-X-ENDLIST\n"
    key = hls.replace("#EXTINF", f'#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n#EXTINF')
    dash = f'<?xml version="1.0"?><MPD type="static"><BaseURL>{target}</BaseURL><Period><AdaptationSet/></Period></MPD>'
    sdp = f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video {case.canary_url.split(':')[-1].split('/')[0]} RTP/AVP 96\n"
    text, suffix = lot.choice(((hls, ".m3u8"), (key, ".m3u8"), (dash, ".mpd"), (sdp, ".sdp"), (f"RTSPtext\n{target}\n", ".rtsp")))
    return case.write("me" + lot.choice((suffix, ".mp4", ".avi")), text.encode())


def playlist_inside(lot: Lot, case: Case) -> str:
    """AVI with a subtitle track that is a playlist: FFmpeg opens such tracks with a demuxer of their own."""
    name, data = case.seed(lot, ".avi")
    gab2 = b"GAB2\0\x02\0" + struct.pack("<I", 2) + b"x\0" + struct.pack("<HI", 4, 400)
    gab2 += f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{case.canary_url}\n#EXTINF:1,\n{case.canary_video}\n".encode()
    at = data.find(b"00dc")
    return case.write(name, data[:at] + b"00tx" + struct.pack("<I", len(gab2)) + gab2 + b"\0" * (len(gab2) % 2) + data[at:])


def external_track(lot: Lot, case: Case) -> str:
    """MP4 whose track lies in another file, by QuickTime's alias."""
    data = next(bytes(path.read_bytes()) for path in case.seeds if path.name == "plain.mp4")
    target = lot.choice((str(case.canary_video), "../../outside/canary.mp4", case.canary_url))
    path = [b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"]
    return case.write("me.mov", boxes.replace_box(data, path, boxes.alias(target)))


def link_out(lot: Lot, case: Case) -> str:
    """Links out of the root: to a file, through a folder, to a device, and in a circle."""
    link = case.folder / "me.mp4"
    kind = lot.randrange(5)
    if kind == 0:
        link.symlink_to(case.canary_video)
    elif kind == 1:
        link.symlink_to(case.canary_video.parent)
        return f"{case.folder.name}/me.mp4/{case.canary_video.name}"
    elif kind == 2:
        link.symlink_to(lot.choice(("/dev/zero", "/dev/stdin", "/proc/self/mem", "/proc/self/fd/0")))
    elif kind == 3:
        link.symlink_to(link)
    else:
        link.symlink_to("../../outside/canary.mp4")
    return f"{case.folder.name}/me.mp4"


def odd_name(lot: Lot, case: Case) -> str:
    case.write("me.mp4", bytes(case.seeds[0].read_bytes()))
    inside, video = f"{case.folder.name}/me.mp4", case.canary_video
    names = [
        f"concat:{video}",
        f"subfile,,start,0,end,0,,:{video}",
        f"file://{video}",
        f"file:{video}",
        case.canary_url,
        "pipe:0",
    ]
    names += [
        case.canary_url.replace("http", "https"),
        "ftp://127.0.0.1/me.mp4",
        "s3://bucket/me.mp4",
        "data:video/mp4;base64,AAAA",
    ]
    names += [
        f"\\\\host\\share\\{inside}",
        f"//host/{inside}",
        f"{inside}\0.mp4",
        f"{inside}\n",
        "-i",
        f"{case.folder.name}/-i.mp4",
    ]
    names += [
        str(video),
        f"../outside/{video.name}",
        f"{case.folder.name}/../../outside/{video.name}",
        "a" * 5000,
        "/",
        ".",
        "..",
        "",
    ]
    names += [
        f"async:{video}",
        f"crypto:{video}",
        f"cache:{video}",
        "fd:3",
        "tee:a|b",
        "x/" * 2000,
        "\udcff.mp4",
        f"./{inside}",
        inside + "/",
    ]
    return lot.choice(names)


def absurd_times(lot: Lot, case: Case) -> str:
    """Stamps, rates and durations that no camera has."""
    if lot.random() < 0.4:
        stamps = sorted(lot.choice(EXTREMES) + lot.randrange(9) for _ in range(lot.choice((2, 40))))
        return case.write("me.flv", boxes.flv_h264([(160, 128)], stamps if lot.random() < 0.5 else stamps[::-1]))
    name, data = case.seed(lot, ".mp4", ".mov", ".flv", ".ts")
    for kind in (b"mvhd", b"mdhd"):
        at = data.find(kind) + 16
        if at > 16:
            data[at : at + 8] = struct.pack(">II", lot.choice(EXTREMES), lot.choice(EXTREMES))
    at = data.find(b"stts")
    if at > 0:
        data[at + 8 : at + 16] = struct.pack(">II", lot.choice((1, 30, 0x00FFFFFF)), lot.choice(EXTREMES))
    else:
        for _ in range(20):
            data[lot.randrange(13, len(data))] = 0xFF
    return case.write(name, data)


def no_video(lot: Lot, case: Case) -> str:
    sound = next(path for path in case.seeds if path.name == "sound.mp4").read_bytes()
    contents = [b"", b"no video\n" * 99, sound, bytes(5000), lot.randbytes(20_000), b"<html><body>", b"#!/bin/sh\ntouch canary\n"]
    contents += [
        b"%PDF-1.7\n",
        b"\x7fELF" + bytes(500),
        b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(99),
        b"RIFF\xff\xff\xff\xffAVI LIST",
        b"\0",
    ]
    contents += [
        b"\x1a\x45\xdf\xa3",
        boxes.box(b"ftyp", b"isom\0\0\0\0"),
        b"FLV\1\5\0\0\0\x09",
        b"G" + bytes(187) + b"G",
        b"OggS" + bytes(50),
    ]
    if lot.random() < 0.1:
        (case.folder / "me.mp4").mkdir()
        return f"{case.folder.name}/me.mp4"
    return case.write("me.mp4", lot.choice(contents))


ATTACKS = [
    (ffconcat, 4),
    (playlist, 6),
    (playlist_inside, 2),
    (external_track, 2),
    (link_out, 4),
    (odd_name, 8),
    (absurd_times, 8),
    (no_video, 6),
]
