"""What is told about lessons: consent in columns, deliveries of events, rows for analysts, marks of erased lessons, the audit log."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

PURPOSES = ("process", "reel", "email", "analytics", "training")


def upgrade() -> None:
    """Add columns and tables, then take pupils and consent out of the lessons' documents."""
    time = sa.DateTime(timezone=True)
    op.add_column("lesson", sa.Column("pupil_id", sa.String(128)))
    for purpose in PURPOSES:
        op.add_column("lesson", sa.Column(f"consent_{purpose}", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("lesson", sa.Column("keeps", sa.String(8), nullable=False, server_default="all"))
    op.add_column("lesson", sa.Column("revision", sa.Integer, nullable=False, server_default="1"))
    for name in ("starts_at", "ends_at"):
        op.add_column("lesson", sa.Column(name, time))
    op.create_index("ix_lesson_pupil_id", "lesson", ["pupil_id"])
    op.create_index("ix_lesson_created_at", "lesson", ["created_at"])
    op.add_column("reel", sa.Column("needs_approval", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("reel", sa.Column("approved_at", time))
    op.add_column("reel", sa.Column("approved_by", sa.String(128)))
    # Ends of before are history: nobody who sets a webhook up now wants to be told of them.
    op.add_column("event", sa.Column("delivery", sa.String(16), nullable=False, server_default="unasked"))
    with op.batch_alter_table("event") as event:
        event.alter_column("delivery", existing_type=sa.String(16), existing_nullable=False, server_default="pending")
    op.add_column("event", sa.Column("delivery_attempts", sa.Integer, nullable=False, server_default="0"))
    for name in ("deliver_at", "delivered_at"):
        op.add_column("event", sa.Column(name, time))
    op.add_column("event", sa.Column("delivery_fault", sa.String(200)))
    op.create_index("ix_event_delivery_deliver_at", "event", ["delivery", "deliver_at"])
    _new_tables(time)
    _take_out()


def _new_tables(time: sa.DateTime) -> None:
    def of_lesson(name: str, *columns: sa.Column[Any]) -> None:
        lesson = sa.Column("lesson_id", sa.String(128), primary_key=True)
        op.create_table(name, lesson, *columns, sa.ForeignKeyConstraint(["lesson_id"], ["lesson.lesson_id"], ondelete="CASCADE"))

    of_lesson(
        "lesson_second",
        sa.Column("second", sa.Integer, primary_key=True),
        sa.Column("student_on", sa.Boolean, nullable=False),
        sa.Column("teacher_on", sa.Boolean),
        *(sa.Column(name, sa.Integer) for name in ("faces", "child_faces", "adult_faces")),
        *(sa.Column(name, sa.Float) for name in ("p_smile", "p_child", "p_adult_face", "p_parent_shoulder")),
    )
    held = sa.text("p_smile IS NOT NULL")
    op.create_index("ix_lesson_second_p_smile", "lesson_second", ["lesson_id"], postgresql_where=held, sqlite_where=held)
    of_lesson(
        "camera_gap",
        sa.Column("side", sa.String(8), primary_key=True),
        sa.Column("starts_at", time, primary_key=True),
        sa.Column("ends_at", time, nullable=False),
    )
    counted = ("seen", "child", "child_alone", "adult_face", "parent_shoulder", "nobody")
    of_lesson(
        "presence",
        sa.Column("lesson_seconds", sa.Integer, nullable=False),
        sa.Column("student_on_seconds", sa.Integer, nullable=False),
        sa.Column("teacher_on_seconds", sa.Integer),
        *(sa.Column(f"{name}_seconds", sa.Integer, nullable=False) for name in counted),
    )
    op.create_table(
        "tombstone",
        sa.Column("lesson_id", sa.String(128), primary_key=True),
        sa.Column("erased_at", time, nullable=False),
        sa.Column("cleared_at", time),
    )
    op.create_table(
        "audit",
        sa.Column("audit_id", sa.Integer, primary_key=True),
        sa.Column("at", time, nullable=False),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(16), nullable=False),
        sa.Column("subject_id", sa.String(128), nullable=False),
        sa.Column("detail", sa.String(200)),
    )
    op.create_index("ix_audit_subject_id", "audit", ["subject_id"])


def _take_out() -> None:
    """One statement, in the database: a ledger may hold millions of lessons."""
    if op.get_bind().dialect.name == "postgresql":
        agreed = "coalesce(CAST(document->'consent'->>'{0}' AS boolean), false)"
        pupil = "document->>'pupil_id'"
    else:
        agreed = "coalesce(json_extract(document, '$.consent.{0}'), 0)"
        pupil = "json_extract(document, '$.pupil_id')"
    consent = ", ".join(f"consent_{purpose} = {agreed.format(purpose)}" for purpose in PURPOSES)
    op.execute(sa.text(f"UPDATE lesson SET pupil_id = {pupil}, {consent}"))  # noqa: S608  (names of our own)
