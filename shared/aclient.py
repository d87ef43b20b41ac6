"""The client for asyncio: the same calls, each in a thread, so that the loop does not wait for the database."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Mapping
from typing import Any, Literal

from . import client
from .answers import Erasure, Job, PublishedReel
from .lesson import Consent, Lesson
from .progress import LessonStatus
from .settings import Settings


async def enqueue_lesson(
    lesson: Lesson | Mapping[str, Any] | str, *, bulk: bool = False, settings: Settings | None = None
) -> Job:
    """See `client.enqueue_lesson`."""
    return await to_thread(client.enqueue_lesson, lesson, bulk=bulk, settings=settings)


async def lesson_status(lesson_id: str, *, settings: Settings | None = None) -> LessonStatus | None:
    """See `client.lesson_status`."""
    return await to_thread(client.lesson_status, lesson_id, settings=settings)


async def find_reel(
    lesson_id: str, *, purpose: Literal["reel", "email"] = "reel", settings: Settings | None = None
) -> PublishedReel | None:
    """See `client.find_reel`."""
    return await to_thread(client.find_reel, lesson_id, purpose=purpose, settings=settings)


async def reprocess(lesson_id: str, *, bulk: bool = False, settings: Settings | None = None) -> Job:
    """See `client.reprocess`."""
    return await to_thread(client.reprocess, lesson_id, bulk=bulk, settings=settings)


async def cancel(lesson_id: str, *, settings: Settings | None = None) -> bool:
    """See `client.cancel`."""
    return await to_thread(client.cancel, lesson_id, settings=settings)


async def change_consent(lesson_id: str, consent: Consent, *, settings: Settings | None = None) -> None:
    """See `client.change_consent`."""
    await to_thread(client.change_consent, lesson_id, consent, settings=settings)


async def erase_lesson(lesson_id: str, *, settings: Settings | None = None) -> Erasure:
    """See `client.erase_lesson`."""
    return await to_thread(client.erase_lesson, lesson_id, settings=settings)


async def erase_pupil(pupil_id: str, *, settings: Settings | None = None) -> Erasure:
    """See `client.erase_pupil`."""
    return await to_thread(client.erase_pupil, pupil_id, settings=settings)
