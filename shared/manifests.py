"""Label files and training manifests that name lessons: an erased lesson's lines and pictures go from them too. Called by the sweep.

A manifest is a CSV file with a column `lesson_id`; a column `file` names a picture below the manifest's own folder.
"""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path
from uuid import uuid4

from .errors import StoreError

LESSON, FILE = "lesson_id", "file"


def scrub_manifests(folder: Path, lesson_ids: Collection[str]) -> int:
    """Take these lessons' lines out of every manifest below the folder, and the pictures that they name; how many lines.

    A manifest is written anew beside itself and renamed. Files without the column are left alone.

    Raises:
        StoreError: a manifest cannot be read or written.
    """
    erased = frozenset(lesson_ids)
    try:
        return sum(_scrub(path, erased) for path in sorted(folder.rglob("*.csv")) if path.is_file() and not path.is_symlink())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StoreError(
            f"A manifest below SMILEREEL_LABELS_FOLDER cannot be scrubbed: {type(error).__name__}; look at its format and rights."
        ) from error


def _scrub(path: Path, erased: frozenset[str]) -> int:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if LESSON not in (reader.fieldnames or ()):
            return 0
        columns, lines = list(reader.fieldnames or ()), list(reader)
    gone = [line for line in lines if line[LESSON] in erased]
    if not gone:
        return 0
    for line in gone:
        _remove_picture(path.parent, line.get(FILE) or "")
    beside = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with beside.open("x", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n", extrasaction="ignore")
            writer.writeheader()
            writer.writerows(line for line in lines if line[LESSON] not in erased)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return len(gone)


def _remove_picture(folder: Path, name: str) -> None:
    """Only below the manifest's folder, whatever the name says."""
    picture = folder / name
    if name and picture.resolve().is_relative_to(folder.resolve()) and picture.is_file():
        picture.unlink()
