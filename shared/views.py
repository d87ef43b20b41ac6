"""The views that analysts read, made from `view_catalogue.py` by each upgrade of the tables; names and columns are a promise.

On PostgreSQL they stand, with comments, beside the tables and once more in the schema `analytics`, there also under their plain names:
whoever is granted that schema alone sees no table.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from .errors import SchemaMissing
from .view_catalogue import CONSENT, VIEWS, View, ViewColumn

ANALYTICS_SCHEMA = "analytics"
# Begins the comment of each view, so that somebody else's of the same name is left alone.
_MARK = "smilereel: "
_POSTGRESQL_TYPES = {
    "text": "text",
    "integer": "integer",
    "real": "double precision",
    "boolean": "boolean",
    "time": "timestamp with time zone",
    "date": "date",
}
_DEPENDENT_OBJECTS = "2BP01"

log = logging.getLogger(__name__)


def make_views(connection: Connection) -> None:
    """Make them, with their comments where the database keeps any; older ones make room.

    Raises:
        SchemaMissing: somebody's own views are built on the older ones.
    """
    drop_views(connection)
    postgresql = connection.dialect.name == "postgresql"
    for view in VIEWS:
        _run(connection, *([_postgresql(view), *_comments(view.versioned_name, view)] if postgresql else [_sqlite(view)]))
    if postgresql:
        _make_in_analytics(connection)


def drop_views(connection: Connection) -> None:
    """Take them away, so that the tables below can change; the schema `analytics` stays, with what was granted on it.

    Raises:
        SchemaMissing: somebody's own views are built on them.
    """
    names = [view.versioned_name for view in VIEWS]
    if connection.dialect.name == "postgresql":
        in_analytics = [f"{ANALYTICS_SCHEMA}.{name}" for name, ours in _in_analytics(connection).items() if ours]
        # The plain names first: they are built on the others.
        names = [*sorted(in_analytics), *names]
    try:
        _run(connection, *(f"DROP VIEW IF EXISTS {name}" for name in names))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _DEPENDENT_OBJECTS:
            raise
        raise SchemaMissing(
            "Other views in the database are built on smilereel's, which have to be made anew:"
            " drop them, run `smilereel migrate`, and make them again."
        ) from error


def _select(view: View, expressions: Iterable[str]) -> str:
    selected = ", ".join(f"{sql} AS {column.name}" for sql, column in zip(expressions, view.columns, strict=True))
    return f"SELECT {selected} FROM {view.source} WHERE {CONSENT}"  # noqa: S608  (constants of the catalogue)


def _sqlite(view: View) -> str:
    return f"CREATE VIEW {view.versioned_name} AS {_select(view, (column.sqlite or column.sql for column in view.columns))}"


def _postgresql(view: View) -> str:
    # Without the barrier a reader's own condition may be tried on rows that the consent then leaves out, and tell them in an error.
    options = "WITH (security_barrier = true)"
    return f"CREATE VIEW {view.versioned_name} {options} AS {_select(view, map(_typed, view.columns))}"


def _typed(column: ViewColumn) -> str:
    return f"CAST({column.sql} AS {_POSTGRESQL_TYPES[column.kind]})"


def _comments(name: str, view: View) -> list[str]:
    return [
        f"COMMENT ON VIEW {name} IS {_quoted(_MARK + view.comment)}",
        *(f"COMMENT ON COLUMN {name}.{column.name} IS {_quoted(column.comment)}" for column in view.columns),
    ]


def _quoted(words: str) -> str:
    return "'" + words.replace("'", "''") + "'"


def _make_in_analytics(connection: Connection) -> None:
    """The same views by both their names in the schema of analysts, as far as this user may make them."""
    if not _may_make(connection):
        log.warning("the ledger's user may not make the schema %s or views in it; the other views are there", ANALYTICS_SCHEMA)
        return
    _run(connection, f"CREATE SCHEMA IF NOT EXISTS {ANALYTICS_SCHEMA}")
    taken = _in_analytics(connection)
    for view in VIEWS:
        for name in (view.versioned_name, view.name):
            if name in taken:
                log.warning("%s.%s is somebody else's and stays as it is", ANALYTICS_SCHEMA, name)
                continue
            qualified = f"{ANALYTICS_SCHEMA}.{name}"
            columns = ", ".join(column.name for column in view.columns)
            made = f"CREATE VIEW {qualified} AS SELECT {columns} FROM {view.versioned_name}"  # noqa: S608  (constants)
            _run(connection, made, *_comments(qualified, view))


def _may_make(connection: Connection) -> bool:
    query = (
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = :schema)"
        " THEN has_schema_privilege(:schema, 'CREATE') ELSE has_database_privilege(current_database(), 'CREATE') END"
    )
    return bool(connection.execute(text(query), {"schema": ANALYTICS_SCHEMA}).scalar_one())


def _in_analytics(connection: Connection) -> dict[str, bool]:
    """What in the schema of analysts has a name of ours, and whether we made it."""
    query = (
        "SELECT c.relname, c.relkind = 'v' AND coalesce(obj_description(c.oid, 'pg_class'), '') LIKE :mark"
        " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = :schema AND c.relname = ANY(:names)"
    )
    names = [name for view in VIEWS for name in (view.name, view.versioned_name)]
    found = connection.execute(text(query), {"schema": ANALYTICS_SCHEMA, "mark": f"{_MARK}%", "names": names})
    return {name: bool(ours) for name, ours in found}


def _run(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.execute(text(statement))
