"""What the analysts' views hold: each view's and column's name, meaning and SQL. `views.py` makes them, the export and the docs read it.

Names, order and types of a version's columns stay as they are; what has to change comes as a view of the next version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .reel import NoReelReason

Kind = Literal["text", "integer", "real", "boolean", "time", "date"]

# Kept by `views.py` at the end of each view: who did not agree to analytics, or no longer does, is in none.
CONSENT = "l.consent_process AND l.consent_analytics"
_STARTED = "coalesce(l.starts_at, l.created_at)"
_REASONS = ", ".join(f"'{reason}'" for reason in NoReelReason)


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """One column; `sqlite` is its SQL where SQLite needs other words. `nullable`: a cell may be empty."""

    name: str
    kind: Kind
    comment: str
    sql: str
    sqlite: str | None = None
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """One view: `name` is the plain one, `key` the columns that make a row unique and that exports are ordered by."""

    name: str
    version: int
    comment: str
    source: str
    key: tuple[str, ...]
    columns: tuple[ViewColumn, ...]

    @property
    def versioned_name(self) -> str:
        return f"{self.name}_v{self.version}"


_LESSON_ID = ViewColumn("lesson_id", "text", "The lesson, by the backend's own id.", "l.lesson_id")
_PUPIL_ID = ViewColumn("pupil_id", "text", "The pupil, by the backend's own id, if it gave one.", "l.pupil_id", nullable=True)
_LESSON_AT = ViewColumn(
    "lesson_at", "time", "When the lesson began, or, where that is not known, was handed in. Exports choose by it.", _STARTED
)
_WEEK = ViewColumn(
    "week_starts_on",
    "date",
    "The Monday of the week of lesson_at, in UTC.",
    f"date_trunc('week', {_STARTED} AT TIME ZONE 'UTC')",
    sqlite=f"date(substr({_STARTED}, 1, 10), 'weekday 0', '-6 days')",
)


def _disconnects(side: str) -> ViewColumn:
    counted = f"SELECT count(*) FROM camera_gap AS g WHERE g.lesson_id = l.lesson_id AND g.side = '{side}'"  # noqa: S608  (constants)
    return ViewColumn(
        f"{side}_disconnects",
        "integer",
        f"How often the {side}'s camera went off inside the lesson; empty where {side}_on_seconds is.",
        f"CASE WHEN p.{side}_on_seconds IS NOT NULL THEN ({counted}) END",
        nullable=True,
    )


def _epoch(time: str) -> str:
    """Seconds since 1970 on SQLite, whose own functions know milliseconds only and round."""
    return f"(CAST(strftime('%s', substr({time}, 1, 19)) AS REAL) + CAST('0' || substr({time}, 20) AS REAL))"


def _seconds(name: str, comment: str) -> ViewColumn:
    return ViewColumn(f"{name}_seconds", "integer", comment, f"p.{name}_seconds", nullable=True)


def _minutes(name: str, comment: str, *, nullable: bool = False) -> ViewColumn:
    sql = f"CAST(p.{name}_seconds AS DOUBLE PRECISION) / 60"
    return ViewColumn(f"{name}_minutes", "real", comment, sql, nullable=nullable)


def _seen(name: str, kind: Kind, comment: str) -> ViewColumn:
    return ViewColumn(name, kind, comment, f"s.{name}", nullable=True)


LESSON = View(
    "lesson",
    1,
    "A lesson that was handed in: where it stands, when it was, how the connection held.",
    "lesson AS l LEFT JOIN presence AS p ON p.lesson_id = l.lesson_id",
    ("lesson_id",),
    (
        _LESSON_ID,
        _PUPIL_ID,
        _LESSON_AT,
        _WEEK,
        ViewColumn("state", "text", "accepted, processing, done, no_reel, refused, quarantined or cancelled.", "l.state"),
        ViewColumn(
            "no_reel_reason",
            "text",
            f"Why a lesson in state no_reel has none: {', '.join(NoReelReason)}.",
            # Reasons of other states are sentences that may name a file.
            f"CASE WHEN l.state = 'no_reel' AND l.reason IN ({_REASONS}) THEN l.reason END",
            nullable=True,
        ),
        ViewColumn(
            "has_reel",
            "boolean",
            "Whether there is a reel now.",
            "l.consent_reel AND EXISTS (SELECT 1 FROM reel AS r WHERE r.lesson_id = l.lesson_id)",
        ),
        ViewColumn("handed_in_at", "time", "When the backend handed the lesson in.", "l.created_at"),
        ViewColumn("starts_at", "time", "When both cameras were first on together.", "l.starts_at", nullable=True),
        ViewColumn("ends_at", "time", "When the first of the two cameras went off for good.", "l.ends_at", nullable=True),
        _seconds("lesson", "Length of the lesson in seconds; empty while it was not processed."),
        _seconds("student_on", "Seconds in which the student's camera was on."),
        _seconds("teacher_on", "Seconds in which the teacher's camera was on; empty without a recording of the teacher."),
        _disconnects("student"),
        _disconnects("teacher"),
        ViewColumn(
            "work_version",
            "text",
            "Names one processing: another one of the lesson, with other files, models or settings, has another name.",
            "l.work_version",
            nullable=True,
        ),
    ),
)

FRAME_SCORE = View(
    "frame_score",
    1,
    "One second of a lesson: which cameras were on and what the models saw in the student's picture.",
    "lesson_second AS s JOIN lesson AS l ON l.lesson_id = s.lesson_id",
    ("lesson_id", "second"),
    (
        ViewColumn("lesson_id", "text", _LESSON_ID.comment, "s.lesson_id"),
        _LESSON_AT,
        ViewColumn("second", "integer", "Seconds since the lesson began, from 0.", "s.second"),
        ViewColumn(
            "at",
            "time",
            "The same on the clock.",
            f"{_STARTED} + s.second * INTERVAL '1 second'",
            # Whole seconds are added before the fraction is put back: SQLite's clock has milliseconds and rounds.
            sqlite=f"datetime(substr({_STARTED}, 1, 19), '+' || s.second || ' seconds') || substr({_STARTED}, 20)",
        ),
        ViewColumn("student_on", "boolean", "Whether the student's camera was on.", "s.student_on"),
        _seen("teacher_on", "boolean", "Whether the teacher's camera was on; empty without a recording of the teacher."),
        _seen("faces", "integer", "Faces in the picture; empty where no picture was looked at."),
        _seen("child_faces", "integer", "How many of them are a child's."),
        _seen("adult_faces", "integer", "How many of them are an adult's."),
        _seen("p_smile", "real", "Probability that the face taken for the pupil's smiles; empty unless mood analytics are on."),
        _seen(
            "p_child",
            "real",
            "Probability that the face taken for the pupil's is a child's: an adult alone is taken for it, too.",
        ),
        _seen("p_adult_face", "real", "Probability that the most adult face is an adult's."),
        _seen("p_parent_shoulder", "real", "Probability that an adult sits beside the child, seen by shoulder or elbow."),
    ),
)

DISCONNECT = View(
    "disconnect",
    1,
    "One time a camera was off inside a lesson.",
    "camera_gap AS g JOIN lesson AS l ON l.lesson_id = g.lesson_id",
    ("lesson_id", "side", "starts_at"),
    (
        ViewColumn("lesson_id", "text", _LESSON_ID.comment, "g.lesson_id"),
        _LESSON_AT,
        ViewColumn("side", "text", "Whose camera: student or teacher.", "g.side"),
        ViewColumn("starts_at", "time", "When it went off.", "g.starts_at"),
        ViewColumn("ends_at", "time", "When it was on again.", "g.ends_at"),
        ViewColumn(
            "seconds",
            "real",
            "How long it was off, in seconds.",
            "extract(epoch FROM g.ends_at - g.starts_at)",
            sqlite=f"round({_epoch('g.ends_at')} - {_epoch('g.starts_at')}, 6)",
        ),
    ),
)

REEL = View(
    "reel",
    1,
    "A lesson's reel: its size, and whether a person has approved it. Where it lies is not told here.",
    "reel AS r JOIN lesson AS l ON l.lesson_id = r.lesson_id AND l.consent_reel",
    ("lesson_id", "work_version"),
    (
        ViewColumn("lesson_id", "text", _LESSON_ID.comment, "r.lesson_id"),
        _LESSON_AT,
        ViewColumn("work_version", "text", "The processing it comes from, as in the view of lessons.", "r.work_version"),
        ViewColumn("frames", "integer", "Moments in it.", "r.frames"),
        ViewColumn("width", "integer", "Pixels.", "r.width"),
        ViewColumn("height", "integer", "Pixels.", "r.height"),
        ViewColumn("bytes", "integer", "Size of the GIF.", "r.bytes"),
        ViewColumn("made_at", "time", "When it was published.", "r.created_at"),
        ViewColumn("approved_at", "time", "When a person approved it; empty if nobody has.", "r.approved_at", nullable=True),
    ),
)

PUPIL_PRESENCE = View(
    "pupil_presence",
    1,
    "Who was there in one lesson, in minutes, with the pupil it was for. The kinds overlap: each counts for itself.",
    "presence AS p JOIN lesson AS l ON l.lesson_id = p.lesson_id",
    ("lesson_id",),
    (
        _PUPIL_ID,
        ViewColumn("lesson_id", "text", _LESSON_ID.comment, "p.lesson_id"),
        _LESSON_AT,
        _WEEK,
        _minutes("lesson", "Length of the lesson in minutes."),
        _minutes("student_on", "Minutes in which the student's camera was on."),
        _minutes(
            "teacher_on", "Minutes in which the teacher's camera was on; empty without a recording of the teacher.", nullable=True
        ),
        _minutes("seen", "Minutes of which a picture was looked at, one a second; the next five are parts of these."),
        _minutes("child", "With a child's face in the picture."),
        _minutes("child_alone", "With one face, a child's, and nobody beside the child."),
        _minutes("adult_face", "With an adult's face in the picture."),
        _minutes("parent_shoulder", "With an adult beside the child, known by shoulder or elbow; short gaps are bridged."),
        _minutes("nobody", "With no face, and nobody beside the child."),
    ),
)

VIEWS: Sequence[View] = (LESSON, FRAME_SCORE, DISCONNECT, REEL, PUPIL_PRESENCE)
