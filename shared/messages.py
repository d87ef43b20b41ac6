"""One typed, versioned message a hop: ids and store keys only, never pixels, paths or names; each stays far below 64 KB.

A segment travels decode -> detect -> crop -> classify; the chord hands the list of results to pick -> assemble -> publish.
Celery carries plain JSON objects: `dump` writes them, `load` reads and checks them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from .frame import FramePack, StoreKey
from .lesson import LessonId, Segment

MAX_MESSAGE_BYTES = 64 * 1024


class Message(BaseModel):
    """What all messages carry: `work_version` names the pipeline and the settings that the work was started with, `generation`
    the sending of the lesson that they belong to (0: any). Keys that a later release adds are passed over.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: Literal[1] = 1
    lesson_id: LessonId
    work_version: str
    generation: int = Field(default=0, ge=0)


class SegmentMessage(Message):
    """A message that speaks of one segment."""

    segment: Segment


class SegmentPlanned(SegmentMessage):
    """plan -> decode: sample one frame a second of this span."""

    kind: Literal["segment_planned"] = "segment_planned"


class FramesDecoded(SegmentMessage):
    """decode -> detect."""

    kind: Literal["frames_decoded"] = "frames_decoded"
    frames: FramePack


class FacesDetected(SegmentMessage):
    """detect -> crop."""

    kind: Literal["faces_detected"] = "faces_detected"
    frames: FramePack
    detections_key: StoreKey
    n_faces: int = Field(ge=0)


class FacesCropped(SegmentMessage):
    """crop -> classify."""

    kind: Literal["faces_cropped"] = "faces_cropped"
    detections_key: StoreKey
    crops_key: StoreKey
    n_faces: int = Field(ge=0)


class FacesClassified(SegmentMessage):
    """classify -> the chord's body."""

    kind: Literal["faces_classified"] = "faces_classified"
    detections_key: StoreKey
    crops_key: StoreKey
    scores_key: StoreKey


class SegmentSkipped(SegmentMessage):
    """Takes the place of any of the above: the lesson goes on without this segment, and its record says why."""

    kind: Literal["segment_skipped"] = "segment_skipped"
    stage: str
    fault: Literal["input", "ours"]
    reason: str = Field(max_length=500)


class MomentsPicked(Message):
    """pick -> assemble."""

    kind: Literal["moments_picked"] = "moments_picked"
    outcome_key: StoreKey
    n_moments: int = Field(ge=0)


class ReelAssembled(Message):
    """assemble -> publish; `reel_key` is None where the lesson gets no reel."""

    kind: Literal["reel_assembled"] = "reel_assembled"
    outcome_key: StoreKey
    reel_key: StoreKey | None = None


AnyMessage = Annotated[
    SegmentPlanned
    | FramesDecoded
    | FacesDetected
    | FacesCropped
    | FacesClassified
    | SegmentSkipped
    | MomentsPicked
    | ReelAssembled,
    Field(discriminator="kind"),
]
ANY_MESSAGE: TypeAdapter[AnyMessage] = TypeAdapter(AnyMessage)
M = TypeVar("M", bound=Message)


def dump(message: Message) -> dict[str, Any]:
    """The message as Celery carries it."""
    return message.model_dump(mode="json")


def load(payload: Any, kind: type[M]) -> M:
    """Read a message and check that it is of the expected kind.

    Raises:
        ValidationError: it is no message of ours.
        TypeError: it is another hop's message.
    """
    message = ANY_MESSAGE.validate_python(payload)
    if not isinstance(message, kind):
        raise TypeError(f"expected {kind.__name__}, not {type(message).__name__}")
    return message


def load_or_skipped(payload: Any, kind: type[M]) -> M | SegmentSkipped:
    """The same for a hop at which a segment may already have been skipped."""
    message = ANY_MESSAGE.validate_python(payload)
    return message if isinstance(message, SegmentSkipped) else load(payload, kind)
