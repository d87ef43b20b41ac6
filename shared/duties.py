"""Duties that one process at a time has, such as sending lessons again. `ledger.duties`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.exc import IntegrityError

from .database import Database
from .tables import DutyRow

RECONCILER = "reconciler"


@dataclass(frozen=True, slots=True)
class Duty:
    """Who has a duty until when, and what the holder noted last."""

    holder: str
    lease_until: datetime
    note: dict[str, Any] = field(default_factory=dict)


class Duties:
    """Rows of duties; safe to use from several threads and processes."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def hold(self, name: str, holder: str, lease_seconds: float) -> bool:
        """Take or keep a duty; False where somebody else has it."""
        try:
            with self.database.transaction() as session:
                now = self.database.now(session)
                row = session.get(DutyRow, name, with_for_update=True)
                if row is None:
                    row = DutyRow(name=name, holder=holder, lease_until=now, note={})
                    session.add(row)
                far = now + timedelta(seconds=10 * lease_seconds)
                if row.holder != holder and now < row.lease_until < far:
                    return False
                row.holder, row.lease_until = holder, now + timedelta(seconds=lease_seconds)
                return True
        except IntegrityError:
            return False  # Another was quicker to write the first row.

    def drop(self, name: str) -> None:
        """Forget the duty's holder and notes: the one who had it is known to be gone."""
        with self.database.transaction() as session:
            row = session.get(DutyRow, name, with_for_update=True)
            if row is not None:
                session.delete(row)

    def note(self, name: str, **facts: Any) -> None:
        """Write down facts for whoever looks; those of other names stay."""
        with self.database.transaction() as session:
            row = session.get(DutyRow, name, with_for_update=True)
            if row is not None:
                row.note = {**row.note, **facts}

    def read(self, name: str) -> Duty | None:
        """Who has it; None where nobody ever had."""
        with self.database.reading() as session:
            row = session.get(DutyRow, name)
            return None if row is None else Duty(row.holder, row.lease_until, dict(row.note))

    def room_for_work(self, most_bytes: int) -> bool:
        """Whether the store may take the work of another lesson, as the reconciler measured it last; 0: without a limit."""
        duty = self.read(RECONCILER) if most_bytes else None
        return duty is None or int(duty.note.get("work_bytes", 0)) < most_bytes
