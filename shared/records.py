"""What stages leave in the store for later ones: the plan of a lesson, what was seen in its frames, and the outcome."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from .frame import FrameRef
from .lesson import Segment, Side, Subject
from .reel import Moment, NoReelReason

XYXY = tuple[float, float, float, float]


class Record(BaseModel):
    """Base of the records; values do not change. Keys that a later release adds are passed over: its workers may run beside ours."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Disconnect(Record):
    """A camera was off inside the lesson."""

    from_: AwareDatetime = Field(alias="from")
    to: AwareDatetime

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


class Skipped(Record):
    """Something that could not be used: a whole recording (no seconds given) or seconds `[from_second, to_second)` of the lesson."""

    side: Side
    recording: int
    uri: str | None = None
    from_second: int | None = None
    to_second: int | None = None
    reason: str


class LessonPlan(Record):
    """The lesson's bounds, who was on when, and the units of work."""

    lesson_id: str
    subject: Subject
    reel_allowed: bool
    bounded_by: Literal["both", "student"]
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    n_seconds: int
    disconnects: dict[Side, list[Disconnect]]
    student_on: list[bool]
    teacher_on: list[bool]
    segments: list[Segment]
    skipped: list[Skipped]

    @property
    def seconds(self) -> float:
        return (self.ends_at - self.starts_at).total_seconds()


class FrameFaces(Record):
    """One sampled frame and the faces in it; boxes in pixels of the stored picture, best first."""

    frame: FrameRef
    boxes: list[XYXY]
    scores: list[float]
    p_parent_shoulder: float


class SegmentFaces(Record):
    """All sampled frames of a segment; seconds without a readable frame are in `unreadable`.

    `shoulder_threshold` is the released operating point of the model that gave each frame's `p_parent_shoulder`.
    """

    frames: list[FrameFaces]
    unreadable: list[int] = []
    shoulder_threshold: float = Field(gt=0, lt=1)


class FaceReading(Record):
    """One face with all that is known of it, as the choice of moments and the per-second data need it.

    `p_child` is joined over neighbouring seconds, `p_child_alone` what this frame alone says (None: nothing was joined);
    `p_smile` is None once smile scores were deleted.
    """

    box_xyxy: XYXY
    score: float
    p_child: float
    p_child_alone: float | None = None
    p_smile: float | None
    quality: float
    thumbnail: list[int]


class FrameReading(Record):
    """One sampled frame with its faces; `recording_index` tells whose picture it is."""

    frame: FrameRef
    recording_index: int
    p_parent_shoulder: float
    faces: list[FaceReading]


class ShoulderRange(Record):
    """Lesson seconds `[start_second, end_second)` in which a parent sits beside the child without a face in view."""

    start_second: int = Field(ge=0)
    end_second: int


class Readings(Record):
    """All that was seen in a lesson, second by second, and what could not be read."""

    frames: list[FrameReading]
    skipped: list[Skipped]
    shoulder_ranges: list[ShoulderRange] = []

    def without_smiles(self) -> Readings:
        """The same without smile scores."""
        frames = [
            frame.model_copy(update={"faces": [face.model_copy(update={"p_smile": None}) for face in frame.faces]})
            for frame in self.frames
        ]
        return self.model_copy(update={"frames": frames})


class Outcome(Record):
    """What became of a lesson: moments, or the reason why there are none."""

    moments: list[Moment]
    reason: NoReelReason | None
    detail: str | None = None

    def without_smiles(self) -> Outcome:
        """The same without smile scores."""
        return self.model_copy(update={"moments": [moment.model_copy(update={"p_smile": None}) for moment in self.moments]})


class StageProgress(Record):
    """How far a stage is: runs that ended, their seconds of work, the frames or faces they handled, open attempts, runs given up."""

    finished: int
    seconds: float
    items: int
    attempts: int
    skipped: int = 0


def to_iso(time: datetime) -> str:
    """UTC with a Z, milliseconds only where there are any."""
    text = time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return text.replace(".000Z", "Z")
