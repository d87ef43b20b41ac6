"""Who did what to which lesson or pupil: a log that only grows. `ledger.audit`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, select, text
from sqlalchemy.orm import Session

from .database import Database, plain_text
from .told_tables import AuditRow

Subject = Literal["lesson", "pupil"]

_SQLITE = [
    f"CREATE TRIGGER IF NOT EXISTS audit_no_{verb} BEFORE {verb.upper()} ON audit"
    " BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END"
    for verb in ("update", "delete")
]
_POSTGRESQL = [
    "CREATE OR REPLACE FUNCTION smilereel_audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RAISE EXCEPTION 'the audit log only grows'; END $$",
    "DROP TRIGGER IF EXISTS audit_only_grows ON audit",
    "CREATE TRIGGER audit_only_grows BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION smilereel_audit_only_grows()",
    "DROP TRIGGER IF EXISTS audit_is_not_emptied ON audit",
    "CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON audit EXECUTE FUNCTION smilereel_audit_only_grows()",
]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One deed; `detail` holds ids and counts only."""

    at: datetime
    actor: str
    action: str
    subject: str
    subject_id: str
    detail: str | None


class Audit:
    """The log's rows; safe to use from several threads and processes."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def note(
        self, session: Session, actor: str, action: str, subject: Subject, subject_id: str, detail: str | None = None
    ) -> None:
        """Write an entry in the transaction of the deed itself.

        Args:
            session: of `database.transaction()`.
            actor: who asked for it: the user of the web page, `backend`, `operator`, `purge`.
            action: in one word, such as `erase`.
            subject: what it was done to.
            subject_id: the lesson's or the pupil's id.
            detail: counts or ids, no content.
        """
        session.add(
            AuditRow(
                at=self.database.now(session),
                actor=plain_text(actor, 128),
                action=action,
                subject=subject,
                subject_id=subject_id,
                detail=plain_text(detail, 200),
            )
        )

    def entries(self, subject_id: str | None = None, limit: int = 1000) -> list[AuditEntry]:
        """The newest entries first, of one lesson or pupil or of all."""
        query = select(AuditRow).order_by(AuditRow.audit_id.desc()).limit(limit)
        if subject_id is not None:
            query = query.where(AuditRow.subject_id == subject_id)
        with self.database.reading() as session:
            return [
                AuditEntry(row.at, row.actor, row.action, row.subject, row.subject_id, row.detail)
                for row in session.scalars(query)
            ]


def protect(connection: Connection) -> None:
    """Let the database itself refuse to change or delete an entry."""
    for statement in _SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL:
        connection.execute(text(statement))
