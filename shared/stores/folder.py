"""A store in a folder of one file system: objects are files that become visible, whole, by a rename."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from ..errors import ObjectMissing, StoreError
from .rules import MARKS, OUTPUTS, checked_key, checked_prefix, is_key

# No key has a tilde in it, so a half-written object has no name under which anybody could ask for it.
_TEMPORARIES = "~tmp"
_TRIES = 10


class FolderStore:
    """Objects as files below a folder, which is made by the first write; symbolic links below it are not followed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, key: str, data: bytes) -> None:
        path = self._path(key)
        with _told("write", key):
            self._write(path, data)
            # What the ledger calls done must outlive a power cut; all else is made again.
            if key.startswith((f"{OUTPUTS}/", f"{MARKS}/")):
                self._sync_folders(path)

    def get(self, key: str) -> bytes:
        path = self._path(key)
        with _told("read", key):
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                self._check_root()
                raise ObjectMissing(
                    f"The store could not read {key}: no such object; it was never written or is deleted."
                ) from None

    def exists(self, key: str) -> bool:
        path = self._path(key)
        with _told("look for", key):
            try:
                return stat.S_ISREG(path.lstat().st_mode)
            except (FileNotFoundError, NotADirectoryError):
                self._check_root()
                return False

    def _check_root(self) -> None:
        """A root that is no folder is a store that is away, not one without the object; none at all is a store not yet written to."""
        if self.root.exists() and not self.root.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))

    def address(self, key: str, seconds: float) -> str:  # noqa: ARG002  (a file's address does not end)
        return self._path(key).absolute().as_uri()

    def delete(self, prefix: str) -> None:
        # A link itself may be removed: nothing behind it is touched.
        path = self._path(prefix, link_allowed=True)
        with _told("delete", prefix):
            self._remove(path)
        for folder in path.parents:
            if folder == self.root:
                break
            try:
                folder.rmdir()  # a lesson's name should not outlive it as an empty folder
            except OSError:
                break

    def keys(self, prefix: str) -> Iterator[str]:
        base = self._base(prefix)
        with _told("list", prefix or "its folder"):
            found = [Path(entry.path).relative_to(self.root).as_posix() for entry in _files(base)]
        return iter(sorted(key for key in found if is_key(key)))

    def bytes_used(self, prefix: str) -> int:
        total = 0
        base = self._base(prefix)
        with _told("measure", prefix or "its folder"):
            for entry in _files(base):
                with suppress(FileNotFoundError):
                    total += entry.stat(follow_symlinks=False).st_size
        return total

    def sweep_temporaries(self, older_than_seconds: float) -> int:
        swept = 0
        oldest = time.time() - older_than_seconds
        with _told("sweep", "its temporary files"):
            for entry in _entries(self.root / _TEMPORARIES):
                with suppress(FileNotFoundError):
                    if entry.stat(follow_symlinks=False).st_mtime <= oldest:
                        _remove_tree(Path(entry.path))
                        swept += 1
        return swept

    def _write(self, path: Path, data: bytes) -> None:
        """Write aside, make it last, then rename: without the fsync a power cut may leave an empty file of the right name."""
        temporary = self._temporary()
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            for tries_left in reversed(range(_TRIES)):
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    temporary.replace(path)
                    break
                except (FileNotFoundError, FileExistsError):  # a deletion took the folder away in between
                    if not tries_left:
                        raise
        finally:
            temporary.unlink(missing_ok=True)

    def _remove(self, path: Path) -> None:
        """Remove a file, a link, or a folder with all in it: moved aside at once, so that nobody writes into what is being removed."""
        try:
            path.lstat()  # before anything is made for its sake
            aside = self._temporary()
            path.rename(aside)
        except (FileNotFoundError, NotADirectoryError):  # never there, or somebody else removed it first
            return
        _remove_tree(aside)

    def _temporary(self) -> Path:
        folder = self.root / _TEMPORARIES
        folder.mkdir(parents=True, exist_ok=True)
        return folder / uuid4().hex

    def _sync_folders(self, path: Path) -> None:
        """Make the new name last, and the names of the folders above it, which may be as new."""
        for folder in path.parents:
            with suppress(FileNotFoundError):
                handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
            if folder == self.root:
                break

    def _base(self, prefix: str) -> Path:
        return self._path(prefix) if checked_prefix(prefix) else self.root

    def _path(self, key: str, *, link_allowed: bool = False) -> Path:
        path = self.root / checked_key(key)
        for part in (path.parent if link_allowed else path, *path.parents):
            if part == self.root:
                break
            if os.path.islink(part):  # noqa: PTH114
                raise StoreError(f"The store refuses {key}: a symbolic link lies on its way; remove the link.")
        return path


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as listed:
            return list(listed)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _files(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    """All files below a folder; what vanishes meanwhile is left out, links are not followed."""
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path)
        elif entry.is_file(follow_symlinks=False):
            yield entry


def _remove_tree(path: Path) -> None:
    """Remove a file or a folder, though others may remove it at the same time or a late write may still land in it."""
    for _ in range(_TRIES):
        shutil.rmtree(path, ignore_errors=True)
        with suppress(IsADirectoryError, FileNotFoundError):
            path.unlink()
        if not os.path.lexists(path):
            return
    shutil.rmtree(path)  # once more, for the error that says why


@contextmanager
def _told(verb: str, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StoreError(f"The store could not {verb} {what}: {reason}; check its disk and rights.") from error
