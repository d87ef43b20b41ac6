"""What a lesson backend calls: light (no torch, OpenCV or numpy), synchronous, safe for threads. `shared.aclient` is its twin for asyncio.

Settings come from the environment, or from the caller. Faults of the caller are `InputError`s; `LedgerAway` says that the database
cannot be reached and that the same call may succeed later; Redis being away is no fault, since the workers look for what was not sent.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from .answers import Erasure, Job, PublishedReel
from .errors import ConsentMissing, LessonNotEnded, LessonUnknown, StoreError
from .lesson import Consent, Lesson, is_lesson_id, parse_lesson, without_control_characters
from .progress import LessonStatus, status_of
from .states import LessonState

# SQLAlchemy, Celery and the settings are imported by the first call: a backend should start no slower for having this module.
if TYPE_CHECKING:
    from sqlalchemy import Connection

    from .ledger import Ledger
    from .settings import Settings
    from .standing import LessonRecord

__all__ = [
    "Consent",
    "Erasure",
    "Job",
    "LessonState",
    "LessonStatus",
    "PublishedReel",
    "cancel",
    "change_consent",
    "close",
    "enqueue_lesson",
    "erase_lesson",
    "erase_pupil",
    "find_reel",
    "lesson_status",
    "reprocess",
]

BACKEND = "backend"


def enqueue_lesson(
    lesson: Lesson | Mapping[str, Any] | str,
    *,
    bulk: bool = False,
    connection: Connection | None = None,
    settings: Settings | None = None,
) -> Job:
    """Accept a lesson: write its row, then tell the workers. Returns at once; the same lesson twice gives the same job.

    Args:
        lesson: the document, see `smilereel schema`.
        bulk: it may wait: fresh lessons pass it. The workers' reconciler sends it when bulk has a free place, so the job's `sent` is
            False. A lesson that is known already stays as it was handed in.
        connection: a connection of the backend's own to the ledger's database. The row is then part of its transaction: it comes with
            its commit and goes with its rollback, and the workers find it within seconds after the commit.
        settings: in place of the environment's.

    Raises:
        LessonInvalid: the document cannot be accepted.
        ConsentMissing: `consent.process` is not given.
        LessonConflict: the id is taken by other content.
        LessonErased: a lesson of this id was erased.
        SchemaMissing: the database is not SQLite and `smilereel migrate` has not been run on it.
        LedgerAway: the database cannot be reached, and so the lesson was not accepted.
    """
    lesson = lesson if isinstance(lesson, Lesson) else parse_lesson(lesson)
    if not lesson.consent.process:
        raise ConsentMissing(f"Lesson {lesson.lesson_id} may not be processed: consent.process is not true.")
    if connection is not None:
        from .accepting import accept
        from .database import explained

        with explained():
            created = accept(connection, lesson, datetime.now(UTC), bulk=bulk)
        return Job(lesson.lesson_id, LessonState.ACCEPTED, created, sent=False)
    from .sender import send_lesson

    settings = settings or _of_environment()
    ledger = _ledger(settings)
    ledger.prepare()
    created = ledger.accept(lesson, bulk=bulk)
    # A night's bulk in Redis would be a copy of the ledger's that each worker had to refuse, one by one.
    sent = not bulk and send_lesson(ledger, lesson.lesson_id, settings)
    record = ledger.require(lesson.lesson_id)
    return Job(lesson.lesson_id, record.state, created, sent)


def lesson_status(lesson_id: str, *, settings: Settings | None = None) -> LessonStatus | None:
    """Where the lesson stands, None for an unknown id."""
    ledger = _ledger(settings)
    record = ledger.read(lesson_id) if is_lesson_id(lesson_id) else None
    if record is None:
        return None
    # Before the plan of a lesson that is processed anew, the runs are those of its older version.
    stages = ledger.runs.progress(lesson_id, record.work_version or "") if record.n_segments or record.state.final else {}
    return status_of(record, stages)


def find_reel(
    lesson_id: str, *, purpose: Literal["reel", "email"] = "reel", settings: Settings | None = None
) -> PublishedReel | None:
    """The lesson's reel if there is one and it may be shown now: the family agrees, and somebody approved it where that is asked for.

    Args:
        lesson_id: which; an unknown one has no reel.
        purpose: "email" asks for the consent to send it as well.
        settings: in place of the environment's.
    """
    from .reels import published

    settings = settings or _of_environment()
    ledger = _ledger(settings)
    found = ledger.told.reel(lesson_id) if is_lesson_id(lesson_id) else None
    if found is None or not all(getattr(found.consent, needed) for needed in ("process", "reel", purpose)):
        return None
    return published(lesson_id, found, settings)


def reprocess(lesson_id: str, *, bulk: bool = False, settings: Settings | None = None) -> Job:
    """Process an ended lesson from the beginning, as a new version; its reel stays until the new one is there.

    In bulk it lets fresh lessons pass, as with `enqueue_lesson`.

    Raises:
        LessonUnknown: no lesson has this id.
        LessonNotEnded: it is still in work.
        ConsentMissing: the family has withdrawn `consent.process`.
    """
    from .sender import send_lesson

    settings = settings or _of_environment()
    ledger = _ledger(settings)
    _known(ledger, lesson_id)
    opened = ledger.reopen(lesson_id, anew=True, bulk=bulk)
    record = _known(ledger, lesson_id)
    if not opened and not record.consent.process:
        raise ConsentMissing(f"Lesson {lesson_id} may not be processed: consent.process was withdrawn.")
    if not opened:
        raise LessonNotEnded(f"Lesson {lesson_id} is {record.state}; wait for its end, or cancel it first.")
    sent = not bulk and send_lesson(ledger, lesson_id, settings)
    return Job(lesson_id, ledger.require(lesson_id).state, created=False, sent=sent)


def cancel(lesson_id: str, *, settings: Settings | None = None) -> bool:
    """Stop the lesson: what waits is dropped, what runs stops at the next segment. False where it had ended before.

    Raises:
        LessonUnknown: no lesson has this id.
    """
    ledger = _ledger(settings)
    _known(ledger, lesson_id)
    return ledger.cancel(lesson_id)


def change_consent(lesson_id: str, consent: Consent, *, actor: str = BACKEND, settings: Settings | None = None) -> None:
    """The family agrees to this from now on. Without `process` the lesson stops and its data go; without `reel` its reel goes.

    Raises:
        LessonUnknown: no lesson has this id.
    """
    ledger = _ledger(settings)
    _known(ledger, lesson_id)
    ledger.rights.change_consent(lesson_id, consent, actor)


def erase_lesson(lesson_id: str, *, actor: str = BACKEND, settings: Settings | None = None) -> Erasure:
    """Forget the lesson, wherever it stands: rows, files, and what is under way. Its id is not accepted again.

    Raises:
        LessonUnknown: no lesson has this id.
    """
    settings = settings or _of_environment()
    ledger = _ledger(settings)
    if not is_lesson_id(lesson_id):
        raise LessonUnknown(f"The ledger knows no lesson {lesson_id[:128]!r}.")
    ledger.rights.erase(lesson_id, actor)
    return _receipt("lesson", lesson_id, [lesson_id], settings)


def erase_pupil(pupil_id: str, *, actor: str = BACKEND, settings: Settings | None = None) -> Erasure:
    """The same for all lessons of a pupil; for an unknown pupil the receipt names none."""
    settings = settings or _of_environment()
    ledger = _ledger(settings)
    lesson_ids = ledger.rights.erase_pupil(pupil_id, actor) if without_control_characters(pupil_id) else []
    return _receipt("pupil", pupil_id, lesson_ids, settings)


def _receipt(subject: Literal["lesson", "pupil"], subject_id: str, lesson_ids: list[str], settings: Settings) -> Erasure:
    from .marks import clear_and_mark
    from .store import FolderStore, store_of

    cleared, now = True, datetime.now(UTC)
    try:
        store = store_of(settings)
        # A folder that is not there is not the workers' store: nothing was cleared by finding nothing in it.
        cleared = not isinstance(store, FolderStore) or store.root.is_dir()
        for lesson_id in lesson_ids if cleared else []:
            clear_and_mark(store, lesson_id, now)
    except (StoreError, ModuleNotFoundError):  # the backend need not reach the store: the sweep does
        cleared = False
    return Erasure(subject, subject_id, tuple(lesson_ids), now, cleared, tuple(lesson_ids))


def _known(ledger: Ledger, lesson_id: str) -> LessonRecord:
    record = ledger.read(lesson_id) if is_lesson_id(lesson_id) else None
    if record is None:
        raise LessonUnknown(f"The ledger knows no lesson {lesson_id[:128]!r}.")
    return record


def _of_environment() -> Settings:
    from .settings import load_settings

    return load_settings()


# By address and process: a forked process opens connections of its own.
_opened: dict[tuple[str, int], Ledger] = {}


def close() -> None:
    """Give this process's connections back, as before a fork or at the end; the next call opens new ones."""
    for key in [key for key in _opened if key[1] == os.getpid()]:
        _opened.pop(key).close()


def _ledger(settings: Settings | None) -> Ledger:
    """The ledger at that address, whose connections serve all calls and threads."""
    key = (settings or _of_environment()).database_url, os.getpid()
    ledger = _opened.get(key)
    if ledger is None:
        from .ledger import open_ledger

        ledger = open_ledger(key[0])
        try:
            ledger.prepare()
        except BaseException:
            ledger.close()
            raise
        ledger = _opened.setdefault(key, ledger)
    return ledger
