"""The lesson as a backend hands it in (LESSON.json, version 1), and the segment as the unit of work."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
    model_validator,
)

from .errors import LessonInvalid

Side = Literal["student", "teacher"]
_LESSON_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@=+-]{0,127}")
LessonId = Annotated[str, Field(pattern=f"^{_LESSON_ID.pattern}$")]
# Stands for "nobody said when": a run of single recordings by hand begins here.
NOMINAL_START = datetime(1970, 1, 1, tzinfo=UTC)


class Subject(StrEnum):
    """Whose smiles the reel may show."""

    CHILD = "child"  # only a child, alone in the frame
    ANYONE = "anyone"  # whoever sits in front of the camera


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


def is_lesson_id(text: str) -> bool:
    """Whether a lesson could have this id."""
    return bool(_LESSON_ID.fullmatch(text))


def without_control_characters(text: str) -> bool:
    """Whether both databases could keep the text."""
    return not any(ord(sign) < 32 or 127 <= ord(sign) < 160 or 0xD800 <= ord(sign) < 0xE000 for sign in text)


def _without_control_characters(text: str) -> str:
    if not without_control_characters(text):
        raise ValueError("an id holds no control characters")
    return text


def _path_or_https(uri: str) -> str:
    """By its look; the worker checks again, and which hosts are allowed is its setting."""
    scheme, separator, _ = uri.partition("://")
    if separator and scheme != "https":
        raise ValueError(f"the scheme {scheme!r} is not allowed, give a path below the media root or an https address")
    if any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in uri):
        raise ValueError("a path holds no control characters")
    return uri


def _written_time(value: Any) -> Any:
    # Numbers would be read as seconds since 1970, a time whose offset nobody wrote down.
    if not isinstance(value, str | datetime) or (isinstance(value, str) and value.strip("+-. ").replace(".", "").isdigit()):
        raise ValueError("a time is written like 2026-11-20T10:00:00Z, with its offset from UTC")
    return value


class Recording(_Document):
    """One media file of one side, and the wall-clock time at which it began."""

    uri: Annotated[str, AfterValidator(_path_or_https)] = Field(
        min_length=1,
        max_length=4096,
        description="Path of the media file, relative ones from the media root; or an https address of a host that the workers allow.",
    )
    started_at: Annotated[AwareDatetime, BeforeValidator(_written_time)] = Field(
        description="When the recording began, ISO 8601 with an offset from UTC."
    )


class Consent(_Document):
    """What the family agreed to, purpose by purpose; nothing by default."""

    process: bool = Field(default=False, strict=True, description="The recordings may be looked at by the models.")
    reel: bool = Field(default=False, strict=True, description="A GIF may be made.")
    email: bool = Field(default=False, strict=True, description="The GIF may be sent to the parents.")
    analytics: bool = Field(default=False, strict=True, description="Per-second data may be kept for analysts.")
    training: bool = Field(default=False, strict=True, description="Pictures may be labelled to train models.")


class Lesson(_Document):
    """Everything that a lesson's processing starts from.

    Raises:
        ValidationError: an unknown key, a time without an offset, recordings of one side out of order. `parse_lesson`
            turns it into one sentence.
    """

    lesson_id: LessonId = Field(description="The backend's own id; letters, digits and ._:@=+-")
    student: tuple[Recording, ...] = Field(min_length=1, max_length=1000, description="The pupil's recordings, in order.")
    teacher: tuple[Recording, ...] = Field(
        default=(), max_length=1000, description="The teacher's recordings, in order; without any, the student's times bound it."
    )
    consent: Consent = Field(default=Consent(), description="What the family agreed to.")
    subject: Subject = Field(default=Subject.CHILD, description="Whose smiles the reel may show.")
    pupil_id: Annotated[str, AfterValidator(_without_control_characters)] | None = Field(
        default=None, min_length=1, max_length=128, description="The backend's id of the pupil."
    )

    @model_validator(mode="after")
    def _recordings_in_order(self) -> Lesson:
        for side in (self.student, self.teacher):
            for earlier, later in itertools.pairwise(side):
                if later.started_at < earlier.started_at:
                    raise ValueError(
                        f"recordings stand in the wrong order: {later.started_at.isoformat()} comes after a later time"
                    )
        return self

    def recordings(self, side: Side) -> tuple[Recording, ...]:
        return self.student if side == "student" else self.teacher

    def content_sha256(self) -> str:
        """The same for the same lesson however its document was written; used to notice other content under one id."""
        document = self.model_dump(mode="json")
        for side in ("student", "teacher"):
            for recording in document[side]:
                recording["started_at"] = datetime.fromisoformat(recording["started_at"]).timestamp()
        return sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def parse_lesson(document: Mapping[str, Any] | str | bytes) -> Lesson:
    """Accept a lesson from JSON text or a mapping.

    Raises:
        LessonInvalid: with one sentence that names the first fault and where it stands.
    """
    try:
        if isinstance(document, str | bytes):
            return Lesson.model_validate_json(document)
        return Lesson.model_validate(document)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in fault["loc"]) or "the document"
        text = fault["msg"].removeprefix("Value error, ")
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise LessonInvalid(f"The lesson was refused: {place}: {text}{more}.") from None


class Segment(BaseModel):
    """A half-open span `[start_second, end_second)` of the lesson that lies in one of the student's recordings.

    The unit of one batch and of one retry. `pts_offset_seconds` is the decoder's own time at lesson second 0, so that
    `decoder's time = lesson second + pts_offset_seconds`.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    index: int = Field(ge=0)
    recording_index: int = Field(ge=0)
    start_second: int = Field(ge=0)
    end_second: int = Field(gt=0)
    pts_offset_seconds: FiniteFloat

    @model_validator(mode="after")
    def _not_empty(self) -> Segment:
        if self.end_second <= self.start_second:
            raise ValueError(f"a segment needs at least one second, not [{self.start_second}, {self.end_second})")
        return self


def at_second(starts_at: datetime, seconds: float) -> datetime:
    """The wall-clock time so many seconds into the lesson."""
    return starts_at + timedelta(seconds=seconds)


def is_nominal(time: datetime) -> bool:
    """Whether this time only counts from the nominal start, as nobody said when the recordings began."""
    return time < NOMINAL_START + timedelta(days=1)
