"""Where training looks for pictures and puts what it makes; light enough for the command line's parser to import."""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
DEFAULT_DATA = PROJECT.parent / "shared" / "data"
DEFAULT_BASELINES = PROJECT.parent / "shared" / "baselines"
DEFAULT_WORK = PROJECT / ".training"
DEFAULT_WEIGHTS = DEFAULT_WORK / "weights"
