"""A reliability table in, a chart out: how often it is true beside how probable the model says it is. `--drawings` calls it."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from workers.training.evaluation.calibration import Reliability

COLOUR = "#1f5fa8"


def draw_reliability(model: str, question: str, found: Reliability, folder: Path) -> Path:
    """Writes `reliability-MODEL.svg` into the folder and returns its path; the same figures give the same file."""
    used = [one for one in found.bins if one.n]
    # A fixed salt and no date, so that the file changes only when the figures do.
    with mpl.rc_context({"svg.hashsalt": "smilereel", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(4.2, 4.4), layout="constrained")
        curve, numbers = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
        curve.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="--", label="as said")
        curve.plot([one.said for one in used], [one.true for one in used], color=COLOUR, marker="o", label="measured")
        curve.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that is true")
        curve.set_title(f"{question}\nexpected calibration error {found.ece:.3f}, Brier score {found.brier:.3f}", fontsize=9)
        curve.legend(loc="upper left", frameon=False)
        width = 1 / len(found.bins)
        numbers.bar([one.low for one in found.bins], [one.n for one in found.bins], width, align="edge", color=COLOUR, alpha=0.6)
        numbers.set(xlabel="probability said by the model", ylabel="pictures")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"reliability-{model}.svg"
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    return path
