"""Where the services of `smilereel up` find what containers find at fixed paths: secrets, volumes and temporary folders of one run."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.errors import SettingsInvalid

from .compose import Service

SECRETS = "/run/secrets"
LONGEST_ABOVE = 24


@dataclass(frozen=True, slots=True)
class Places:
    """Folders of one run.

    Args:
        root: of what lasts as long as the command; short, for sockets lie in it.
        volumes: of what services keep; in `root`, unless it is to stay.
    """

    root: Path
    volumes: Path

    @property
    def control(self) -> Path:
        """The socket that takes orders."""
        return self.root / "control.sock"

    @property
    def programs(self) -> Path:
        """First on every service's PATH."""
        return self.root / "bin"

    def temporary(self, instance: str, target: str) -> Path:
        """What an instance has in place of this folder in memory."""
        return self.root / "tmp" / instance / target.strip("/").replace("/", "-")

    def paths_of(self, service: Service, instance: str, secrets: Mapping[str, Path]) -> dict[str, Path]:
        """Path inside a container -> path on this machine, for every path that the service mounts."""
        paths = {target: self.temporary(instance, target) for target in service.tmpfs}
        for mount in service.mounts:
            paths[mount.target] = Path(mount.source) if mount.is_folder else self.volumes / mount.source
        return paths | {f"{SECRETS}/{name}": secrets[name] for name in service.secrets}

    def make(self, service: Service, instance: str, secrets: Mapping[str, Path]) -> None:
        """Make the folders that an instance mounts; none of this machine's own."""
        own = {mount.target for mount in service.mounts if mount.is_folder}
        for target, path in self.paths_of(service, instance, secrets).items():
            if target not in own and not target.startswith(SECRETS):
                path.mkdir(parents=True, exist_ok=True)

    def forget(self, instance: str) -> None:
        """An instance that ended leaves nothing in its temporary folders for the next one."""
        shutil.rmtree(self.root / "tmp" / instance, ignore_errors=True)


def root_of(compose_file: Path) -> Path:
    """Where a run of this file lies: the same each time, so that a second command finds the first."""
    name = hashlib.sha256(str(compose_file.resolve()).encode()).hexdigest()[:12]
    # The path of a socket in it may have about a hundred characters.
    above = tempfile.gettempdir() if len(tempfile.gettempdir()) <= LONGEST_ABOVE else "/tmp"  # noqa: S108  (nobody else may enter)
    return Path(above) / f"smilereel-up-{os.getuid()}-{name}"


def make_places(root: Path, keep: Path | None) -> Places:
    """Empty folders for a run.

    Args:
        root: by `root_of`; nobody runs in it.
        keep: where volumes and secrets stay after the run; None: they end with it.

    Raises:
        SettingsInvalid: the folder belongs to somebody else, or cannot be made.
    """
    try:
        if root.is_symlink() or (root.exists() and root.lstat().st_uid != os.getuid()):
            raise SettingsInvalid(f"{root} belongs to somebody else; set TMPDIR to a folder of your own.")
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(mode=0o700)
        # PostgreSQL does not run as root: the user that it gets has to pass, not to look.
        mode = stat.S_IRWXU | (stat.S_IXGRP | stat.S_IXOTH if os.geteuid() == 0 else 0)
        root.chmod(mode)
        volumes = keep.resolve() / "volumes" if keep is not None else root / "volumes"
        volumes.mkdir(parents=True, exist_ok=True, mode=0o711)
        (root / "bin").mkdir()
    except OSError as error:
        raise SettingsInvalid(f"The folder {error.filename or root} cannot be made ({error.strerror}).") from None
    return Places(root, volumes)


def translated(text: str, paths: Mapping[str, Path]) -> str:
    """The text with every path that is mounted replaced by where it lies on this machine, the longest first."""
    if not paths:
        return text
    targets = "|".join(re.escape(target) for target in sorted(paths, key=len, reverse=True))
    # Not in the middle of another path: /data is none in /var/data, nor in /database.
    found = re.compile(rf"(?<![\w./-])({targets})(?![\w.-])")
    return found.sub(lambda match: str(paths[match[1]]), text)
