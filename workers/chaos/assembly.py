"""Puts a fault run's parts together: folders, database, environment, processes; and takes them away again. Called by `run.py`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from shared.ledger import open_ledger
from workers.chaos.cluster import Cluster
from workers.chaos.guards import environment_without, loosen_tables
from workers.chaos.hooks import FOLDER, IN_SMALL
from workers.chaos.places import Places, make_places, new_root
from workers.chaos.plan import Database
from workers.local.lifeline import start_guardian, tell_guardian
from workers.local.postgres import PostgresServer

LEASE_SECONDS = 3.0
# Time runs faster than in the shipped settings, so that a run of a minute holds many leases.
FAST = {"lease_seconds": LEASE_SECONDS, "reconcile_seconds": 0.2, "sweep_seconds": 2}
SMALL = {
    "lessons_in_work": 10,
    "segment_seconds": 5,
    "decode_threads": 1,
    "torch_threads": 1,
    "reel_frames": 5,
    "reel_side": 96,
    "poison": "true",
}


@dataclass(frozen=True, slots=True)
class Options:
    """What the command was asked for."""

    seed: int
    lessons: int
    seconds: int
    database: Database = "sqlite"
    models: str = "stand_in"
    workers: dict[str, int] = field(default_factory=lambda: {"cpu": 2, "gpu": 2})
    without: str | None = None
    keep: Path | None = None


@contextmanager
def parts_of(options: Options, settings: Mapping[str, object]) -> Iterator[tuple[Cluster, str]]:
    """Inside it the database runs and the folders are there; the cluster can be started. Afterwards all is gone.

    Should this process be killed, a guardian clears away in its place.

    Args:
        options: the run's.
        settings: by their names, beside those that say where things lie.

    Returns:
        the cluster, and the ledger's address: a file's path, or postgresql://.
    """
    root = new_root()
    guardian = start_guardian([root])
    cluster: Cluster | None = None
    server: PostgresServer | None = None
    try:
        places = make_places(root, options.lessons)
        if options.database == "postgresql":
            server = PostgresServer()
            tell_guardian(guardian, f"folder {server.folder}")
            server.start()
        address = server.url() if server else str(places.ledger / "ledger.sqlite3")
        environment = _environment(options, settings, places, address)
        _make_schema(environment["SMILEREEL_DATABASE_URL"], options.without)
        cluster = Cluster(places, environment, options.workers, server, guardian)
        cluster.start_server()
        yield cluster, address
    finally:
        if cluster is not None:
            cluster.end()
        elif server is not None:
            server.remove()
        assert guardian.stdin is not None  # noqa: S101  (opened with a pipe)
        guardian.stdin.close()
        guardian.wait()


def _make_schema(url: str, without: str | None) -> None:
    ledger = open_ledger(url)
    try:
        ledger.create_schema()
        if without == "unique_reel":
            loosen_tables(ledger.engine)
    finally:
        ledger.close()


def _environment(options: Options, settings: Mapping[str, object], places: Places, address: str) -> dict[str, str]:
    """All that the parts find in their environment."""
    where = {
        "redis_url": f"redis+socket://{places.socket}",
        "database_url": address if "://" in address else f"sqlite:///{address}",
        "store_url": f"file://{places.store}",
        "media_root": str(places.media),
        "models": options.models,
    }
    values = {f"SMILEREEL_{name.upper()}": str(value) for name, value in {**settings, **where}.items()}
    tuning = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "PYTHONUNBUFFERED": "1"}
    as_root = {"C_FORCE_ROOT": "1"} if os.geteuid() == 0 else {}
    in_small = {IN_SMALL: "1"} if "lease_seconds" in settings else {}
    return {**tuning, **as_root, **values, FOLDER: str(places.hooks), **in_small, **environment_without(options.without)}
