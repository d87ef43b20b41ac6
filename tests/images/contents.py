"""What must be inside an image and what must not: its files as a folder in, faults out, each a sentence."""

from __future__ import annotations

import json
import re
import stat
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from .table import ROOT, USER, Image

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Theirs by right: the volume's folder, and what is in memory when the image runs.
_WRITABLE = {"/var/lib/smilereel", "/tmp", "/var/tmp", "/run/lock", "/dev"}
_SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|_KEY|INDEX|PROXY", re.IGNORECASE)
_PRIVATE_KEY = re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}")


def faults_of(image: Image, context: Path, root: Path, config: dict[str, Any], size_bytes: int) -> list[str]:
    """All that is wrong with an image.

    Args:
        image: what it should be.
        context: what it was built from.
        root: its files.
        config: as the engine's inspect shows it.
        size_bytes: unpacked, base included.
    """
    packages = packages_in(root)
    found = [*_config_faults(image, config), *_package_faults(image, packages), *_code_faults(image, context, packages)]
    found += [*_left_behind(root), *_writable(root)]
    if size_bytes > image.budget_mb * 1_000_000:
        found.append(f"it weighs {size_bytes / 1e6:.0f} MB, over its budget of {image.budget_mb} MB")
    return found


def packages_in(root: Path) -> Path:
    """The folder of packages among an image's files."""
    return next(iter(sorted((root / "opt/smilereel/lib").glob("python3.*")))) / "site-packages"


def normalised(name: str) -> str:
    """A distribution's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(packages: Path) -> set[str]:
    """The distributions in a folder of packages."""
    return {normalised(Distribution.at(each).name) for each in packages.glob("*.dist-info")}


def wanted(extras: tuple[str, ...]) -> set[str]:
    """What the project and these extras name, and the extras that those extend."""
    lines = list(PROJECT["dependencies"])
    left = list(extras)
    while left:
        for line in PROJECT["optional-dependencies"][left.pop()]:
            inner = re.fullmatch(r"smilereel\[(.+)\]", line)
            left += inner[1].split(",") if inner else []
            lines += [] if inner else [line]
    return {normalised(re.split(r"[\[<>=!~; ]", line)[0]) for line in lines}


def own_modules(folder: Path, left_out: tuple[str, ...]) -> set[str]:
    """Our files below a folder that holds `workers` and `shared`, compiled ones and these folders of `workers` aside."""
    gone = tuple(f"workers/{name}/" for name in left_out)
    files = (path.relative_to(folder).as_posix() for name in ("shared", "workers") for path in (folder / name).rglob("*"))
    return {
        each
        for each in files
        if (folder / each).is_file() and "__pycache__" not in each and not each.startswith(gone) and not each.endswith(".pyc")
    }


def _config_faults(image: Image, config: dict[str, Any]) -> Iterator[str]:
    if config.get("User") != f"{USER}:{USER}":
        yield f"it runs as {config.get('User') or 'root'}"
    if not (config.get("Healthcheck") or {}).get("Test"):
        yield "it has no health check"
    if not config.get("Cmd"):
        yield "it starts nothing by itself"
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in (config.get("Labels") or {}).items()}
    expected = {"version": PROJECT["version"], "licenses": PROJECT["license"]}
    for name, value in expected.items():
        if labels.get(name) != value:
            yield f"its label {name} is {labels.get(name)}, not {value}"
    if not {"title", "description"} <= labels.keys():
        yield "it lacks a title or a description"
    for line in config.get("Env") or []:
        if _SECRET_NAME.search(line.split("=", 1)[0]):
            yield f"its environment holds {line.split('=', 1)[0]}"


def _package_faults(image: Image, packages: Path) -> Iterator[str]:
    inside = installed(packages)
    yield from (f"{name} is missing" for name in sorted(wanted(image.extras) - inside))
    yield from (f"{name} has come along" for name in sorted({normalised(name) for name in image.foreign} & inside))


def _code_faults(image: Image, context: Path, packages: Path) -> Iterator[str]:
    here, inside = own_modules(context, image.not_inside), own_modules(packages, ())
    yield from (f"{name} is missing" for name in sorted(here - inside))
    yield from (f"{name} has come along" for name in sorted(inside - here))
    weights = packages / "workers/gpu/weights"
    if image.has_weights:
        for name, entry in json.loads((weights / "manifest.json").read_text()).items():
            if sha256((weights / entry["file"]).read_bytes()).hexdigest() != entry["sha256"]:
                yield f"the weights of {name} do not have the manifest's SHA-256"
    elif weights.exists():
        yield "it holds weights"


def _left_behind(root: Path) -> Iterator[str]:
    """Caches, sources, tools and secrets of the build."""
    for name in ("root/.cache", "src", "tmp", "run/secrets", "var/cache/apt/archives", "opt/smilereel/share/uv"):
        folder = root / name
        if folder.is_dir() and any(each.is_file() and each.stat().st_size for each in folder.rglob("*")):
            yield f"/{name} is not empty"
    for name in ("usr/local/bin/uv", "opt/smilereel/bin/uv", "opt/smilereel/bin/pip"):
        if (root / name).exists():
            yield f"/{name} has stayed"
    for path in (root / "opt/smilereel").rglob("*"):
        if path.name in {".env", ".git", ".netrc", "pip.conf", "uv.toml"}:
            yield f"/{path.relative_to(root)} has come along"
        # Tornado ships the key of its own tests.
        if (
            path.suffix in {".pem", ".key"}
            and path.parent.name != "test"
            and path.is_file()
            and _PRIVATE_KEY.search(path.read_bytes())
        ):
            yield f"/{path.relative_to(root)} holds a private key"


def _writable(root: Path) -> Iterator[str]:
    """What the image's user could change, beside its volume: on a host that forgets `read_only` that would be its own code."""
    for path in root.rglob("*"):
        inside = f"/{path.relative_to(root)}"
        if path.is_symlink() or inside in _WRITABLE or inside.startswith("/dev/"):
            continue
        about = path.lstat()
        if about.st_uid == USER or about.st_mode & stat.S_IWOTH:
            yield f"{inside} is writable to its user"
        if about.st_mode & stat.S_ISUID and inside.startswith("/opt"):
            yield f"{inside} is setuid"
