"""Lessons that may wait behind fresh ones, and which releases can work with the tables as they are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column with its index, and the table with a row for this version."""
    op.add_column("lesson", sa.Column("bulk", sa.Boolean, nullable=False, server_default=sa.false()))
    waiting, tried = sa.text("state = 'accepted'"), sa.text("attempts > 0")
    columns = ["bulk", "created_at", "lesson_id"]
    op.create_index("ix_lesson_waiting", "lesson", columns, postgresql_where=waiting, sqlite_where=waiting)
    op.create_index("ix_lesson_tried", "lesson", ["attempts"], postgresql_where=tried, sqlite_where=tried)
    # What has ended since the last look is counted by it.
    op.create_index("ix_event_created_at", "event", ["created_at"])
    releases = op.create_table(
        "schema_release",
        sa.Column("version", sa.String(32), primary_key=True),
        sa.Column("works_with", sa.String(32), nullable=False),
    )
    op.bulk_insert(releases, [{"version": "0004", "works_with": "0004"}])
