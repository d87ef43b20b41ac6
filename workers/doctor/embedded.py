"""The parts of an embedded run, without its workers: Valkey on a socket, ledger and store in a temporary folder. For the doctor."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from shared.errors import ServiceError
from shared.ledger import open_ledger
from shared.settings import PREFIX, Settings
from workers.local.runtime import EmbeddedRuntime

PLACES = ("REDIS_URL", "DATABASE_URL", "STORE_URL")


def nothing_is_configured() -> bool:
    """Whether the environment names no Redis, no database and no store."""
    return not any(os.environ.get(f"{PREFIX}{name}") for name in PLACES)


class _Valkey(EmbeddedRuntime):
    """The embedded run's parts but for the workers: those have a lesson to do."""

    def _specification(self) -> dict[str, Any]:
        whole = super()._specification()
        return {**whole, "processes": [each for each in whole["processes"] if each["name"] == "valkey"]}


@contextmanager
def embedded_parts(settings: Settings) -> Iterator[Settings]:
    """Inside the block they run, and the settings name them; after it nothing of them is left.

    Raises:
        ServiceError: Valkey is not installed, or does not start.
    """
    with tempfile.TemporaryDirectory(prefix="smilereel-doctor-") as name:
        folder = Path(name)
        places = {"database_url": f"sqlite:///{folder}/ledger.sqlite3", "store_url": f"file://{folder}/store"}
        (folder / "store").mkdir()
        embedded = settings.model_copy(update=places)
        with closing(open_ledger(embedded.database_url)) as ledger:
            ledger.create_schema()
        with _Valkey(embedded, folder, folder) as runtime:
            runtime.check()
            yield runtime.settings
        if runtime.socket.exists():
            raise ServiceError("Valkey did not end; end it by hand, and look at its log.")
