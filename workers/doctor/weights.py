"""The released weights against their manifest, without torch. Asked by the doctor and by `preflight.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path
from typing import Any

from .findings import Finding, failure, ok

FOLDER = Path(__file__).parents[1] / "gpu" / "weights"
# As in `workers/gpu/weights.py`, which needs torch.
NAMES = ("detector", "smile", "age", "shoulder")
RESTORE = "restore the file from the release."


def check_weights(folder: Path = FOLDER) -> Iterator[Finding]:
    """Read every file; 18 MB take about a twentieth of a second."""
    try:
        manifest: Any = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        wanted = {name: (str(manifest[name]["file"]), str(manifest[name]["sha256"])) for name in NAMES}
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield failure("weights.manifest", f"The weights' manifest.json cannot be read ({type(error).__name__})", RESTORE)
        return
    yield ok("weights.manifest", "The weights' manifest names all four models.")
    for name, (file, expected) in wanted.items():
        fault = _fault(folder / file, expected)
        if fault:
            yield failure("weights.hash", f"The weights {file} of {name} {fault}", RESTORE)
        else:
            yield ok("weights.hash", f"The weights of {name} have the manifest's SHA-256.")


def _fault(path: Path, expected: str) -> str:
    try:
        with path.open("rb") as file:
            found = file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return "" if found == expected else "do not have the SHA-256 of the manifest"
