"""A recording's URI leads to a regular file below the media root, or nowhere; also while somebody swaps links."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from shared.errors import RecordingUnreadable
from tests.media import write_video
from workers.cpu import media, sources
from workers.cpu.fetch import SourceRules
from workers.cpu.limits import MediaLimits
from workers.cpu.probe import probe
from workers.cpu.sources import check_uri, open_recording


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "media"
    (made / "lesson").mkdir(parents=True)
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    (made / "lesson" / "me.mp4").write_bytes(b"mine")
    return made


def content(uri: str, root: Path) -> bytes:
    with open_recording(uri, SourceRules(root)) as opened:
        return os.pread(opened.descriptor, 100, 0)


def test_a_path_below_the_root_is_opened(root: Path) -> None:
    assert content("lesson/me.mp4", root) == b"mine"
    assert content(str(root / "lesson" / "me.mp4"), root) == b"mine"
    (root / "link.mp4").symlink_to("lesson/me.mp4")
    (root / "other").symlink_to(root / "lesson")
    assert content("link.mp4", root) == content("other/me.mp4", root) == b"mine"
    (root / "10:30 Größe.mp4").write_bytes(b"named")
    assert content("10:30 Größe.mp4", root) == b"named"


@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/hostname",
        "file:/etc/hostname",
        "http://media.example.org/me.mp4",
        "https://media.example.org/me.mp4",
        "HTTPS://media.example.org/me.mp4",
        "ftp://media.example.org/me.mp4",
        "s3://bucket/me.mp4",
        "data:video/mp4;base64,AAAA",
        "concat:lesson/me.mp4|lesson/me.mp4",
        "subfile,,start,0,end,4,,:lesson/me.mp4",
        "crypto+https://x/y",
        "pipe:0",
        "\\\\host\\share\\me.mp4",
        "//host/share/me.mp4",
        "lesson/me.mp4\0",
        "lesson/me.mp4\n",
        "lesson/\x9bme.mp4",
        "\udcff.mp4",
        "-i",
        "lesson/-i.mp4",
        "",
        ".",
        "..",
        "lesson",
        "lesson/me.mp4/deeper.mp4",
        "gone.mp4",
        "a" * 5000,
        "../secret.mp4",
        "lesson/../../secret.mp4",
        "/etc/hostname",
    ],
)
def test_whatever_leads_elsewhere_is_refused_in_one_sentence(uri: str, root: Path) -> None:
    with pytest.raises(RecordingUnreadable) as refusal, open_recording(uri, SourceRules(root)):
        pass
    assert refusal.value.message.endswith(".")
    assert "\n" not in refusal.value.message
    assert str(root) not in refusal.value.message


def test_https_is_a_matter_of_the_allowed_hosts() -> None:
    check_uri("https://media.example.org/me.mp4", ("media.example.org",))
    with pytest.raises(RecordingUnreadable, match="'http' is not allowed"):
        check_uri("http://media.example.org/me.mp4", ("media.example.org",))


def test_links_out_of_the_root_are_refused(root: Path, tmp_path: Path) -> None:
    (root / "file.mp4").symlink_to(tmp_path / "secret.mp4")
    (root / "folder").symlink_to(tmp_path)
    (root / "circle.mp4").symlink_to(root / "circle.mp4")
    (root / "zero.mp4").symlink_to("/dev/zero")
    for uri in ("file.mp4", "folder/secret.mp4", "circle.mp4", "zero.mp4"):
        with pytest.raises(RecordingUnreadable):
            content(uri, root)


@pytest.mark.parametrize("swapped", ["lesson", "lesson/me.mp4"])
def test_a_link_swapped_in_after_the_check_leads_nowhere(
    swapped: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = media.recording_path

    def check_then_swap(uri: str, media_root: Path) -> Path:
        path = checked(uri, media_root)
        (root / swapped).rename(tmp_path / "away")
        (tmp_path / "me.mp4").write_bytes(b"secret")
        (root / swapped).symlink_to(tmp_path if swapped == "lesson" else tmp_path / "secret.mp4")
        assert path.read_bytes() == b"secret", "the swap would lead out, were it followed"
        return path

    monkeypatch.setattr(sources, "recording_path", check_then_swap)
    with pytest.raises(RecordingUnreadable):
        content("lesson/me.mp4", root)


def test_what_is_open_stays_what_it_was(root: Path, tmp_path: Path) -> None:
    video = write_video(root / "me.mp4", seconds=2)
    with open_recording("me.mp4", SourceRules(root)) as opened:
        video.unlink()
        (root / "me.mp4").symlink_to(tmp_path / "secret.mp4")
        assert probe(opened).n_packets == 20


@pytest.mark.timeout(20)
def test_only_regular_files_are_opened(root: Path) -> None:
    os.mkfifo(root / "pipe.mp4")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket.mp4"))
    for uri in ("pipe.mp4", "socket.mp4", "lesson"):
        with pytest.raises(RecordingUnreadable, match="is no file"):
            content(uri, root)


def test_a_terabyte_is_refused_before_it_is_read(root: Path) -> None:
    os.truncate(root / "lesson" / "me.mp4", 1 << 40)
    with pytest.raises(RecordingUnreadable, match="has 1099511627776 bytes"):
        content("lesson/me.mp4", root)


def test_the_version_changes_with_the_content(root: Path) -> None:
    rules = SourceRules(root, limits=MediaLimits())
    with open_recording("lesson/me.mp4", rules) as opened:
        before = opened.version
    (root / "lesson" / "me.mp4").write_bytes(b"other content")
    with open_recording("lesson/me.mp4", rules) as opened:
        assert opened.version != before
