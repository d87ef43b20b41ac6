"""Loaded into a fault run's workers (`celery -I`) and clients: a store that can be made slow, a clock that can be stepped, time in
small. Reads the folder in `SMILECHAOS_FOLDER`; without it nothing is changed.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from workers.chaos.guards import take_away

FOLDER, IN_SMALL = "SMILECHAOS_FOLDER", "SMILECHAOS_IN_SMALL"
DELAY, CLOCK = "delay", "clock"
BUSY_SECONDS, IDLE_SECONDS = 2, 3
TEMPORARY_SECONDS = 6.0


def read_number(path: Path) -> float:
    """What the run wrote there; 0 where it wrote nothing."""
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return 0.0


def install() -> None:
    """Change this process as the environment says."""
    if FOLDER not in os.environ:
        return
    folder = Path(os.environ[FOLDER])
    # A process that hangs can be asked where: its stacks go to its log.
    faulthandler.register(signal.SIGUSR2, all_threads=True)
    if IN_SMALL in os.environ:
        _shorten_waits()
    _let_store_be_slow(folder / DELAY)
    _let_clock_be_stepped(folder / CLOCK)
    take_away()


def _shorten_waits() -> None:
    """A lease of seconds in place of the shipped ones asks for a database lock and for temporaries in the same proportion."""
    from shared import database
    from workers import sweeping

    database.BUSY_SECONDS, database.IDLE_SECONDS = BUSY_SECONDS, IDLE_SECONDS
    if sweeping.sweep.__kwdefaults__:
        sweeping.sweep.__kwdefaults__["temporary_seconds"] = TEMPORARY_SECONDS


def _let_store_be_slow(delay: Path) -> None:
    from shared.stores.folder import FolderStore

    def slowed(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            time.sleep(read_number(delay))
            return method(*args)

        return call

    FolderStore.put = slowed(FolderStore.put)  # type: ignore[method-assign]
    FolderStore.get = slowed(FolderStore.get)  # type: ignore[method-assign]


def _let_clock_be_stepped(clock: Path) -> None:
    """The clock that leases are counted by, on either database, and the one by which kombu hands unacknowledged messages out again."""
    from kombu.transport import redis as transport

    from shared.database import Database

    now = Database.now

    def stepped(self: Database, session: Any) -> datetime:
        return now(self, session) + timedelta(seconds=read_number(clock))

    Database.now = stepped  # type: ignore[method-assign]
    transport.time = lambda: time.time() + read_number(clock)


install()
