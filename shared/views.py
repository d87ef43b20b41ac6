"""The views that analysts read; their names and columns are a promise. Made anew by each upgrade of the tables."""

from __future__ import annotations

from sqlalchemy import Connection


def make_views(connection: Connection) -> None:
    """Make them, with their comments where the database keeps any."""


def drop_views(connection: Connection) -> None:
    """Take them away, so that the tables below can change."""
