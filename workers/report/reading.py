"""A lesson's published files as typed values: `lesson.json` and `seconds.csv` in, `LessonData` out. Pure; `page.py` calls it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from shared.errors import LessonInvalid
from shared.lesson import Side

SCHEMA_VERSION = 1
# Above the longest lesson that any setting allows: a longer file is none of ours.
MOST_SECONDS = 200_000
COUNTS = ("faces", "child_faces", "adult_faces")
PROBABILITIES = ("p_smile", "p_adult_face", "p_parent_shoulder")
COLUMNS = ("second", "student_on", "teacher_on", *COUNTS, *PROBABILITIES)


class _Part(BaseModel):
    # Keys that a later release adds do not concern the page.
    model_config = ConfigDict(extra="ignore", frozen=True)


class Span(_Part):
    """Wall-clock times, half-open."""

    from_: AwareDatetime = Field(alias="from")
    to: AwareDatetime


class PickedMoment(_Part):
    """One moment of the reel, as far as the page shows it."""

    pts_seconds: FiniteFloat = Field(ge=0)
    at: AwareDatetime
    p_smile: float | None = Field(default=None, ge=0, le=1)


class SkippedPart(_Part):
    """A recording, or lesson seconds `[from_second, to_second)` of one, that could not be used."""

    side: Side
    recording: int
    uri: str | None = None
    from_second: int | None = None
    to_second: int | None = None
    reason: str


class LessonDocument(_Part):
    """`lesson.json`; `parent_shoulder` is None where the release that wrote it did not look for ranges."""

    schema_version: int
    lesson_id: str
    status: str
    reason: str | None = None
    reason_detail: str | None = None
    subject: str = "child"
    bounded_by: str = "both"
    clock: str = "recorded"
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    disconnects: dict[Side, list[Span]] = {}
    moments: list[PickedMoment] = []
    parent_shoulder: list[Span] | None = None
    skipped: list[SkippedPart] = []


@dataclass(frozen=True, slots=True)
class Second:
    """One row of `seconds.csv`: counts are None where no frame was looked at, probabilities (0..1) where there is none to tell."""

    student_on: bool
    teacher_on: bool | None
    faces: int | None
    child_faces: int | None
    adult_faces: int | None
    p_smile: float | None
    p_adult_face: float | None
    p_parent_shoulder: float | None


@dataclass(frozen=True, slots=True)
class LessonData:
    """What the page tells of; `seconds` is None where the per-second data may not be shown or is no longer kept."""

    document: LessonDocument
    seconds: tuple[Second, ...] | None

    @property
    def n_seconds(self) -> int:
        """Length of the time axis in whole seconds, at least 1."""
        length = (self.document.ends_at - self.document.starts_at).total_seconds()
        return max(1, len(self.seconds or ()) or ceil(length))

    def spans(self, spans: list[Span]) -> list[tuple[float, float]]:
        """The same in seconds of the lesson, cut to its bounds; empty ones are left out."""
        start = self.document.starts_at
        cut = [((span.from_ - start).total_seconds(), (span.to - start).total_seconds()) for span in spans]
        inside = [(max(begin, 0.0), min(end, float(self.n_seconds))) for begin, end in cut]
        return [(begin, end) for begin, end in inside if end > begin]

    def without_smiles(self) -> LessonData:
        """The same without smile scores."""
        moments = [moment.model_copy(update={"p_smile": None}) for moment in self.document.moments]
        seconds = None if self.seconds is None else tuple(replace(second, p_smile=None) for second in self.seconds)
        return LessonData(self.document.model_copy(update={"moments": moments}), seconds)


def read_lesson(lesson_json: bytes, seconds_csv: bytes | None) -> LessonData:
    """Read both files.

    Raises:
        LessonInvalid: one of them is not what `smilereel` writes; names the first fault and where it stands.
    """
    try:
        document = LessonDocument.model_validate_json(lesson_json)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in fault["loc"]) or "the document"
        raise LessonInvalid(f"The file lesson.json is no lesson's record: {place}: {fault['msg']}.") from None
    if document.schema_version != SCHEMA_VERSION:
        raise LessonInvalid(f"The file lesson.json has schema version {document.schema_version}; this release reads version 1.")
    length = (document.ends_at - document.starts_at).total_seconds()
    if not 0 <= length <= MOST_SECONDS:
        raise LessonInvalid("The file lesson.json is no lesson's record: ends_at is before starts_at or days after it.")
    return LessonData(document, None if seconds_csv is None else read_seconds(seconds_csv))


def read_seconds(seconds_csv: bytes) -> tuple[Second, ...]:
    """The rows of `seconds.csv`, second by second from 0.

    Raises:
        LessonInvalid: names the line and what is wrong with it.
    """
    try:
        rows = csv.DictReader(io.StringIO(seconds_csv.decode("utf-8"), newline=""), strict=True)
        if missing := [name for name in COLUMNS if name not in (rows.fieldnames or ())]:
            raise LessonInvalid(f"The file seconds.csv has no column {missing[0]!r}; give the file that `smilereel` wrote.")
        seconds: list[Second] = []
        for row in rows:
            if len(seconds) == MOST_SECONDS:
                raise LessonInvalid(
                    f"The file seconds.csv has more than {MOST_SECONDS} rows; give the file that `smilereel` wrote."
                )
            seconds.append(_second(row, len(seconds), rows.line_num))
    except UnicodeDecodeError:
        raise LessonInvalid("The file seconds.csv is no UTF-8 text; give the file that `smilereel` wrote.") from None
    except csv.Error as error:
        raise LessonInvalid(f"The file seconds.csv cannot be read: {error}; give the file that `smilereel` wrote.") from None
    return tuple(seconds)


def _second(row: Mapping[str, str | None], expected: int, line: int) -> Second:
    try:
        _check_order(row["second"], expected)
        student_on, teacher_on = _flag(row["student_on"]), _flag(row["teacher_on"])
        counts = [None if not (text := row[name]) else _count(text) for name in COUNTS]
        probabilities = [None if not (text := row[name]) else _probability(text) for name in PROBABILITIES]
    except ValueError as error:
        raise LessonInvalid(f"The file seconds.csv cannot be read: line {line}: {error}.") from None
    return Second(bool(student_on), teacher_on, *counts, *probabilities)


def _check_order(text: str | None, expected: int) -> None:
    if text != str(expected):
        raise ValueError(f"it should be second {expected}")


def _flag(text: str | None) -> bool | None:
    if text not in {"0", "1", "", None}:
        raise ValueError("a camera is 1 (on), 0 (off) or empty (not known)")
    return None if not text else text == "1"


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise ValueError("a number of faces is a whole number")
    return int(text)


def _probability(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ValueError("a probability lies between 0 and 1")
    return value
