"""Removes what has been kept long enough, and smile scores that may no longer be kept. Called by the sweep's task."""

from __future__ import annotations

import logging

from shared.ledger import Ledger
from shared.retention import ALL, NOTHING, REEL
from shared.settings import Settings
from shared.store import Store, lesson_output_key, output_key

ACTOR = "purge"

log = logging.getLogger(__name__)


def purge(ledger: Ledger, store: Store, settings: Settings) -> int:
    """Purge what is due now, at most some hundred lessons of each kind; how many lessons lost something.

    Raises:
        StoreError, LedgerAway: they cannot be used at the moment; what was not done is done the next time.
    """
    purged = 0
    for lesson_id, _version in ledger.retention.due((ALL, REEL, NOTHING), settings.retention_ledger_days):
        store.delete(lesson_output_key(lesson_id))
        ledger.rights.erase(lesson_id, ACTOR)
        purged += 1
    for lesson_id, _version in ledger.retention.due((ALL, REEL), settings.retention_reel_days):
        store.delete(lesson_output_key(lesson_id))
        ledger.retention.forget(lesson_id, NOTHING)
        purged += 1
    for lesson_id, version in ledger.retention.due((ALL,), settings.retention_scores_days):
        if version:
            store.delete(output_key(lesson_id, version, "seconds.csv"))
        ledger.retention.forget(lesson_id, REEL)
        purged += 1
    if not settings.mood_analytics and (forgotten := ledger.told.forget_smiles()):
        log.info("smile scores of %d seconds forgotten, since mood analytics are off", forgotten)
    if purged:
        log.info("purged %d lessons of what was kept long enough", purged)
    return purged
