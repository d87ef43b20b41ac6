"""A moment is one picked smile, a reel the GIF's record; and why a lesson may have none."""

from __future__ import annotations

from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class NoReelReason(StrEnum):
    """Why a lesson was processed and has no reel; each member explains itself to a person."""

    TOO_SHORT = "too_short"
    NO_CONSENT = "no_consent"
    NO_FACE = "no_face"
    NO_CHILD_ALONE = "no_child_alone"
    TOO_FEW_SMILES = "too_few_smiles"
    NOTHING_READABLE = "nothing_readable"

    @property
    def explanation(self) -> str:
        return _EXPLANATIONS[self]


_EXPLANATIONS = {
    NoReelReason.TOO_SHORT: "the lesson is shorter than a reel needs",
    NoReelReason.NO_CONSENT: "the family did not agree to a reel",
    NoReelReason.NO_FACE: "no face was seen",
    NoReelReason.NO_CHILD_ALONE: "the child was never seen well and alone in the picture",
    NoReelReason.TOO_FEW_SMILES: "there were too few good smiles",
    NoReelReason.NOTHING_READABLE: "no second of the recordings could be read",
}


class Moment(BaseModel):
    """One picked smile.

    `box_xyxy` is in pixels of the upright, square-pixel original frame (`frame_width` x `frame_height`); `p_smile` is None
    where smile scores may not be written out.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    second: int
    pts_seconds: float
    at: AwareDatetime
    recording_index: int
    p_smile: float | None = Field(ge=0, le=1)
    p_child: float = Field(ge=0, le=1)
    p_parent_shoulder: float = Field(ge=0, le=1)
    box_xyxy: tuple[float, float, float, float]
    frame_width: int
    frame_height: int
    quality: float | None = Field(default=None, description="Sharpness, light and pose of the face, 0..1.")


class Reel(BaseModel):
    """The GIF's record."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    frames: int
    width: int
    height: int
    bytes: int
