"""The synthetic recordings are what they claim to be: otherwise the pipeline's tests would prove nothing."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import pytest

from tests import media


def decode(path: Path) -> list[tuple[float, np.ndarray[Any, Any]]]:
    """(time, RGB picture) of each frame, turned upright as the file says."""
    with av.open(str(path)) as container:
        return [
            (float(frame.time or 0), np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90))
            for frame in container.decode(video=0)
        ]


@pytest.mark.parametrize("second", [0.0, 0.1, 7.3, 1234.5, media.LATEST_SECONDS])
def test_time_survives_painting_and_reading(second: float) -> None:
    assert media.read_time(media.paint_time(second, (61, 47))) == pytest.approx(second)


def test_a_picture_that_lies_on_its_side_is_refused() -> None:
    for turns in (1, 2, 3):
        with pytest.raises(ValueError, match="upright"):
            media.read_time(np.rot90(media.paint_time(99.9), turns))


def test_a_time_beyond_the_pattern_is_refused() -> None:
    with pytest.raises(ValueError, match="seconds"):
        media.paint_time(media.LATEST_SECONDS + 1)


@pytest.mark.parametrize(
    ("name", "codec", "b_frames"), [("a.mp4", "libx264", 2), ("a.webm", "libvpx", 0), ("a.mkv", "libx264", 0)]
)
def test_each_frame_carries_its_time(tmp_path: Path, name: str, codec: str, b_frames: int) -> None:
    path = media.write_video(tmp_path / name, seconds=2, codec=codec, b_frames=b_frames, gop=10)
    frames = decode(path)
    assert len(frames) == 20
    assert [media.read_time(picture) for _, picture in frames] == pytest.approx([time for time, _ in frames], abs=0.011)


def test_b_frames_and_keyframes_are_as_asked(tmp_path: Path) -> None:
    path = media.write_video(tmp_path / "a.mp4", seconds=3, gop=10, b_frames=2)
    with av.open(str(path)) as container:
        kinds = [av.video.frame.PictureType(frame.pict_type).name for frame in container.decode(video=0)]
    assert kinds.count("I") == 3
    assert kinds.count("B") > kinds.count("P")


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    times = [0, 0.1, 0.5, 4.0, 4.2, 9.0]
    frames = decode(media.write_video(tmp_path / "a.mp4", pts_seconds=times))
    assert [time for time, _ in frames] == pytest.approx(times, abs=0.002)
    assert [media.read_time(picture) for _, picture in frames] == pytest.approx(times)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_start_offset_moves_the_stream_not_the_pattern(tmp_path: Path, name: str) -> None:
    frames = decode(media.write_video(tmp_path / name, seconds=1, start_offset_seconds=5))
    assert frames[0][0] == pytest.approx(5, abs=0.002)
    assert media.read_time(frames[0][1]) == 0


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_stored_and_undone_by_the_player(tmp_path: Path, degrees: int) -> None:
    path = media.write_video(tmp_path / "a.mp4", seconds=1, size=(160, 96), rotation_degrees=degrees)
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).rotation % 360 == -degrees % 360
    assert decode(path)[3][1].shape == (96, 160, 3)
    assert media.read_time(decode(path)[3][1]) == pytest.approx(0.3)


def test_pixels_need_not_be_square(tmp_path: Path) -> None:
    path = media.write_video(tmp_path / "a.mp4", seconds=1, sample_aspect_ratio=Fraction(16, 11))
    with av.open(str(path)) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(16, 11)


def test_faststart_puts_the_index_first_and_lets_a_cut_file_be_read(tmp_path: Path) -> None:
    late = media.truncate(media.write_video(tmp_path / "late.mp4", seconds=5))
    early = media.truncate(media.write_video(tmp_path / "early.mp4", seconds=5, faststart=True))
    with pytest.raises(av.error.InvalidDataError):
        av.open(str(late))
    with av.open(str(early)) as container:
        assert container.streams.video


def test_a_live_webm_has_no_duration(tmp_path: Path) -> None:
    path = media.write_video(tmp_path / "a.webm", codec="libvpx", container_options={"live": "1"})
    with av.open(str(path)) as container:
        assert container.duration is None


def test_audio_only_has_no_video(tmp_path: Path) -> None:
    with av.open(str(media.write_audio_only(tmp_path / "a.mp4"))) as container:
        assert not container.streams.video
        assert container.streams.audio


def test_corruption_hits_pictures_only_and_is_repeatable(tmp_path: Path) -> None:
    sound = media.write_video(tmp_path / "a.mp4", seconds=5).read_bytes()
    (tmp_path / "b.mp4").write_bytes(sound)
    (tmp_path / "c.mp4").write_bytes(sound)
    harmed = media.corrupt(tmp_path / "b.mp4", 40, seed=1).read_bytes()
    assert harmed == media.corrupt(tmp_path / "c.mp4", 40, seed=1).read_bytes()
    assert sum(a != b for a, b in zip(sound, harmed, strict=True)) == 40
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert container.streams.video[0].frames == 50


def test_resolution_changes_midstream_while_time_goes_on(tmp_path: Path) -> None:
    frames = decode(media.change_resolution_midstream(tmp_path / "a.ts"))
    assert {picture.shape for _, picture in frames} == {(128, 160, 3), (256, 320, 3)}
    began = frames[0][0]
    assert [media.read_time(p) for _, p in frames] == pytest.approx([time - began for time, _ in frames], abs=0.02)
    assert len(frames) == 40
