"""A finished lesson's published files as bytes, from ledger and store or from the folder of a run. The report's doors call it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shared.errors import (
    ConsentMissing,
    InputError,
    LessonErased,
    LessonInvalid,
    LessonNotEnded,
    LessonUnknown,
    ObjectMissing,
)
from shared.ledger import Ledger, LessonState
from shared.store import Store, output_key


@dataclass(frozen=True, slots=True)
class PublishedFiles:
    """What the report is made of; None where a file is not there (any more), or the family does not agree to it."""

    lesson_json: bytes
    seconds_csv: bytes | None
    reel_gif: bytes | None


def files_of_lesson(ledger: Ledger, store: Store, lesson_id: str) -> PublishedFiles:
    """The files of a lesson that was processed to its end.

    Raises:
        LessonUnknown: the ledger has no such lesson; LessonErased: not any more.
        LessonNotEnded: it is still being processed.
        ConsentMissing: the family no longer agrees to the processing.
        InputError: it ended without outputs, or they are no longer kept.
        ServiceError: ledger or store cannot be used now.
    """
    record = ledger.read(lesson_id)
    if record is None:
        if ledger.rights.are_erased([lesson_id]):
            raise LessonErased(f"Lesson {lesson_id} was erased, so there is nothing to show of it.")
        raise LessonUnknown(f"The ledger knows no lesson {lesson_id}; `smilereel lessons` shows those it knows.")
    if not record.consent.process:
        raise ConsentMissing(f"Nothing of lesson {lesson_id} may be shown: the family does not agree to its processing.")
    if not record.state.final:
        raise LessonNotEnded(f"Lesson {lesson_id} is {record.state} and has not ended yet; try again when it has.")
    if record.state not in {LessonState.DONE, LessonState.NO_REEL}:
        reason = f": {record.reason.rstrip('.')}" if record.reason else ""
        raise InputError(f"Lesson {lesson_id} ended as {record.state} and has no outputs to show{reason}.")

    def read(name: str) -> bytes | None:
        with suppress(ObjectMissing):
            return store.get(output_key(lesson_id, record.work_version or "", name))
        return None

    lesson_json = read("lesson.json")
    if lesson_json is None:
        raise InputError(f"The outputs of lesson {lesson_id} are no longer kept, so there is nothing to show.")
    return PublishedFiles(
        lesson_json, read("seconds.csv") if record.consent.analytics else None, read("reel.gif") if record.consent.reel else None
    )


def files_of_folder(folder: Path) -> PublishedFiles:
    """The files of a folder that `smilereel run --out` or `demo` made.

    Raises:
        LessonInvalid: it holds no lesson.json, or a file cannot be read.
    """

    def read(name: str) -> bytes | None:
        path = folder / name
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LessonInvalid(f"The file {path} cannot be read: {error.strerror}.") from error

    lesson_json = read("lesson.json")
    if lesson_json is None:
        raise LessonInvalid(f"The folder {folder} holds no lesson.json; give one that `smilereel run --out` made.")
    return PublishedFiles(lesson_json, read("seconds.csv"), read("reel.gif"))
