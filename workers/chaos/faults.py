"""The misfortunes themselves, each done to the real part: called by `run.py` at the second that the plan names."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import redis

from workers.chaos.cluster import Cluster
from workers.chaos.hooks import CLOCK, DELAY, read_number
from workers.chaos.parts import Part, processes_of
from workers.chaos.places import exchange
from workers.chaos.plan import Fault

CLOCK_STEP_SECONDS = 7200.0
SLOW_SECONDS = 0.4
FILE_LIMIT_BYTES = 8192

Undo = Callable[[], None]


class NothingToHit(Exception):
    """Whom the fault would hit is down already, or the same fault is going on."""


class Faults:
    """Does faults to a cluster; each method answers with what ends the fault, or None where it is over at once."""

    def __init__(self, cluster: Cluster, ledger_file: Path | None) -> None:
        self._cluster = cluster
        self._ledger_file = ledger_file
        self._going_on: set[str] = set()
        self._balloons: set[Path] = set()
        # Whom exactly a fault hits is not part of the plan.
        self._lot = Random()

    def begin(self, fault: Fault) -> Undo | None:
        """Do it.

        Raises:
            NothingToHit: try again a little later.
        """
        kind = fault.kind
        if kind in self._going_on:
            raise NothingToHit(kind)
        undo: Undo | None = getattr(self, f"_{kind}")(fault.role)
        if undo is None:
            return None
        self._going_on.add(kind)

        def end() -> None:
            self._going_on.discard(kind)
            undo()

        return end

    def keep_full(self) -> None:
        """A full disk stays full, though others delete files on it; call it many times a second."""
        for balloon in self._balloons:
            _fill_disk(balloon)

    def _worker(self, room: str) -> Part:
        running = [part for part in self._cluster.workers if part.role == room and part.pid is not None and not part.stopped]
        if not running:
            raise NothingToHit(room)
        return self._lot.choice(running)

    def _kill_child(self, role: str) -> None:
        children = self._cluster.children(self._worker(role))
        if not children:
            raise NothingToHit(role)
        with suppress(ProcessLookupError):
            os.kill(self._lot.choice(children), signal.SIGKILL)

    def _kill_worker(self, role: str) -> None:
        self._cluster.kill(self._worker(role))

    def _stop_worker(self, role: str) -> Undo:
        part = self._worker(role)
        stopped = part.process
        self._cluster.signal_all(part, signal.SIGSTOP)
        part.stopped = True

        def go_on() -> None:
            if part.process is stopped:
                part.stopped = False
                self._cluster.signal_all(part, signal.SIGCONT)

        return go_on

    def _valkey(self) -> Part:
        if self._cluster.valkey.pid is None:
            raise NothingToHit("valkey")
        return self._cluster.valkey

    def _kill_valkey(self, _role: str) -> None:
        self._cluster.kill(self._valkey())

    def _kill_valkey_empty(self, _role: str) -> None:
        self._cluster.kill(self._valkey())
        self._cluster.empty_valkey()

    def _flushall(self, _role: str) -> None:
        self._valkey()
        try:
            with redis.Redis(unix_socket_path=str(self._cluster.places.socket), socket_timeout=2) as client:
                client.flushall()
        except redis.RedisError:
            raise NothingToHit("valkey") from None

    def _store_refuses(self, _role: str) -> Undo:
        places = self._cluster.places
        refusal = places.disk / "refusal"
        refusal.write_bytes(b"")
        exchange(places.store, refusal)

        def give_back() -> None:
            exchange(places.store, refusal)
            refusal.unlink()

        return give_back

    def _store_slow(self, _role: str) -> Undo:
        delay = self._cluster.places.hooks / DELAY
        delay.write_text(str(SLOW_SECONDS))
        return delay.unlink

    def _database_away(self, role: str) -> Undo | None:
        server = self._cluster.server
        if server is None:
            return self._lock_ledger()
        if server.pid is None:
            raise NothingToHit("postgresql")
        if role == "killed":
            server.kill()
            return None
        server.freeze()
        return server.thaw

    def _lock_ledger(self) -> Undo:
        connection = sqlite3.connect(str(self._ledger_file), timeout=1, isolation_level=None)
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            connection.close()
            raise NothingToHit("ledger") from None
        return connection.close

    def _disk_full(self, role: str) -> Undo:
        places = self._cluster.places
        if not places.own_disks:
            return self._limit_files()
        balloon = (places.ledger if role == "ledger" else places.disk) / "balloon"
        self._balloons.add(balloon)
        _fill_disk(balloon)

        def burst() -> None:
            self._balloons.discard(balloon)
            balloon.unlink()

        return burst

    def _limit_files(self) -> Undo:
        """Where no disk can be mounted: a write that makes a file longer than a few kilobytes fails in every worker."""
        limited = processes_of(self._cluster.workers)
        _limit_file_size(limited, FILE_LIMIT_BYTES)
        return lambda: _limit_file_size(limited, resource.RLIM_INFINITY)

    def _clock_step(self, role: str) -> None:
        clock = self._cluster.places.hooks / CLOCK
        step = CLOCK_STEP_SECONDS if role == "forward" else -CLOCK_STEP_SECONDS
        aside = clock.with_suffix(".new")
        aside.write_text(str(read_number(clock) + step))
        aside.replace(clock)


def _fill_disk(balloon: Path) -> None:
    with balloon.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass


def _limit_file_size(process_ids: list[int], n_bytes: int) -> None:
    for process_id in process_ids:
        with suppress(ProcessLookupError, PermissionError):
            resource.prlimit(process_id, resource.RLIMIT_FSIZE, (n_bytes, resource.RLIM_INFINITY))
