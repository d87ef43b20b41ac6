"""Which weights a lesson is looked at with: their name is part of the work's version, so that no lesson is looked at with two.

The plan stage chooses (`cpu/rules.py`), the GPU room keeps to it (`gpu/other_weights.py`).
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Final

from shared.settings import Settings

# Of this release, for the image of the CPU room, which holds no weights; a test compares it with the manifest.
RELEASED: Final = "4ed81d63b5fa"
STAND_IN: Final = "stand_in"
MANIFEST = Path(__file__).parent / "gpu" / "weights" / "manifest.json"


def wanted_weights(settings: Settings) -> str:
    """The weights that a lesson planned now is to be looked at with: as the settings say, those beside this code, or the release's."""
    if settings.weights or settings.models == "stand_in":
        return settings.weights or STAND_IN
    try:
        entries = json.loads(MANIFEST.read_text(encoding="utf-8"))
        return sha256("".join(str(entry["sha256"]) for entry in entries.values()).encode()).hexdigest()[:12]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return RELEASED


def with_weights(work_version: str, weights: str) -> str:
    """The work's version that says so."""
    return f"{work_version}-{weights}"


def weights_of(work_version: str) -> str | None:
    """What the version says; None where an older release made it."""
    return work_version.partition("-")[2] or None
