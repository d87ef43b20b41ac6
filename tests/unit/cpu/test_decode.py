"""One frame a second, its time right to half a second, whatever the recording is like: each picture carries its own time."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from shared.errors import RecordingUnreadable
from tests.media import change_resolution_midstream, corrupt, read_time, truncate, write_audio_only, write_video
from workers.cpu.decode import Sampling, sample_frames
from workers.cpu.media import recording_path
from workers.cpu.probe import probe


def sample(path: Path, seconds: list[int], **options: Any) -> Sampling:
    first = probe(path).first_pts_seconds
    return sample_frames(path, seconds, first, longest_side=options.pop("longest_side", None), **options)


def assert_times_are_right(sampling: Sampling, painted_from: float = 0.0) -> None:
    """The frame lies in its second, says so, and shows that time."""
    for frame in sampling.frames:
        ref = frame.ref
        assert ref.second <= ref.pts_seconds < ref.second + 1
        assert abs(ref.pts_seconds - ref.second - 0.5) <= 0.5
        assert read_time(frame.rgb) - painted_from == pytest.approx(ref.pts_seconds, abs=0.11)


ENCODES: dict[str, dict[str, Any]] = {
    "constant rate": {"fps": 25},
    "29.97 frames a second": {"fps": 30},
    "five frames a second": {"fps": 5},
    "one frame a second": {"fps": 1},
    "long groups": {"fps": 25, "gop": 1000},
    "b-frames": {"fps": 25, "b_frames": 3},
    "index at the front": {"fps": 10, "faststart": True},
    "as a browser writes it, without duration or index": {
        "fps": 10,
        "codec": "libvpx",
        "suffix": ".webm",
        "container_options": {"live": "1"},
    },
    "fragments": {"fps": 10, "container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "HEVC": {"fps": 10, "codec": "libx265"},
    "AVI": {"fps": 10, "codec": "mpeg4", "suffix": ".avi"},
    "VP8": {"fps": 10, "codec": "libvpx", "suffix": ".webm"},
}


@pytest.mark.parametrize("encode", ENCODES.values(), ids=ENCODES.keys())
def test_every_second_has_its_frame(encode: dict[str, Any], tmp_path: Path) -> None:
    options = dict(encode)
    path = tmp_path / f"me{options.pop('suffix', '.mp4')}"
    write_video(path, seconds=20, **options)
    sampling = sample(path, list(range(20)))
    assert [frame.ref.second for frame in sampling.frames] == list(range(20))
    assert sampling.unreadable == []
    assert_times_are_right(sampling)


@pytest.mark.parametrize("start", [3, 11, 17])
def test_a_segment_in_the_middle_gives_the_same_frames(start: int, tmp_path: Path) -> None:
    path = tmp_path / "me.mp4"
    write_video(path, seconds=20, fps=10, gop=60, b_frames=2)
    whole, part = sample(path, list(range(20))), sample(path, [start, start + 1])
    assert [f.ref for f in part.frames] == [f.ref for f in whole.frames[start : start + 2]]


def test_a_start_offset_is_subtracted(tmp_path: Path) -> None:
    path = tmp_path / "me.mp4"
    write_video(path, seconds=10, start_offset_seconds=5.0)
    assert probe(path).seconds == pytest.approx(10, abs=0.2)
    sampling = sample(path, list(range(10)))
    assert len(sampling.frames) == 10
    assert {round(read_time(f.rgb) - f.ref.pts_seconds) for f in sampling.frames} <= {0, 5}
    assert [f.ref.second for f in sampling.frames] == list(range(10))


def test_pauses_leave_seconds_without_a_frame(tmp_path: Path) -> None:
    path = tmp_path / "me.mkv"
    times = [t / 10 for t in range(30)] + [8 + t / 10 for t in range(30)]
    write_video(path, pts_seconds=times)
    sampling = sample(path, list(range(11)))
    assert [frame.ref.second for frame in sampling.frames] == [0, 1, 2, 8, 9, 10]
    assert sampling.unreadable == [3, 4, 5, 6, 7]
    assert_times_are_right(sampling)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotation_is_undone(rotation: int, tmp_path: Path) -> None:
    path = tmp_path / "me.mp4"
    write_video(path, seconds=3, size=(160, 128), rotation_degrees=rotation)
    sampling = sample(path, [0, 1, 2])
    assert_times_are_right(sampling)
    assert {(f.ref.source_width, f.ref.source_height) for f in sampling.frames} == {(160, 128)}
    assert {f.rgb.shape for f in sampling.frames} == {(128, 160, 3)}


def test_pixels_become_square(tmp_path: Path) -> None:
    path = tmp_path / "me.mp4"
    write_video(path, seconds=2, size=(160, 128), sample_aspect_ratio=Fraction(16, 9))
    frame = sample(path, [0]).frames[0]
    assert (frame.ref.source_width, frame.ref.source_height) == (284, 128)
    assert frame.rgb.shape == (128, 284, 3)


def test_frames_are_scaled_down_never_up(tmp_path: Path) -> None:
    path = tmp_path / "me.mp4"
    write_video(path, seconds=2, size=(320, 256))
    small, same = sample(path, [0], longest_side=160).frames[0], sample(path, [0], longest_side=640).frames[0]
    assert (small.ref.width, small.ref.height, small.ref.source_width) == (160, 128, 320)
    assert (same.ref.width, same.ref.height) == (320, 256)


def test_the_resolution_may_change_in_mid_stream(tmp_path: Path) -> None:
    path = change_resolution_midstream(tmp_path / "me.ts")
    n_seconds = round(probe(path).seconds)
    sampling = sample(path, list(range(n_seconds)))
    assert len({frame.rgb.shape for frame in sampling.frames}) == 2
    assert len(sampling.frames) >= n_seconds - 1


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_damage_costs_only_the_seconds_it_hits(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"me{suffix}"
    write_video(path, seconds=60, fps=10, gop=20, codec="libx264" if suffix == ".mp4" else "libvpx", size=(320, 256))
    corrupt(path, n_bytes=30, seed=5)
    sampling = sample_frames(path, list(range(60)), 0.0, longest_side=None)
    assert len(sampling.frames) >= 50
    assert sorted([f.ref.second for f in sampling.frames] + sampling.unreadable) == list(range(60))


def test_a_truncated_file_gives_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "me.mp4"
    write_video(path, seconds=60, fps=10, faststart=True)
    truncate(path)
    measured = probe(path)
    assert 10 < measured.seconds < 50, "the header promises a minute, the packets tell the truth"
    sampling = sample(path, list(range(60)))
    assert len(sampling.frames) == pytest.approx(measured.seconds, abs=2)
    assert len(sampling.frames) + len(sampling.unreadable) == 60


def _text(path: Path) -> None:
    path.write_text("this is no video\n" * 100)


def _playlist(path: Path) -> None:
    path.write_text("ffconcat version 1.0\nfile /etc/hostname\n")


def _hls(path: Path) -> None:
    path.write_text("#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:1/a.ts\n#EXT-X-ENDLIST\n")


def _cut_before_its_index(path: Path) -> None:
    write_video(path, seconds=5)
    truncate(path)


def _one_picture(path: Path) -> None:
    write_video(path, seconds=0.1, fps=10)


def _png(path: Path) -> None:
    import cv2
    import numpy as np

    path.write_bytes(cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1].tobytes())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "is no file"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"\0" * 5000), "accepted kind|cannot be opened"),
        (_text, "accepted kind|cannot be opened"),
        (_playlist, "accepted kind|cannot be opened"),
        (_hls, "accepted kind|cannot be opened"),
        (_png, "accepted kind|cannot be opened"),
        (_cut_before_its_index, "cannot be opened"),
        (write_audio_only, "holds no video"),
        (_one_picture, "still picture"),
    ],
)
def test_what_is_no_recording_is_refused_in_one_sentence(make: Callable[[Path], Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "me.mp4"
    make(path)
    with pytest.raises(RecordingUnreadable, match=said) as refusal:
        probe(path)
    assert refusal.value.message.startswith("The recording me.mp4")
    assert str(tmp_path) not in refusal.value.message


def test_no_path_leads_out_of_the_media_root(tmp_path: Path) -> None:
    root = tmp_path / "media"
    root.mkdir()
    (root / "link.mp4").symlink_to("/etc/hostname")
    assert recording_path("a/b.mp4", root) == root / "a" / "b.mp4"
    for uri in ("../secret.mp4", "/etc/hostname", "a/../../secret.mp4", "link.mp4"):
        with pytest.raises(RecordingUnreadable, match="outside the media root"):
            recording_path(uri, root)
