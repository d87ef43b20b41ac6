"""Label files that name lessons: an erased lesson's lines and pictures go, nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import StoreError
from shared.manifests import scrub_manifests

HEADER = "file,label,lesson_id\n"


def a_manifest(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "smiles.csv"
    lines = ["a/1.jpg,smile,lesson-1\n", '"a/2, left.jpg",none,lesson-2\n', "../outside.jpg,none,lesson-1\n", ",none,lesson-1\n"]
    path.write_text(HEADER + "".join(lines))
    (folder / "a").mkdir()
    for name in ("a/1.jpg", "a/2, left.jpg", "../outside.jpg"):
        (folder / name).write_bytes(b"x")
    return path


def test_an_erased_lessons_lines_and_pictures_go(tmp_path: Path) -> None:
    path = a_manifest(tmp_path / "labels" / "deep")
    (tmp_path / "labels" / "others.csv").write_text("file,label\nlesson-1,smile\n")
    assert scrub_manifests(tmp_path / "labels", ["lesson-1", "lesson-9"]) == 3
    assert path.read_text() == HEADER + '"a/2, left.jpg",none,lesson-2\n'
    assert [found.name for found in sorted((path.parent / "a").iterdir())] == ["2, left.jpg"]
    assert (path.parent.parent / "outside.jpg").exists(), "a name cannot lead out of the manifest's folder"
    assert (tmp_path / "labels" / "others.csv").read_text() == "file,label\nlesson-1,smile\n"
    assert [found.name for found in path.parent.iterdir() if found.name.startswith(".")] == []
    assert scrub_manifests(tmp_path / "labels", ["lesson-1"]) == 0


def test_a_folder_that_is_not_there_holds_none(tmp_path: Path) -> None:
    assert scrub_manifests(tmp_path / "none", ["lesson-1"]) == 0


def test_a_manifest_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken.csv").write_bytes(b"file,lesson_id\n\xff\xfe,lesson-1\n")
    with pytest.raises(StoreError, match="cannot be scrubbed: UnicodeDecodeError"):
        scrub_manifests(tmp_path, ["lesson-1"])
