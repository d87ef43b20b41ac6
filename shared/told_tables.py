"""The tables of what is told about lessons: rows for analysts, the marks of erased lessons, and who did what. Read through views."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, Float, ForeignKeyConstraint, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from .tables import Base, UtcDateTime

_HELD = text("p_smile IS NOT NULL")


def _of_lesson() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["lesson_id"], ["lesson.lesson_id"], ondelete="CASCADE")


class SecondRow(Base):
    """A second of a lesson in which a frame was looked at, or might have been; kept only with consent for analytics.

    `p_smile` and the other probabilities speak of the faces as in `seconds.csv`; `p_smile` is null unless mood analytics are on.
    """

    __tablename__ = "lesson_second"
    __table_args__ = (
        _of_lesson(),
        # To find the few rows, or none, that hold a smile score though mood analytics are off.
        Index("ix_lesson_second_p_smile", "lesson_id", postgresql_where=_HELD, sqlite_where=_HELD),
    )

    lesson_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    second: Mapped[int] = mapped_column(Integer, primary_key=True)
    student_on: Mapped[bool] = mapped_column(Boolean)
    teacher_on: Mapped[bool | None] = mapped_column(Boolean)
    faces: Mapped[int | None] = mapped_column(Integer)
    child_faces: Mapped[int | None] = mapped_column(Integer)
    adult_faces: Mapped[int | None] = mapped_column(Integer)
    p_smile: Mapped[float | None] = mapped_column(Float)
    p_child: Mapped[float | None] = mapped_column(Float)
    p_adult_face: Mapped[float | None] = mapped_column(Float)
    p_parent_shoulder: Mapped[float | None] = mapped_column(Float)


class GapRow(Base):
    """A camera was off inside the lesson."""

    __tablename__ = "camera_gap"
    __table_args__ = (_of_lesson(),)

    lesson_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    side: Mapped[str] = mapped_column(String(8), primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)


class PresenceRow(Base):
    """Who was there, in seconds of one lesson; says nothing of anybody's mood."""

    __tablename__ = "presence"
    __table_args__ = (_of_lesson(),)

    lesson_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    lesson_seconds: Mapped[int] = mapped_column(Integer)
    student_on_seconds: Mapped[int] = mapped_column(Integer)
    teacher_on_seconds: Mapped[int | None] = mapped_column(Integer)
    seen_seconds: Mapped[int] = mapped_column(Integer)
    child_seconds: Mapped[int] = mapped_column(Integer)
    child_alone_seconds: Mapped[int] = mapped_column(Integer)
    adult_face_seconds: Mapped[int] = mapped_column(Integer)
    parent_shoulder_seconds: Mapped[int] = mapped_column(Integer)
    nobody_seconds: Mapped[int] = mapped_column(Integer)


class TombstoneRow(Base):
    """An erased lesson: it is not accepted again, and what the workers still hold of it is dropped. `cleared_at`: Redis too is clean."""

    __tablename__ = "tombstone"

    lesson_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    erased_at: Mapped[datetime] = mapped_column(UtcDateTime)
    cleared_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AuditRow(Base):
    """Who did what to which lesson or pupil, and when; ids and counts only. Rows can be neither changed nor deleted."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_subject_id", "subject_id"),)

    audit_id: Mapped[int] = mapped_column(Integer, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(String(128))
    action: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(String(16))
    subject_id: Mapped[str] = mapped_column(String(128))
    detail: Mapped[str | None] = mapped_column(String(200))
