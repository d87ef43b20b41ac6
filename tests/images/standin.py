"""A stand-in for python:3.11.x-slim-bookworm where no registry is reached: Debian by debootstrap, and the Python that runs this."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from .engine import Engine, ImagesFault
from .table import BASE_TAG

# What Python's modules link to; the real image has the same.
_PACKAGES = (
    "ca-certificates",
    "netbase",
    "tzdata",
    "libssl3",
    "libffi8",
    "libsqlite3-0",
    "zlib1g",
    "libbz2-1.0",
    "liblzma5",
    "libreadline8",
    "libuuid1",
    "libncursesw6",
    "libgdbm6",
    "libexpat1",
    "libnsl2",
    "libtirpc3",
)
_NOT_NEEDED = ("site-packages", "test", "tests", "idlelib", "turtledemo", "tkinter", "__pycache__", "config-*", "_tkinter*.so")


def make_stand_in(engine: Engine, work: Path) -> None:
    """Make the base under its real name, in the engine's own storage.

    Args:
        work: folder for Debian's files; emptied afterwards.

    Raises:
        ImagesFault: debootstrap is missing or fails, or this is not the Python that the Dockerfiles name.
    """
    wanted = ".".join(BASE_TAG.split("-")[0].split(".")[:2])
    if f"{sys.version_info.major}.{sys.version_info.minor}" != wanted:
        raise ImagesFault(f"The base is Python {wanted}: run this with one, it is copied into the stand-in.")
    if shutil.which("debootstrap") is None:
        raise ImagesFault("debootstrap is missing; on Debian: apt-get install debootstrap.")
    root = work / "rootfs"
    _call("debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", BASE_TAG.rsplit("-", 1)[1], str(root))
    _slim(root)
    _copy_python(root)
    archive = work / "base.tar"
    _call("tar", "-C", str(root), "-cf", str(archive), ".")
    shutil.rmtree(root)
    container = engine.run("buildah", "from", "scratch").stdout.strip()
    engine.run("buildah", "add", "--quiet", container, str(archive), "/")
    path = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
    engine.run("buildah", "config", "--env", f"PATH={path}", "--env", "LANG=C.UTF-8", "--cmd", "python3", container)
    engine.run("buildah", "commit", "--quiet", "--format", "docker", container, f"docker.io/library/python:{BASE_TAG}")
    engine.run("buildah", "rm", container)
    archive.unlink()


def _copy_python(root: Path) -> None:
    """This Python as /usr/local, without what the real image leaves out either, and with its own pip."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    home, local = Path(sys.base_prefix), root / "usr/local"
    shutil.copytree(home / "lib" / version, local / "lib" / version, symlinks=True, ignore=shutil.ignore_patterns(*_NOT_NEEDED))
    (local / "lib" / version / "site-packages").mkdir()
    (local / "bin").mkdir(exist_ok=True)
    shutil.copy2(home / "bin" / version, local / "bin" / version)
    for library in (home / "lib").glob("libpython3*.so*"):
        shutil.copy2(library, local / "lib" / library.name, follow_symlinks=False)
        if not library.is_symlink():
            subprocess.run(["strip", "--strip-unneeded", str(local / "lib" / library.name)], check=False, capture_output=True)
    for name, target in {"python3": version, "python": "python3", "pip": "pip3"}.items():
        (local / "bin" / name).symlink_to(target)
    _call("chroot", str(root), "ldconfig")
    _call("chroot", str(root), "/usr/local/bin/python3", "-m", "ensurepip")


def _slim(root: Path) -> None:
    """What Debian's slim images leave out."""
    for folder in ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var/lib/apt/lists", "var/cache/apt"):
        shutil.rmtree(root / folder, ignore_errors=True)
        (root / folder).mkdir(parents=True)


def _call(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise ImagesFault(f"`{words[0]}` ended with {done.returncode}: {said[-1] if said else ''}")
