"""What an evaluation is asked for. `running` makes one, each model's tables read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the pictures and the baselines lie, each n-th picture, where drawings and sheets go (None: nowhere)."""

    data: Path
    baselines: Path
    every: int = 1
    drawings: Path | None = None
    sheets: Path | None = None
