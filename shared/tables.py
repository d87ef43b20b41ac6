"""The ledger's tables. Times are stored in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# Word for word as `sending.py` asks for them, or the databases do not see that the indexes on them serve.
WAITING = text("state = 'accepted'")
TRIED = text("attempts > 0")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time; SQLite forgets the offset, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Base(DeclarativeBase):
    """All tables of the ledger."""


class LessonRow(Base):
    """A lesson that was handed in, where it stands, and until when nobody else may begin it.

    `generation` counts how often it was sent: messages of an earlier one are dropped. `attempts` counts the sendings since the
    last progress. `lease_until` is the time up to which somebody works on it, or up to which it rests after a failure; once it
    has passed, the reconciler sends it again. `round` counts how often it was opened: each round ends with one event. `revision`
    counts how often it was to be processed anew. A lesson in
    `bulk` lets fresh ones pass. The document says what the family agreed to when the lesson was handed in, the
    columns `consent_*` what it agrees to now. `keeps` says what is left of an ended lesson's outputs: "all", "reel" once the rows and
    the file of its seconds are gone, "nothing".
    """

    __tablename__ = "lesson"
    __table_args__ = (
        Index("ix_lesson_state_lease_until", "state", "lease_until"),
        Index("ix_lesson_pupil_id", "pupil_id"),
        Index("ix_lesson_created_at", "created_at"),
        Index("ix_lesson_waiting", "bulk", "created_at", "lesson_id", postgresql_where=WAITING, sqlite_where=WAITING),
        Index("ix_lesson_tried", "attempts", postgresql_where=TRIED, sqlite_where=TRIED),
    )

    lesson_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    pupil_id: Mapped[str | None] = mapped_column(String(128))
    content_sha256: Mapped[str] = mapped_column(String(64))
    document: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(1000))
    work_version: Mapped[str | None] = mapped_column(String(64))
    n_segments: Mapped[int] = mapped_column(Integer, default=0)
    round: Mapped[int] = mapped_column(Integer, default=1, server_default="1")
    generation: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    attempts: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    consent_process: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    consent_reel: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    consent_email: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    consent_analytics: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    consent_training: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    keeps: Mapped[str] = mapped_column(String(8), default="all", server_default="all")
    revision: Mapped[int] = mapped_column(Integer, default=1, server_default="1")
    bulk: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    starts_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class StageRunRow(Base):
    """One stage of one segment: how often it was begun since it last ended, and what it took."""

    __tablename__ = "stage_run"

    lesson_id: Mapped[str] = mapped_column(ForeignKey("lesson.lesson_id", ondelete="CASCADE"), primary_key=True)
    work_version: Mapped[str] = mapped_column(String(64), primary_key=True)
    stage: Mapped[str] = mapped_column(String(32), primary_key=True)
    segment_index: Mapped[int] = mapped_column(Integer, primary_key=True)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    finished: Mapped[bool] = mapped_column(Boolean, default=False)
    seconds: Mapped[float] = mapped_column(Float, default=0.0)
    items: Mapped[int] = mapped_column(Integer, default=0)
    skipped: Mapped[str | None] = mapped_column(String(500))


class ReelRow(Base):
    """A lesson's GIF; unique by lesson and version."""

    __tablename__ = "reel"

    lesson_id: Mapped[str] = mapped_column(ForeignKey("lesson.lesson_id", ondelete="CASCADE"), primary_key=True)
    work_version: Mapped[str] = mapped_column(String(64), primary_key=True)
    frames: Mapped[int] = mapped_column(Integer)
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    bytes: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    needs_approval: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    approved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    approved_by: Mapped[str | None] = mapped_column(String(128))


class EventRow(Base):
    """A lesson has come to an end: what is told to others, once a round whatever happens, under its own id.

    `delivery` says whether the backend's webhook has it (`shared/deliveries.py`), `deliver_at` when it is to be tried next, or until
    when somebody is trying.
    """

    __tablename__ = "event"
    __table_args__ = (
        UniqueConstraint("lesson_id", "round"),
        Index("ix_event_delivery_deliver_at", "delivery", "deliver_at"),
        Index("ix_event_created_at", "created_at"),
    )

    event_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    lesson_id: Mapped[str] = mapped_column(ForeignKey("lesson.lesson_id", ondelete="CASCADE"))
    round: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16))
    work_version: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    delivery: Mapped[str] = mapped_column(String(16), default="pending", server_default="pending")
    delivery_attempts: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    deliver_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    delivery_fault: Mapped[str | None] = mapped_column(String(200))


class DutyRow(Base):
    """A duty that one process at a time has, such as sending lessons again; it passes on when its lease has run out."""

    __tablename__ = "duty"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    holder: Mapped[str] = mapped_column(String(128))
    lease_until: Mapped[datetime] = mapped_column(UtcDateTime)
    note: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class SchemaReleaseRow(Base):
    """A version that these tables have or had, and the oldest `SCHEMA_HEAD` whose code can still work with it."""

    __tablename__ = "schema_release"

    version: Mapped[str] = mapped_column(String(32), primary_key=True)
    works_with: Mapped[str] = mapped_column(String(32))
