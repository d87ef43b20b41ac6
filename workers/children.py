"""What a worker's pool processes tell its main one, by small files in a folder: that they are warm, or that they cannot go on.

Celery's own ways are closed here: before the worker takes work no result is read, and a failed card must not wait for one.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

# In the environment, since a spawned child inherits nothing else.
FOLDER = "SMILECHILDREN_FOLDER"
_STOPPED, _BROKEN = "stopped", "broken"
PATIENCE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Warm:
    """A process has its models and has run a batch through each."""

    process_id: int
    device: str
    weights: str
    load_seconds: float
    warm_seconds: float


def make_folder() -> None:
    """In the main process, before the pool starts; it goes with the process."""
    folder, owner = tempfile.mkdtemp(prefix="smilereel-children-"), os.getpid()
    os.environ[FOLDER] = folder

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)


def _folder() -> Path | None:
    name = os.environ.get(FOLDER)
    return Path(name) if name else None


def tell_warm(device: str, weights: str, load_seconds: float, warm_seconds: float) -> None:
    """From a child: it is ready."""
    warm = Warm(os.getpid(), device, weights, round(load_seconds, 3), round(warm_seconds, 3))
    _write(f"warm-{warm.process_id}", json.dumps(asdict(warm)))


def tell_broken(sentence: str) -> None:
    """From a child: it cannot work, and nobody in its place could."""
    _write(f"{_BROKEN}-{os.getpid()}", sentence)


def give_up(sentence: str) -> None:
    """From a child in the middle of a task: say so, and wait until the worker takes no more work, lest the next task comes here."""
    tell_broken(sentence)
    folder, deadline = _folder(), time.monotonic() + PATIENCE_SECONDS
    while folder is not None and time.monotonic() < deadline and not (folder / _STOPPED).exists():
        time.sleep(0.05)


def tell_stopped() -> None:
    """From the main process: no more work is taken."""
    _write(_STOPPED, "")


def warm_children() -> list[Warm]:
    """Who has told so, in the main process; of a dead child's successor the entry is another one."""
    folder = _folder()
    names = sorted(folder.glob("warm-*")) if folder else []
    return [Warm(**json.loads(name.read_text())) for name in names]


def broken() -> str | None:
    """What a broken child said; None while none is."""
    folder = _folder()
    names = sorted(folder.glob(f"{_BROKEN}-*")) if folder else []
    return names[0].read_text() if names else None


def _write(name: str, text: str) -> None:
    folder = _folder()
    if folder is None:
        return
    half = folder / f".{name}"
    half.write_text(text)
    half.replace(folder / name)
