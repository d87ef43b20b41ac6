"""What each kind of process needs. Asked by the doctor and by `preflight.py`."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final

REDIS, DATABASE, STORE, WEIGHTS, DEVICE, CODECS, FLEET = "redis", "database", "store", "weights", "device", "codecs", "fleet"

NEEDS: Final[dict[str, frozenset[str]]] = {
    "cpu": frozenset({REDIS, DATABASE, STORE, CODECS, FLEET}),
    "gpu": frozenset({REDIS, DATABASE, STORE, WEIGHTS, DEVICE, FLEET}),
    "beat": frozenset({REDIS, DATABASE}),
    "web": frozenset({REDIS, DATABASE, STORE}),
    "metrics": frozenset({REDIS, DATABASE}),
    "flower": frozenset({REDIS}),
}
# They write packs, crops and reels, and take messages from queues.
WORKERS: Final = frozenset({"cpu", "gpu"})


def release() -> str:
    """This release of smilereel; "unknown" where it runs without having been installed."""
    try:
        return version("smilereel")
    except PackageNotFoundError:
        return "unknown"
