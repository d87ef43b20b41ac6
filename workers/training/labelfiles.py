"""A person's label files in, checked rows out, each on its side of the split. `own_pictures` reads the pictures that they name.

What each model takes (columns in brackets may be left out; a first line names them; paths count from the CSV's folder):

    smile     file,label            label: smile, none, unsure
    age       file,age              years
    detector  file,x1,y1,x2,y2      pixels of the picture; four empty cells: a picture without a face
    shoulder  file,label            label: parent, none, unsure
              file,start_seconds,end_seconds,label     a video's ranges
    all       [person]              whom the picture shows; without it each file stands for itself
              [split]               train, valid or test instead of what the person's name decides

Rows with an empty label or age, or `unsure`, are passed over. The columns that `smilereel prelabel` adds are passed over too.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import cast, get_args

from shared.errors import LabelsInvalid
from workers.training.splits import Split, split_of

NEEDED = {
    "smile": ("file", "label"),
    "age": ("file", "age"),
    "detector": ("file", "x1", "y1", "x2", "y2"),
    "shoulder": ("file", "label"),
}
CLASSES = {"smile": ("smile", "none", "unsure"), "shoulder": ("parent", "none", "unsure")}
CORNERS = ("x1", "y1", "x2", "y2")
# `person` and `split` mean something, the others are notes of whoever made the file.
OPTIONAL = ("person", "split", "start_seconds", "end_seconds", "label", "age", "score", "p_smile", "p_child", "p_shoulder")
NOTES = ("uncertainty", "frame", "by", "created_at")
OLDEST = 120


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One line: the picture's `path`, its name as typed, whom it shows, the side on which that person stands, and the cells."""

    table: Path
    line: int
    path: Path
    name: str
    person: str
    side: Split
    cells: dict[str, str]

    def fault(self, text: str) -> LabelsInvalid:
        """An error that names file and line."""
        return LabelsInvalid(f"{self.table}, line {self.line}: {text}.")

    def number(self, column: str) -> float:
        """A cell as a number.

        Raises:
            LabelsInvalid: it is none.
        """
        try:
            value = float(self.cells[column])
        except ValueError:
            value = float("nan")
        if not isfinite(value):
            raise self.fault(f"{column} is “{self.cells[column]}”, which is no number")
        return value


def read_labels(model: str, tables: Sequence[Path]) -> list[LabelRow]:
    """The rows of a model's label files, in order.

    Raises:
        LabelsInvalid: a file cannot be read, has a column or a class that nobody knows, names a picture that is not there, or puts
            one person on two sides of the split.
    """
    rows = [row for table in tables for row in _rows(model, table)]
    _refuse_shared(rows)
    return rows


def _rows(model: str, table: Path) -> Iterable[LabelRow]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            _check_columns(model, table, reader.fieldnames)
            for cells in reader:
                yield _row(model, table, reader.line_num, cells)
    except OSError as error:
        raise LabelsInvalid(f"The label file {table} cannot be read: {error.strerror}; check its path.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise LabelsInvalid(f"The label file {table} is no CSV in UTF-8 ({error}); save it as one.") from error


def _check_columns(model: str, table: Path, columns: Sequence[str] | None) -> None:
    if not columns:
        raise LabelsInvalid(f"The label file {table} is empty; its first line names the columns: {','.join(NEEDED[model])}.")
    if missing := [name for name in NEEDED[model] if name not in columns]:
        raise LabelsInvalid(f"The label file {table} has no column {missing[0]}; for {model} it needs {','.join(NEEDED[model])}.")
    known = {*NEEDED[model], *OPTIONAL, *NOTES}
    if unknown := [name for name in columns if name not in known]:
        raise LabelsInvalid(
            f"The label file {table} has a column “{unknown[0]}” that nobody knows; {model} takes {','.join(NEEDED[model])} "
            f"and, if you like, {','.join((*OPTIONAL[:2], *NOTES))}."
        )


def _row(model: str, table: Path, line: int, cells: dict[str, str]) -> LabelRow:
    where = f"{table}, line {line}"
    # csv puts what is too much under None, and None where a cell is missing.
    if None in cells or None in cells.values():
        raise LabelsInvalid(f"{where}: the line has another number of cells than the first line.")
    cells = {key: value.strip() for key, value in cells.items()}
    name = cells["file"]
    path = table.parent / name
    if not name or not path.is_file():
        raise LabelsInvalid(f"{where}: there is no file “{name}” (paths count from the folder of {table.name}).")
    if model in CLASSES and cells["label"] not in (*CLASSES[model], ""):
        raise LabelsInvalid(f"{where}: “{cells['label']}” is no label of {model}; choose from {', '.join(CLASSES[model])}.")
    person = cells.get("person") or name
    wished = cells.get("split", "")
    if wished not in ("", *get_args(Split)):
        raise LabelsInvalid(f"{where}: “{wished}” is no split; choose from {', '.join(get_args(Split))}, or leave it empty.")
    side = cast(Split, wished) if wished else split_of(person)
    return LabelRow(table, line, path, name, person, side, cells)


def _refuse_shared(rows: Iterable[LabelRow]) -> None:
    """One person stands on one side, and one picture shows one person."""
    sides: dict[str, LabelRow] = {}
    people: dict[Path, LabelRow] = {}
    for row in rows:
        first = sides.setdefault(row.person, row)
        if first.side != row.side:
            raise row.fault(
                f"“{row.person}” stands in the {row.side} split here and in the {first.side} split in line {first.line}; "
                "what is measured on a person from training means nothing, so give each person one split"
            )
        first = people.setdefault(row.path.resolve(), row)
        if first.person != row.person:
            raise row.fault(
                f"“{row.name}” shows “{row.person}” here and “{first.person}” in line {first.line}; give it one person"
            )


def refuse_known(rows: Iterable[LabelRow], public: Mapping[Path, str]) -> None:
    """Nobody of the public pictures changes sides by a label file, neither by name nor as a picture of theirs.

    Args:
        rows: the label files' rows.
        public: whom each of the public pictures shows, as their split goes by it.

    Raises:
        LabelsInvalid: a row trains on somebody of the test split, or the like.
    """
    people = set(public.values())
    for row in rows:
        person = public.get(row.path.resolve()) or (row.person if row.person in people else "")
        if person and split_of(person) != row.side:
            raise row.fault(
                f"“{person}” of the public pictures stands in the {split_of(person)} split and cannot stand in {row.side}; "
                "leave the line out"
            )


def classes(rows: Iterable[LabelRow]) -> list[tuple[LabelRow, str]]:
    """Each labelled file once, with its class; `unsure` and empty labels are left out.

    Raises:
        LabelsInvalid: two lines contradict each other about a file.
    """
    return [(row, label) for row, label in _once(rows, "label") if label not in ("", "unsure")]


def ages(rows: Iterable[LabelRow]) -> list[tuple[LabelRow, float]]:
    """Each file with an age once, in years.

    Raises:
        LabelsInvalid: an age is no number of years, or two lines contradict each other about a file.
    """
    found = []
    for row, text in _once(rows, "age"):
        if not text:
            continue
        years = row.number("age")
        if not 0 <= years <= OLDEST:
            raise row.fault(f"the age is {text}; it is years, 0 to {OLDEST}")
        found.append((row, years))
    return found


def _once(rows: Iterable[LabelRow], column: str) -> list[tuple[LabelRow, str]]:
    first: dict[Path, LabelRow] = {}
    for row in rows:
        known = first.setdefault(row.path.resolve(), row)
        if known.cells[column] != row.cells[column]:
            raise row.fault(
                f"“{row.name}” is “{row.cells[column]}” here and “{known.cells[column]}” in line {known.line}; keep one of the two"
            )
    return [(row, row.cells[column]) for row in first.values()]


def boxes(rows: Iterable[LabelRow]) -> list[tuple[LabelRow, list[tuple[LabelRow, list[float]]]]]:
    """Each picture once, with its faces' corners in pixels; none for a picture whose line has four empty cells.

    Raises:
        LabelsInvalid: a corner is no number, a box has no area, or a picture is said to be empty and to hold a face.
    """
    found: dict[Path, tuple[LabelRow, list[tuple[LabelRow, list[float]]]]] = {}
    for row in rows:
        given = [bool(row.cells[corner]) for corner in CORNERS]
        if any(given) != all(given):
            raise row.fault("some of the four corners are missing; give x1,y1,x2,y2, or none of them where there is no face")
        known = found.get(row.path.resolve())
        if known and (not any(given)) != (not known[1]):
            raise row.fault(
                f"“{row.name}” holds a face and is empty, which line {known[0].line} contradicts; keep one of the two"
            )
        faces = found.setdefault(row.path.resolve(), (row, []))[1]
        if not any(given):
            continue
        corners = [row.number(corner) for corner in CORNERS]
        if corners[2] <= corners[0] or corners[3] <= corners[1]:
            raise row.fault("the box has no area; x2 lies right of x1 and y2 below y1")
        if corners not in [other for _, other in faces]:
            faces.append((row, corners))
    return list(found.values())
