"""What may lie in the repository: no children's pictures, nothing huge, nothing of the machine it was written on."""

from __future__ import annotations

import os
import re
import subprocess
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAX_FILE_BYTES = 50_000_000
MAX_CODE_LINES = 250
# Only pictures made from public-domain portraits of adults stand in the documentation.
ALLOWED_PICTURES = "docs/*.gif"
MAX_PICTURES = 3
PICTURE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".pgm", ".ppm"}
)
CARRIER_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".npy", ".npz", ".tar", ".tgz", ".zip", ".gz"})
PICTURE_STARTS = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r|GIF8[79]a|RIFF....(?:WEBP|AVI )|BM.{4}\x00{4}|....ftyp|\x1aE\xdf\xa3"
    rb"|II\*\x00|MM\x00\*|P[56]\s|PK\x03\x04|\x1f\x8b",
    re.DOTALL,
)
# Written such that no line of this file is itself a hit.
MACHINE_PATHS = re.compile(r"(?<![\w.~$}/-])/(?:work|workspace|home/\w+|Users/\w+|root/(?!\.cache))(?=/)")
REGISTRY_HOSTS = re.compile(
    r"pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|download\.pytorch\.org|proxy\.golang\.org|deb\.debian\.org|"
    r"artifactor[y]|devpi[-.]|//[\w.-]*(?:mirror|registr[y]|nexus)[\w.-]*[:/]",
    re.IGNORECASE,
)
LOCK_FILES = re.compile(
    r"\.lock$|\.lock\.txt$|(?:^|/)(?:package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|pylock\..*toml)$"
)


@cache
def tracked() -> tuple[str, ...]:
    """The paths git knows, relative to the project's root; a deleted file that is not yet committed is left out."""
    if not (ROOT / ".git").exists() and os.environ.get("CI") != "true":
        pytest.skip("not a git clone: there is no list of files to look through")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    paths = tuple(path for path in listed.stdout.split("\0") if path and (ROOT / path).is_file())
    assert "pyproject.toml" in paths, "git listed another folder"
    return paths


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    """`path:line` of each hit in the tracked text files; what is not UTF-8 is no text."""
    hits = []
    for path in tracked():
        try:
            text = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        hits += [f"{path}:{number}" for number, line in enumerate(text.splitlines(), 1) if pattern.search(line)]
    return hits


def is_picture(path: str, start: bytes) -> bool:
    return Path(path).suffix.lower() in PICTURE_SUFFIXES | CARRIER_SUFFIXES or PICTURE_STARTS.match(start) is not None


def test_no_file_is_too_large() -> None:
    assert [path for path in tracked() if (ROOT / path).stat().st_size > MAX_FILE_BYTES] == []


def test_no_picture_but_the_few_allowed() -> None:
    pictures = []
    for path in tracked():
        with (ROOT / path).open("rb") as file:
            if is_picture(path, file.read(32)):
                pictures.append(path)
    strangers = [path for path in pictures if not (fnmatch(path, ALLOWED_PICTURES) and path.count("/") == 1)]
    assert strangers == [], "a picture or film: children's data must not get here"
    assert len(pictures) <= MAX_PICTURES


def test_no_path_of_a_machine() -> None:
    assert lines_with(MACHINE_PATHS) == []


def test_no_registry_host() -> None:
    assert lines_with(REGISTRY_HOSTS) == []


def test_no_lock_file() -> None:
    assert [path for path in tracked() if LOCK_FILES.search(path)] == [], "lock files name hosts; pins stand in pyproject.toml"


def test_no_module_is_too_long() -> None:
    modules = [path for path in tracked() if path.startswith(("workers/", "shared/")) and path.endswith(".py")]
    assert modules
    lengths = {path: len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in modules}
    assert {path: length for path, length in lengths.items() if length > MAX_CODE_LINES} == {}


@pytest.mark.parametrize(
    ("pattern", "hit"),
    [
        (MACHINE_PATHS, "data = '/{}/data'".format("work")),
        (MACHINE_PATHS, "cd /{}/anna/x".format("home")),
        (REGISTRY_HOSTS, "https://{}.org/simple".format("pypi")),
        (REGISTRY_HOSTS, "http://my-{}.local:8080/".format("mirror")),
        (LOCK_FILES, "uv.lock"),
        (LOCK_FILES, "web/package-lock.json"),
    ],
)
def test_patterns_do_hit(pattern: re.Pattern[str], hit: str) -> None:
    assert pattern.search(hit)


@pytest.mark.parametrize("harmless", ["../shared/data", "target=/root/.cache/uv", "a/work/b", "https://host/work", "/var/lib/x"])
def test_paths_of_no_machine_pass(harmless: str) -> None:
    assert not MACHINE_PATHS.search(harmless)


@pytest.mark.parametrize("start", [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8", b"\0\0\0\x20ftypisom"])
def test_a_picture_is_known_under_any_name(start: bytes) -> None:
    assert is_picture("tests/data/labels.txt", start)
    assert not is_picture("README.md", b"# smilereel\n")
