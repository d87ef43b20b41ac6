"""Takes one of the product's guards away in the processes of a fault run, to see that the run notices. The product has no such switch.

Loaded into workers and clients by `hooks.py`; which guard is read from the environment, here and nowhere else.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Column, ColumnElement, Engine, MetaData, Table, true

WITHOUT = "SMILECHAOS_WITHOUT"
GUARDS = ("lease", "unique_reel", "temporary_name", "reconciler")


def environment_without(guard: str | None) -> dict[str, str]:
    """What a process has to find in its environment so that the guard is missing there."""
    if guard is None:
        return {}
    return {WITHOUT: guard} | ({"SMILEREEL_RECONCILE_IN_WORKER": "false"} if guard == "reconciler" else {})


def take_away() -> None:
    """Take the guard that the environment names away in this process."""
    removal = {"lease": _no_lease, "unique_reel": _no_unique_reel, "temporary_name": _no_temporary_name}
    if guard := removal.get(os.environ.get(WITHOUT, "")):
        guard()


def _no_lease() -> None:
    """Whatever is open counts as left alone: each tick sends it again."""
    from shared import moves, sending

    def unleased(_now: object) -> ColumnElement[bool]:
        return true()

    sending._unleased = unleased  # type: ignore[assignment]
    vars(moves)["is_spent"] = lambda row, most_attempts, _now: row.attempts >= most_attempts


def _no_unique_reel() -> None:
    """Nobody asks whether a lesson has ended or was sent anew; its end is a new row each time."""
    from shared import moves, runs
    from shared.tables import LessonRow, StageRunRow

    def move(self: moves.Moves, session: Any, lesson_id: str, _move: object, state: str, _generation: int) -> LessonRow | None:
        row: LessonRow | None = session.get(LessonRow, lesson_id)
        if row is not None:
            row.state, row.updated_at = state, self.database.now(session)
        return row

    def started(
        self: runs.StageRuns, lesson_id: str, work_version: str, stage: str, segment_index: int, **options: Any
    ) -> int | None:
        with self.database.transaction() as session:
            if (lesson := session.get(LessonRow, lesson_id)) is None:
                return None
            lesson.lease_until = self.database.now(session) + timedelta(seconds=options.get("lease_seconds", 0))
            where = {"lesson_id": lesson_id, "work_version": work_version, "stage": stage, "segment_index": segment_index}
            row = session.get(StageRunRow, tuple(where.values())) or StageRunRow(**where, attempts=0)
            row.attempts += 1
            session.add(row)
            return row.attempts

    moves.Moves._move = move  # type: ignore[assignment]
    moves.event_id = lambda *_: str(uuid4())
    runs.StageRuns.started = started  # type: ignore[method-assign]


def loosen_tables(engine: Engine) -> None:
    """Make the tables of reels and events anew, without any key."""
    from shared.tables import EventRow, ReelRow
    from shared.views import drop_views

    # Analysts' views hang on them; no fault run looks at those.
    with engine.begin() as connection:
        drop_views(connection)
    loose, strict = MetaData(), [ReelRow.__table__, EventRow.__table__]
    ReelRow.metadata.drop_all(engine, tables=strict)  # type: ignore[arg-type]
    for table in strict:
        Table(table.name, loose, *(Column(column.name, column.type) for column in table.columns))  # type: ignore[attr-defined]
    loose.create_all(engine)


def _no_temporary_name() -> None:
    """The store writes under the object's own name from the first byte on."""
    from shared.stores.folder import FolderStore

    def write(self: FolderStore, path: Path, data: bytes) -> None:  # noqa: ARG001
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    FolderStore._write = write  # type: ignore[method-assign]
