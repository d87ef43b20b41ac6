"""Where an embedded run's lesson comes from: a LESSON.json, or recordings named on the command line. Paths become absolute."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from shared.errors import ConsentMissing, LessonInvalid, OutputRefused, RecordingUnreadable
from shared.lesson import NOMINAL_START, Consent, Lesson, Recording, Subject, parse_lesson

OUTPUT_NAMES = ("reel.gif", "poster.jpg", "contact-sheet.jpg", "lesson.json", "seconds.csv")
_TIMED = re.compile(r"^(?P<path>.+)@(?P<time>\d{4}-\d{2}-\d{2}[T ]\d.*)$", re.DOTALL)


def read_lesson_file(path: Path) -> Lesson:
    """The lesson of a LESSON.json; its relative uris count from the file's folder.

    Raises:
        LessonInvalid: the file is missing, unreadable or refused.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise LessonInvalid(f"The lesson file {path} cannot be read: {reason}.") from error
    try:
        lesson = parse_lesson(text)
    except LessonInvalid as error:
        raise LessonInvalid(f"{path}: {error.message}") from None
    folder = path.resolve().parent

    def absolute(recordings: tuple[Recording, ...]) -> tuple[Recording, ...]:
        return tuple(r.model_copy(update={"uri": str(folder / r.uri)}) for r in recordings)

    return lesson.model_copy(update={"student": absolute(lesson.student), "teacher": absolute(lesson.teacher)})


def lesson_of_recordings(
    student: Sequence[str], teacher: Sequence[str], *, subject: str = "child", lesson_id: str | None = None
) -> Lesson:
    """The lesson of recordings written as `PATH` or `PATH@TIME`; whoever names them grants `process` and `reel`.

    Without times each side may have one recording, and both began together at a nominal time.

    Raises:
        LessonInvalid: a time is missing or refused.
    """
    named = [_split(text) for text in (*student, *teacher)]
    untimed = [path for path, time in named if time is None]
    if untimed and (len(untimed) < len(named) or len(student) > 1 or len(teacher) > 1):
        raise LessonInvalid(
            f"The recording {untimed[0]} needs its start time, like FILE@2026-11-20T10:00:00Z, as there are several."
        )
    recordings = [
        {"uri": path if "://" in path else str(Path(path).absolute()), "started_at": time or NOMINAL_START}
        for path, time in named
    ]
    document = {
        "lesson_id": lesson_id or "unnamed",
        "student": recordings[: len(student)],
        "teacher": recordings[len(student) :],
        "consent": Consent(process=True, reel=True).model_dump(),
        "subject": Subject(subject),
    }
    lesson = parse_lesson(document)
    if lesson_id is None:
        digest = sha256(lesson.content_sha256().encode()).hexdigest()[:12]
        lesson = lesson.model_copy(update={"lesson_id": f"lesson-{digest}"})
    return lesson


def _split(text: str) -> tuple[str, str | datetime | None]:
    timed = _TIMED.match(text)
    return (timed["path"], timed["time"]) if timed else (text, None)


def check_inputs(lesson: Lesson, out: Path, lesson_file: Path | None = None) -> None:
    """What can be told before anything is started.

    Raises:
        ConsentMissing: `consent.process` is not given.
        RecordingUnreadable: no recording of a side exists.
        OutputRefused: an output would overwrite an input.
    """
    if not lesson.consent.process:
        raise ConsentMissing(f"Lesson {lesson.lesson_id} may not be processed: consent.process is not true.")
    for side in (lesson.student, lesson.teacher):
        missing = [recording.uri for recording in side if not Path(recording.uri).exists()]
        if side and len(missing) == len(side):
            raise RecordingUnreadable(f"The recording {missing[0]} does not exist; check its path.")
    inputs = [Path(recording.uri) for recording in (*lesson.student, *lesson.teacher)]
    for path in [*inputs, *([lesson_file] if lesson_file else [])]:
        for name in OUTPUT_NAMES:
            if _same(path, out / name):
                raise OutputRefused(f"The output {out / name} would overwrite an input of the lesson; choose another --out.")


def _same(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()
