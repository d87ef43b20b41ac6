"""What a person says of the worst pictures on a contact sheet in, how much of the error is the labels' out."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from workers.training.evaluation.operating import auc_row
from workers.training.evaluation.samples import Sample
from workers.training.evaluation.tables import Cell, Table

# file,verdict: made from the sheets that `--sheets` writes; the first column as in the sheets' CSV.
VERDICTS = Path(__file__).parents[1] / "labels" / "noise_verdicts.csv"
WRONG, CANNOT_TELL = "label_wrong", "cannot_tell"
KNOWN = ("label_right", WRONG, CANNOT_TELL)


def verdicts(path: Path = VERDICTS) -> dict[str, str]:
    """The verdict on each file; none where nobody has looked yet.

    Raises:
        ValueError: a verdict that nobody knows; the message names the line.
    """
    if not path.exists():
        return {}
    found = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for number, row in enumerate(csv.DictReader(stream), 2):
            if row["verdict"] not in KNOWN:
                raise ValueError(f"{path.name}, line {number}: the verdict is {row['verdict']}; choose from {', '.join(KNOWN)}.")
            found[row["file"]] = row["verdict"]
    return found


def noise_tables(key: str, title: str, of: Sample, seen: dict[str, str]) -> list[Table]:
    """The area under the curve without the labels that a person calls wrong, and without those nobody can tell; none if none was seen.

    It is an upper bound of what labels without fault would show: the sheets hold only pictures on which model and label disagree,
    and a wrong label that the model repeats is not found.
    """
    said = np.array([seen.get(file, "") for file in of.files.tolist()])
    if not (said != "").any():
        return []
    left_out = {
        "all labels": (),
        "wrong ones left out": (WRONG,),
        "those that nobody can tell left out too": (WRONG, CANNOT_TELL),
    }
    rows: list[dict[str, Cell]] = []
    for name, verdict in left_out.items():
        mask = ~np.isin(said, verdict)
        rows.append({"labels": name, "n": int(mask.sum()), **auc_row(of.at(mask))})
    note = f"Of {int((said != '').sum())} pictures looked at {int((said == WRONG).sum())} are labelled wrongly; an upper bound."
    return [Table(f"{key}.noise", f"{title}: how much of the error is the labels'", rows, [note])]
