"""Keeps a lesson's lease alive while a stage works on it. Opened by the frame around each task."""

from __future__ import annotations

import logging
import threading
from types import TracebackType

from shared.errors import ServiceError
from shared.sending import Sending

RENEWALS_A_LEASE = 3

log = logging.getLogger(__name__)


class LeaseKeeper:
    """A context manager: inside it a thread renews the lease; a process that dies or is stopped renews nothing.

    Args:
        sending: the ledger's leases.
        lesson_id: whose.
        generation: of the sending that is worked on; once a newer one has been made, the thread ends.
        lease_seconds: how long each renewal holds.
    """

    def __init__(self, sending: Sending, lesson_id: str, generation: int, lease_seconds: float) -> None:
        self._sending = sending
        self._lesson_id = lesson_id
        self._generation = generation
        self._lease_seconds = lease_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True, name=f"lease of {lesson_id}")

    def __enter__(self) -> LeaseKeeper:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()

    def _keep(self) -> None:
        while not self._ended.wait(self._lease_seconds / RENEWALS_A_LEASE):
            try:
                if not self._sending.renew(self._lesson_id, self._generation, self._lease_seconds):
                    return
            except ServiceError as error:
                log.warning("lesson %s: its lease was not renewed: %s", self._lesson_id, error.message)
