"""Where an image's size comes from: its folder of packages in, megabytes by package out. For the budget in docs/images.md."""

from __future__ import annotations

from pathlib import Path

OURS = ("shared", "workers")
NAMED_FROM_MB = 15.0


def parts_of(packages: Path, size_bytes: int) -> dict[str, int]:
    """Millions of bytes by part; together they are the image's size, up to rounding.

    Args:
        packages: the image's site-packages.
        size_bytes: the whole image, base included.
    """
    sizes = {each.name: _bytes_below(each) / 1e6 for each in packages.iterdir()}
    ours = sum(sizes.pop(name, 0.0) for name in OURS)
    # `opencv_python_headless.libs` and its like are what a wheel brings for its own folder.
    named = {name: size for name, size in sizes.items() if size >= NAMED_FROM_MB}
    others = sum(sizes.values()) - sum(named.values())
    found = {
        "base and the rest": size_bytes / 1e6 - ours - sum(sizes.values()),
        "smilereel": ours,
        **named,
        "other packages": others,
    }
    return {name: round(size) for name, size in sorted(found.items(), key=lambda part: -part[1])}


def _bytes_below(path: Path) -> int:
    """The file's size, or that of all files below the folder."""
    files = path.rglob("*") if path.is_dir() else iter((path,))
    return sum(each.lstat().st_size for each in files if not each.is_dir() or each.is_symlink())
