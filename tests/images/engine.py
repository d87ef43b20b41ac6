"""buildah and podman with a storage folder of their own, so that no other image or container of the machine is touched."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# Gigabytes go there: not /tmp, which may be memory.
LARGE_TEMPORARY = os.environ.get("TMPDIR", "/var/tmp")
_LONGEST_RUNROOT = 50


class ImagesFault(Exception):
    """Something that was tried with the images did not work; one sentence."""


@dataclass(frozen=True, slots=True)
class Engine:
    """The two programs on one storage folder.

    Args:
        folder: of images, layers and containers; nothing of it is anybody else's.
        driver: of the storage: overlay, or vfs where the kernel has none.
    """

    folder: Path
    driver: str = "overlay"

    @property
    def context(self) -> Path:
        """The files that images are built from."""
        return self.folder / "context"

    def start(self) -> None:
        """Make the folder; asks for the programs first.

        Raises:
            ImagesFault: one is missing, or the folder's path is longer than podman allows.
        """
        if len(str(self.folder / "run")) > _LONGEST_RUNROOT:
            raise ImagesFault(f"{self.folder} is too long a path for podman: give a shorter one to --storage, or to TMPDIR.")
        for program in ("buildah", "podman", "runc"):
            if shutil.which(program) is None:
                raise ImagesFault(f"{program} is missing; on Debian: apt-get install buildah podman runc catatonit debootstrap.")
        self.folder.mkdir(parents=True, exist_ok=True)
        # podman's own limits are higher than what a machine may allow its root.
        (self.folder / "containers.conf").write_text("[containers]\ndefault_ulimits = []\n")

    def run(
        self, program: str, *arguments: str, log: IO[bytes] | None = None, check: bool = True, seconds: float = 3600
    ) -> subprocess.CompletedProcess[str]:
        """Run `buildah` or `podman`; what it says is returned, or goes to the log.

        Raises:
            ImagesFault: it ended with another code than 0, and `check`; or not in time.
        """
        words = [program, "--root", str(self.folder / "storage"), "--runroot", str(self.folder / "run")]
        words += ["--storage-driver", self.driver]
        if program == "podman":
            # crun 1.8 and older take no kernel that mounts both versions of cgroups.
            words += ["--cgroup-manager", "cgroupfs", "--runtime", "runc"]
        environment = {**os.environ, "CONTAINERS_CONF": str(self.folder / "containers.conf")}
        into = log if log is not None else subprocess.PIPE
        errors = subprocess.STDOUT if log is not None else subprocess.PIPE
        try:
            done = subprocess.run(
                [*words, *arguments], stdout=into, stderr=errors, env=environment, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as late:
            raise ImagesFault(f"`{program} {' '.join(arguments[:2])}` did not end within {seconds:.0f} s.") from late
        if check and done.returncode:
            said = (done.stderr or done.stdout or "see the log").strip().splitlines()
            raise ImagesFault(f"`{program} {' '.join(arguments[:2])}` ended with {done.returncode}: {said[-1] if said else ''}")
        return done

    @contextmanager
    def mounted(self, image: str) -> Iterator[Path]:
        """The image's files as a folder, read from and thrown away."""
        container = self.run("buildah", "from", "--pull-never", image).stdout.strip()
        try:
            yield Path(self.run("buildah", "mount", container).stdout.strip())
        finally:
            self.run("buildah", "rm", container)

    def remove(self) -> None:
        """Take every container and image away, and the folder."""
        self.run("podman", "rm", "--all", "--force", "--time", "1", check=False)
        self.run("buildah", "rm", "--all", check=False)
        self.run("buildah", "rmi", "--all", "--force", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
