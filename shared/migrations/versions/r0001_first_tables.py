"""Lessons, their stages' runs and their reels."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of the first release."""
    op.create_table(
        "lesson",
        sa.Column("lesson_id", sa.String(128), primary_key=True),
        sa.Column("content_sha256", sa.String(64), nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(1000)),
        sa.Column("work_version", sa.String(64)),
        sa.Column("n_segments", sa.Integer, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_lesson_state", "lesson", ["state"])
    op.create_table(
        "stage_run",
        sa.Column("lesson_id", sa.String(128), sa.ForeignKey("lesson.lesson_id", ondelete="CASCADE"), primary_key=True),
        sa.Column("work_version", sa.String(64), primary_key=True),
        sa.Column("stage", sa.String(32), primary_key=True),
        sa.Column("segment_index", sa.Integer, primary_key=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("finished", sa.Boolean, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("items", sa.Integer, nullable=False),
    )
    op.create_table(
        "reel",
        sa.Column("lesson_id", sa.String(128), sa.ForeignKey("lesson.lesson_id", ondelete="CASCADE"), primary_key=True),
        sa.Column("work_version", sa.String(64), primary_key=True),
        sa.Column("frames", sa.Integer, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("bytes", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
