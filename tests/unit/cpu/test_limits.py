"""Each limit refuses in one sentence and leaves the process alive; each of these fails if its limit is taken away."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from shared.errors import RecordingUnreadable
from tests.hostile import boxes
from tests.media import change_resolution_midstream, paint_time, write_video
from workers.cpu import limits as limits_module
from workers.cpu import media as media_module
from workers.cpu.decode import sample_frames
from workers.cpu.limits import DEFAULT_LIMITS, MediaLimits, hard_stop
from workers.cpu.probe import probe


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (MediaLimits(max_bytes=1000), "bytes, more than 1000"),
        (MediaLimits(max_pixels=160 * 127), "is 160x128, more than 20320 pixels"),
        (MediaLimits(max_seconds=1.5), "spans 3 s, more than 2"),
        (MediaLimits(max_packets=29), "holds more than 29 packets"),
    ],
)
def test_a_recording_beyond_a_limit_is_refused(limits: MediaLimits, said: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / "me.mp4", seconds=3)
    assert probe(path).n_packets == 30
    with pytest.raises(RecordingUnreadable, match=said) as refusal:
        probe(path, limits)
    assert str(tmp_path) not in refusal.value.message
    if "spans" not in said:
        with pytest.raises(RecordingUnreadable, match=said):
            sample_frames(path, [0, 1], 0.0, longest_side=None, limits=limits)


def test_the_packet_loop_ends_when_the_processor_time_is_spent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "me.mp4", seconds=3)
    monkeypatch.setattr(limits_module, "process_time", itertools.count(0, 10).__next__)
    assert probe(path, MediaLimits(max_cpu_seconds=1000)).n_packets == 30
    with pytest.raises(RecordingUnreadable, match="took more than 100 s of processor time"):
        probe(path, MediaLimits(max_cpu_seconds=100))
    with pytest.raises(RecordingUnreadable, match="took more than 100 s of processor time"):
        sample_frames(path, [0, 1], 0.0, longest_side=None, limits=MediaLimits(max_cpu_seconds=100))


def test_a_file_that_grows_while_it_is_read_ends_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "me.mp4", seconds=3)
    monkeypatch.setattr(limits_module.Budget, "check_size", lambda self, n_bytes: None)  # as if it had been smaller before
    with pytest.raises(RecordingUnreadable, match="goes on beyond 1000 bytes"):
        probe(path, MediaLimits(max_bytes=1000))


def _with_sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 160, 128, "yuv420p"
        sound: Any = container.add_stream("aac", rate=16_000)
        for count in range(20):
            container.mux(video.encode(av.VideoFrame.from_ndarray(paint_time(count / 10), format="rgb24")))
        for start in range(0, 32_000, 1024):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16_000, start
            container.mux(sound.encode(frame))
        container.mux(video.encode())
        container.mux(sound.encode())
    return path


def test_packets_of_other_streams_count_too(tmp_path: Path) -> None:
    path = _with_sound(tmp_path / "me.mp4")
    assert probe(path).n_packets == 20
    with pytest.raises(RecordingUnreadable, match="holds more than 30 packets"):
        probe(path, MediaLimits(max_packets=30))


def test_pictures_that_grow_too_large_in_mid_stream_cost_only_their_seconds(tmp_path: Path) -> None:
    path = change_resolution_midstream(tmp_path / "me.ts", seconds=10)
    first = probe(path).first_pts_seconds
    everything = sample_frames(path, range(20), first, longest_side=None)
    assert {frame.rgb.shape for frame in everything.frames} == {(128, 160, 3), (256, 320, 3)}
    sampling = sample_frames(path, range(20), first, longest_side=None, limits=MediaLimits(max_pixels=200 * 200))
    assert {frame.rgb.shape for frame in sampling.frames} == {(128, 160, 3)}
    assert len(sampling.frames) >= 9
    assert set(sampling.unreadable) >= set(range(11, 20))


def test_one_damaged_stamp_is_no_long_recording(tmp_path: Path) -> None:
    stamps = [40 * count for count in range(50)]
    path = tmp_path / "me.flv"
    path.write_bytes(boxes.flv_h264([(160, 128)], [*stamps, 0x7FFFFFF0]))
    with pytest.raises(RecordingUnreadable, match="spans"):
        probe(path)
    path.write_bytes(boxes.flv_h264([(160, 128)], stamps))
    assert probe(path).seconds == pytest.approx(2.0, abs=0.1)


def test_codecs_that_no_camera_uses_are_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "me.mkv", seconds=1, codec="ffv1")
    with pytest.raises(RecordingUnreadable, match="no video of an accepted codec but ffv1"):
        probe(path)


def test_a_playlist_reads_nothing_even_if_its_format_were_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = write_video(tmp_path / "inner.mp4", seconds=1)
    path = tmp_path / "me.mp4"
    path.write_text(f"ffconcat version 1.0\nfile {inner}\n")
    with av.open(str(path), options={"safe": "0"}) as container:
        assert sum(1 for _ in container.decode(video=0)) == 10, "FFmpeg by itself reads it"
    monkeypatch.setattr(media_module, "FORMATS", media_module.FORMATS + ",concat,hls")
    with pytest.raises(RecordingUnreadable):
        probe(path)
    monkeypatch.undo()
    with pytest.raises(RecordingUnreadable, match="accepted kind"):
        probe(path)


def in_a_process(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=Path(__file__).parents[3])


def test_a_second_stream_without_a_decoder_is_left_alone(tmp_path: Path) -> None:
    """Handed PyAV's closing packet of such a stream, its decode ends the process with a segmentation fault."""
    path = tmp_path / "me.flv"
    stamps = [40 * count for count in range(50)]
    path.write_bytes(boxes.flv_h264([(160, 128)], stamps) + boxes.flv_tag(b"\x1f" + bytes(50), 2000))
    with av.open(str(path)) as container:
        assert [stream.codec_context is None for stream in container.streams.video] == [False, True]
    code = """
import sys
from pathlib import Path
from workers.cpu.decode import sample_frames
print(len(sample_frames(Path(sys.argv[1]), [0, 1], 0.0, longest_side=640).frames))
"""
    done = in_a_process(code, str(path))
    assert (done.returncode, done.stdout.strip()) == (0, "2"), done.stderr


def test_memory_beyond_the_limit_costs_the_file_not_the_process(tmp_path: Path) -> None:
    path = tmp_path / "me.flv"
    path.write_bytes(boxes.flv_h264([(160, 128), (16_000, 16_000)], [40 * count for count in range(50)]))
    code = """
import sys
from pathlib import Path
import numpy as np
from shared.errors import RecordingUnreadable
from workers.cpu.decode import sample_frames
from workers.cpu.limits import MediaLimits, limit_memory
assert limit_memory(300 << 20) > 300 << 20
try:
    np.ones(400 << 20, np.uint8)
    print("no limit")
except MemoryError:
    print("limited")
limits = MediaLimits(max_pixels=1 << 40)
try:
    print(len(sample_frames(Path(sys.argv[1]), [0, 1], 0.0, longest_side=640, limits=limits).frames) < 2)
except RecordingUnreadable as error:
    print(True)
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) < 600 << 10)
"""
    done = in_a_process(code, str(path))
    assert (done.returncode, done.stdout.split()) == (0, ["limited", "True", "True"]), done.stderr


def test_a_call_that_never_comes_back_is_ended_by_the_kernel() -> None:
    code = """
import hashlib
from workers.cpu import limits
limits.HARD_STOP_EXTRA_SECONDS = 0.3
with limits.hard_stop(limits.MediaLimits(max_cpu_seconds=0)):
    hashlib.pbkdf2_hmac("sha256", b"", b"", 1 << 30)  # minutes in C, as a decoder that hangs
"""
    assert in_a_process(code).returncode == -signal.SIGPROF


def test_the_kernels_stop_is_taken_back_afterwards() -> None:
    with hard_stop(replace(DEFAULT_LIMITS, max_cpu_seconds=100)):
        assert 150 < signal.getitimer(signal.ITIMER_PROF)[0] < 160.1
    assert signal.getitimer(signal.ITIMER_PROF)[0] == 0
