"""Loaded into a worker, makes it one of the next release: it knows tables of version 0005, with a column that this release lacks."""

from __future__ import annotations

from sqlalchemy import Column, String

from shared import schema
from shared.tables import LessonRow

schema.SCHEMA_HEAD = "0005"
LessonRow.shelf = Column(String(16), nullable=False, server_default="new")
