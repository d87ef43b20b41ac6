"""Leases, generations, attempts and rounds of lessons; one event for each end; duties. `failed` is called `quarantined` from here on."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ENDS = ("done", "no_reel", "refused", "quarantined")
ROWS_AT_ONCE = 1000


def upgrade() -> None:
    """Add the columns and tables, then rename the state and give every ended lesson its event."""
    for name in ("round", "generation", "attempts"):
        default = "1" if name == "round" else "0"
        op.add_column("lesson", sa.Column(name, sa.Integer, nullable=False, server_default=default))
    op.add_column("lesson", sa.Column("lease_until", sa.DateTime(timezone=True)))
    op.add_column("stage_run", sa.Column("skipped", sa.String(500)))
    op.drop_index("ix_lesson_state", "lesson")
    op.create_index("ix_lesson_state_lease_until", "lesson", ["state", "lease_until"])
    op.create_table(
        "duty",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("holder", sa.String(128), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("note", sa.JSON, nullable=False),
    )
    event = op.create_table(
        "event",
        sa.Column("event_id", sa.String(64), primary_key=True),
        sa.Column("lesson_id", sa.String(128), sa.ForeignKey("lesson.lesson_id", ondelete="CASCADE"), nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("work_version", sa.String(64)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("lesson_id", "round"),
    )
    lesson = sa.table(
        "lesson",
        sa.column("lesson_id", sa.String),
        sa.column("state", sa.String),
        sa.column("work_version", sa.String),
        sa.column("updated_at", sa.DateTime(timezone=True)),
    )
    op.execute(lesson.update().where(lesson.c.state == "failed").values(state="quarantined"))
    _tell_the_ends(op.get_bind(), lesson, event)


def _tell_the_ends(connection: sa.Connection, lesson: sa.TableClause, event: sa.Table) -> None:
    ended = connection.execute(sa.select(lesson).where(lesson.c.state.in_(ENDS))).mappings()
    while rows := ended.fetchmany(ROWS_AT_ONCE):
        connection.execute(
            event.insert(),
            [
                {
                    # As the ledger names the end of a lesson's first round.
                    "event_id": str(uuid5(NAMESPACE_URL, f"smilereel:{row['lesson_id']}:1")),
                    "lesson_id": row["lesson_id"],
                    "round": 1,
                    "state": row["state"],
                    "work_version": row["work_version"],
                    "created_at": row["updated_at"],
                }
                for row in rows
            ],
        )
