"""A part of the hostile-media run, and the proof that the run notices what it looks for."""

from __future__ import annotations

import random
import socket
import sys
from pathlib import Path
from time import monotonic

import pytest

from tests.media import write_video

from . import run as hostile
from .canaries import Canaries
from .child import Watch, read, shows_canary
from .seeds import paint_canary


@pytest.mark.slow
def test_hostile_files_cost_only_themselves(tmp_path: Path) -> None:
    report = hostile.run(150, seed=7, folder=tmp_path)
    assert report.broken == [], (report.crashes, report.hung, report.escapes, report.canaries_touched, report.rss_mb)
    assert report.files == 150
    assert len(report.by_mutation) == len(hostile.KINDS)
    assert report.outcomes["processed"] > 20, "a run that reads nothing proves nothing"
    assert report.outcomes["refused"] > 20
    assert list((tmp_path / "media").iterdir()) == []


def test_the_same_seed_draws_the_same_mutations() -> None:
    kinds = [hostile.schedule(200, random.Random(3)) for _ in range(2)]
    assert kinds[0] == kinds[1]
    assert set(kinds[0]) == {kind for kind, _ in hostile.KINDS}
    assert kinds[0] != hostile.schedule(200, random.Random(4))


def test_the_canaries_notice_reads_and_visits(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    video = write_video(tmp_path / "outside" / "canary.mp4", seconds=1, picture=paint_canary)
    with Canaries(video) as canaries:
        assert not canaries.touched()
        video.read_bytes()
        assert canaries.touched()
        assert not canaries.touched()
        port = int(canaries.url.split(":")[2].split("/")[0])
        socket.create_connection(("127.0.0.1", port)).close()
        ends_at = monotonic() + 5
        while not canaries.touched():
            assert monotonic() < ends_at


def test_the_canary_is_known_by_its_picture_and_by_its_path(tmp_path: Path) -> None:
    from workers.cpu.fetch import SourceRules

    write_video(tmp_path / "canary.mp4", seconds=1, picture=paint_canary)
    write_video(tmp_path / "me.mp4", seconds=1)
    rules = SourceRules(tmp_path)
    assert shows_canary(read("canary.mp4", rules)[2])
    assert not shows_canary(read("me.mp4", rules)[2])
    watch = Watch(str(tmp_path))
    watch.on = True
    (tmp_path / "me.mp4").read_bytes()
    Path(sys.executable).stat()
    inside = list(watch.strayed)
    Path("/etc/hostname").read_bytes()
    watch.on = False
    assert (inside, watch.strayed) == ([], ["open /etc/hostname"])


def test_a_child_that_dies_is_counted_and_followed_by_another(tmp_path: Path) -> None:
    write_video(tmp_path / "me.mp4", seconds=1)
    child = hostile.Child(tmp_path, tmp_path / "stderr")
    try:
        answer = child.ask("me.mp4")
        assert isinstance(answer, dict)
        assert answer["outcome"] == "processed"
        child.process.kill()
        child.process.wait()
        report = hostile.Report(seed=0)
        hostile._note(report, "kind", "kind#1", child.ask("me.mp4"), touched=False)
        assert report.crashes == ["kind#1: crashed (-9)"]
        assert report.broken == ["crashes", "outcomes"]
        assert isinstance(child.ask("me.mp4"), dict)
    finally:
        child.end()
