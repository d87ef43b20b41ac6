"""A file that is touched as long as a process does its work: what a container's health check looks at. Called by workers and beat."""

from __future__ import annotations

from pathlib import Path

from shared.settings import load_settings


def touch() -> None:
    """Make the file of SMILEREEL_ALIVE_FILE new; nothing where none is named.

    Raises:
        OSError: it cannot be written.
    """
    if name := load_settings().alive_file:
        Path(name).touch()
