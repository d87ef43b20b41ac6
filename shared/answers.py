"""What the client answers: a job, a reel, a receipt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from .states import LessonState


@dataclass(frozen=True, slots=True)
class Job:
    """The answer to an enqueued lesson: `sent` is False where Redis was away or the lesson is in hand; the ledger keeps it anyhow."""

    lesson_id: str
    state: LessonState
    created: bool
    sent: bool


@dataclass(frozen=True, slots=True)
class Erasure:
    """A receipt: whose data were erased, when, and what is left to be cleared by the workers within minutes.

    `store_cleared` is False where the store could not be used from here; `pending` names the lessons of which messages may still be
    under way: nobody processes them any more, and the next sweep takes them out.
    """

    subject: Literal["lesson", "pupil"]
    subject_id: str
    lesson_ids: tuple[str, ...]
    erased_at: datetime
    store_cleared: bool
    pending: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PublishedReel:
    """A reel that may be shown now.

    `address` and `poster_address` are signed and end at `expires_at` where the store is S3; of a folder they are `file://` addresses.
    `alt` says in English what is to be seen; `shared.mail.words` has it in other languages.
    """

    lesson_id: str
    address: str
    poster_address: str
    width: int
    height: int
    bytes: int
    frames: int
    alt: str
    created_at: datetime
    expires_at: datetime | None = None
