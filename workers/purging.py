"""Removes what has been kept long enough, and smile scores that may no longer be kept. Called by the sweep's task."""

from __future__ import annotations

import logging

from shared.ledger import Ledger
from shared.retention import ALL, NOTHING, REEL
from shared.settings import Settings
from shared.store import Store, lesson_output_key

ACTOR = "purge"

log = logging.getLogger(__name__)


def purge(ledger: Ledger, store: Store, settings: Settings) -> int:
    """Purge what is due now, at most some hundred lessons of each kind; how many lessons lost something.

    The row goes first, unless the lesson was opened meanwhile; files that are then not deleted are the next sweep's.

    Raises:
        StoreError, LedgerAway: they cannot be used at the moment; what was not done is done the next time.
    """
    purged = _purge_ledger(ledger, store, settings.retention_ledger_days)
    purged += _purge_reels(ledger, store, settings.retention_reel_days)
    purged += _purge_seconds(ledger, store, settings.retention_scores_days)
    if not settings.mood_analytics and (forgotten := ledger.told.forget_smiles()):
        log.info("smile scores of %d lessons forgotten, since mood analytics are off", forgotten)
    if purged:
        log.info("purged %d lessons of what was kept long enough", purged)
    return purged


def _purge_ledger(ledger: Ledger, store: Store, days: float) -> int:
    purged = 0
    for lesson_id in ledger.retention.due((ALL, REEL, NOTHING), days):
        if ledger.retention.forget(lesson_id, NOTHING, days) and ledger.rights.erase(lesson_id, ACTOR):
            store.delete(lesson_output_key(lesson_id))
            purged += 1
    return purged


def _purge_reels(ledger: Ledger, store: Store, days: float) -> int:
    purged = 0
    for lesson_id in ledger.retention.due((ALL, REEL), days):
        if ledger.retention.forget(lesson_id, NOTHING, days):
            store.delete(lesson_output_key(lesson_id))
            purged += 1
    return purged


def _purge_seconds(ledger: Ledger, store: Store, days: float) -> int:
    purged = 0
    for lesson_id in ledger.retention.due((ALL,), days):
        if ledger.retention.forget(lesson_id, REEL, days):
            for key in list(store.keys(lesson_output_key(lesson_id))):
                if key.endswith("/seconds.csv"):
                    store.delete(key)
            purged += 1
    return purged
