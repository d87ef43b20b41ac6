"""The object store for packs, crops, scores and reels: bytes under keys, written whole or not at all."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from .errors import SettingsInvalid, StoreError

_KEY = re.compile(r"^[A-Za-z0-9._:@=+-]+(/[A-Za-z0-9._:@=+-]+)*$")


class Store(Protocol):
    """What a store can do; keys are relative paths of plain characters."""

    def put(self, key: str, data: bytes) -> None:
        """Write the object whole or not at all, over an older one."""

    def get(self, key: str) -> bytes:
        """Read the object.

        Raises:
            StoreError: it is not there or cannot be read.
        """

    def exists(self, key: str) -> bool:
        """Whether the object is there."""

    def delete(self, prefix: str) -> None:
        """Remove the object under this key and all objects below it; none there is no error."""

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys below this one, sorted."""


class FolderStore:
    """Objects as files below a folder; a key's last part becomes visible by a rename."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, key: str, data: bytes) -> None:
        path = self._path(key)
        temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise StoreError(f"The store could not write {key}: {error.strerror}; check its disk and rights.") from error

    def get(self, key: str) -> bytes:
        try:
            return self._path(key).read_bytes()
        except OSError as error:
            raise StoreError(f"The store could not read {key}: {error.strerror}.") from error

    def exists(self, key: str) -> bool:
        return self._path(key).is_file()

    def delete(self, prefix: str) -> None:
        path = self._path(prefix)
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"The store could not delete {prefix}: {error.strerror}.") from error

    def keys(self, prefix: str) -> Iterator[str]:
        base = self._path(prefix)
        for path in sorted(base.rglob("*")):
            if path.is_file() and not path.name.endswith(".tmp"):
                yield path.relative_to(self.root).as_posix()

    def _path(self, key: str) -> Path:
        if not _KEY.match(key) or any(part in {".", ".."} for part in key.split("/")):
            raise StoreError(f"{key!r} is no key of the store.")
        return self.root / key


def open_store(url: str) -> Store:
    """The store that a URL names.

    Raises:
        SettingsInvalid: the scheme is unknown.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path.startswith("/") and not parts.netloc:
        return FolderStore(Path(unquote(parts.path)))
    raise SettingsInvalid(f"SMILEREEL_STORE_URL must look like file:///folder, not {parts.scheme or url}://…")


def segment_key(lesson_id: str, work_version: str, segment_index: int, name: str) -> str:
    """Where a segment's intermediate lies."""
    return f"{work_key(lesson_id, work_version)}/segment-{segment_index:04d}/{name}"


def work_key(lesson_id: str, work_version: str) -> str:
    """Below this lies all that one version of the pipeline made of a lesson on the way."""
    return f"{lesson_work_key(lesson_id)}/{work_version}"


def lesson_work_key(lesson_id: str) -> str:
    """Below this lies what any version of the pipeline made of a lesson on the way."""
    return f"work/{lesson_id}"


def output_key(lesson_id: str, work_version: str, name: str) -> str:
    """Where one of a lesson's outputs lies."""
    return f"{lesson_output_key(lesson_id)}/{work_version}/{name}"


def lesson_output_key(lesson_id: str) -> str:
    """Below this lie a lesson's outputs, version by version."""
    return f"lessons/{lesson_id}"
