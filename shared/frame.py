"""Where sampled frames and face crops lie: claim checks, no pixels."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from .stores.rules import is_key


def _plain(key: str) -> str:
    if not is_key(key):
        raise ValueError("this is no key of the store")
    return key


StoreKey = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(_plain)]


class FrameRef(BaseModel):
    """The name of one sampled frame inside a pack.

    `pts_seconds` is the decoded frame's own time counted from the lesson's start; `width` and `height` are the stored
    picture's, `source_width` and `source_height` those of the upright, square-pixel original.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    second: int = Field(ge=0)
    pts_seconds: float
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    source_width: int = Field(gt=0)
    source_height: int = Field(gt=0)


class FramePack(BaseModel):
    """A segment's frames as one object in the store."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    key: StoreKey
    n_frames: int = Field(ge=0)
