"""Watches everything that goes through an embedded run's Valkey, as `redis-cli monitor` does."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import redis


class Wire:
    """Waits for the socket of the next embedded run below a folder, then writes every command down until the run ends."""

    def __init__(self, runtime_parent: Path) -> None:
        self._parent = runtime_parent
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self.commands: list[str] = []
        self.queues_seen: set[str] = set()

    def __enter__(self) -> Wire:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(5)

    def _listen(self) -> None:
        while not self._stopped.is_set():
            sockets = list(self._parent.glob("smilereel-*/valkey.sock"))
            if sockets:
                break
            time.sleep(0.01)
        else:
            return
        # redis-py 8 gives up after 5 silent seconds unless told otherwise; a worker importing torch can be silent for longer.
        client = redis.Redis(unix_socket_path=str(sockets[0]), socket_timeout=None)
        try:
            with client.monitor() as monitor:  # type: ignore[no-untyped-call]
                for command in monitor.listen():
                    self.commands.append(command["command"])
        except (redis.ConnectionError, ValueError):
            return  # The run has ended.
        finally:
            client.close()
