"""Figures in, aligned text or JSON out. Every part of the evaluation makes `Table`s, `command` prints them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from workers.training.evaluation.intervals import Estimate
from workers.training.evaluation.targets import TARGETS, Target

Cell = str | int | float | Estimate | None
# Below this many pictures a slice's figure would be noise, so only their number is shown.
SMALLEST_SLICE = 30


@dataclass(slots=True)
class Line:
    """One figure: ours, and what others reach on the same pictures (`others`: a figure, or in words why there is none)."""

    what: str
    n: int
    ours: Estimate
    others: dict[str, Estimate | str] = field(default_factory=dict)
    remark: str = ""

    @property
    def target(self) -> Target | None:
        return TARGETS.get(self.what)

    @property
    def missed(self) -> bool:
        return self.target is not None and not self.target.met(self.ours.value)


@dataclass(slots=True)
class Table:
    """A title, rows of cells by column, notes below; `lines` are the figures with targets behind the rows."""

    key: str
    title: str
    rows: list[dict[str, Cell]]
    notes: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(column for row in self.rows for column in row))

    def text(self) -> str:
        """The table as plain aligned text, figures at the right of their column."""
        columns = self.columns
        cells = [[shown(row.get(column)) for column in columns] for row in self.rows]
        widths = [max(len(column), *(len(row[place]) for row in cells)) for place, column in enumerate(columns)]
        numeric = [place > 0 and column != "against the target" for place, column in enumerate(columns)]
        lines = [self.title]
        for row in [columns, *cells]:
            padded = [
                cell.rjust(width) if right else cell.ljust(width) for cell, width, right in zip(row, widths, numeric, strict=True)
            ]
            lines.append("  " + "  ".join(padded).rstrip())
        return "\n".join(lines + [f"  {note}" for note in self.notes])

    def document(self) -> dict[str, Any]:
        """The table as JSON's values; intervals as `{value, low, high}`, what is unknown as null."""
        rows = [{column: _plain(cell) for column, cell in row.items()} for row in self.rows]
        return {"key": self.key, "title": self.title, "rows": rows, "notes": self.notes}


def target_table(key: str, title: str, lines: Sequence[Line], notes: Sequence[str] = ()) -> Table:
    """The table of headline figures: others beside ours, the interval, must, aim and whether they are met."""
    others = list(dict.fromkeys(name for line in lines for name in line.others))
    rows: list[dict[str, Cell]] = []
    for line in lines:
        row: dict[str, Cell] = {"figure": line.what, "n": line.n}
        # Why a rival has no figure stands once below the table, not in each of its cells.
        row |= {name: _figure(line.others.get(name)) for name in others}
        target = line.target
        row |= {"ours": line.ours.value, "95 %": line.ours}
        row |= {"must": target.must if target else None, "aim": target.aim if target else None}
        verdict = target.verdict(line.ours.value) if target else ""
        row["against the target"] = "; ".join(part for part in (verdict, line.remark) if part)
        rows.append(row)
    reasons = [f"{name}: {other}" for line in lines for name, other in line.others.items() if isinstance(other, str)]
    return Table(key, title, rows, [*notes, *dict.fromkeys(reasons)], list(lines))


def _figure(other: Estimate | str | None) -> float | None:
    return other.value if isinstance(other, Estimate) else None


def shown(cell: Cell) -> str:
    """A cell as text: figures with four digits, an `Estimate` in a row's interval column as its two ends."""
    if cell is None:
        return ""
    if isinstance(cell, Estimate):
        return f"{_digits(cell.low)}-{_digits(cell.high)}" if math.isfinite(cell.low) else ""
    if isinstance(cell, float):
        return _digits(cell)
    return f"{cell:,}" if isinstance(cell, int) else cell


def _digits(value: float) -> str:
    if not math.isfinite(value):
        return "-"
    text = f"{value:.4f}"
    return text[1:] if text.startswith("0") else text


def _plain(cell: Cell) -> Any:
    if isinstance(cell, Estimate):
        return {name: _finite(value) for name, value in (("value", cell.value), ("low", cell.low), ("high", cell.high))}
    return _finite(cell) if isinstance(cell, float) else cell


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
