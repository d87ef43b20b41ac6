"""Where a fault run keeps its things, and disks of its own that can really be full. Called by `run.py`."""

from __future__ import annotations

import ctypes
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

_CLONE_NEWNS, _CLONE_NEWUSER = 0x0002_0000, 0x1000_0000
_MS_REC, _MS_PRIVATE = 1 << 14, 1 << 18
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
DISK_MEGABYTES = 64
MEGABYTES_A_LESSON = 1


@dataclass(frozen=True, slots=True)
class Places:
    """A run's folders; `disk` and `ledger` are disks of their own where `own_disks` says so."""

    root: Path
    own_disks: bool

    @property
    def disk(self) -> Path:
        return self.root / "disk"

    @property
    def store(self) -> Path:
        return self.disk / "store"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger"

    @property
    def valkey(self) -> Path:
        return self.root / "valkey"

    @property
    def socket(self) -> Path:
        return self.root / "valkey.sock"

    @property
    def media(self) -> Path:
        return self.root / "media"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def hooks(self) -> Path:
        return self.root / "hooks"

    @property
    def temporary(self) -> Path:
        return self.root / "tmp"


def new_root() -> Path:
    """A folder with a short name: a socket's path may have no more than about 100 characters."""
    return Path(tempfile.mkdtemp(prefix="smilereel-chaos-"))


def make_places(root: Path, n_lessons: int) -> Places:
    """The folders below `root`. This process gets a mount namespace of its own, so that the disks vanish with its last process."""
    for name in ("disk", "ledger", "valkey", "media", "logs", "hooks", "tmp"):
        (root / name).mkdir()
    own_disks = _own_namespace()
    for name in ("disk", "ledger"):
        own_disks = own_disks and _mount_memory(root / name, DISK_MEGABYTES + MEGABYTES_A_LESSON * n_lessons)
    places = Places(root, own_disks)
    places.store.mkdir()
    return places


def exchange(one: Path, other: Path) -> None:
    """Let two names change places in one step: nobody finds either of them missing in between.

    Raises:
        OSError: the file system cannot.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(one))


def _own_namespace() -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    if not hasattr(libc, "unshare") or libc.unshare(_CLONE_NEWNS | (_CLONE_NEWUSER if user else 0)):
        return False
    if user:
        # Inside, everybody stays who they are; only mounting becomes possible.
        try:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        except OSError:
            return False
    return bool(libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None) == 0)


def _mount_memory(folder: Path, megabytes: int) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, f"size={megabytes}m,mode=0755".encode()) == 0)
