"""From a reel's row to what may be shown: the addresses of its files. For `find_reel` of the client."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from urllib.parse import quote

from .answers import PublishedReel
from .settings import Settings
from .store import Store, output_key, store_of
from .told import ReelStanding

ALT = "An animation of {n} moments of the lesson in which the child smiles."


@lru_cache(maxsize=16)
def _store(settings: Settings, _process_id: int) -> Store:
    return store_of(settings)


def published(lesson_id: str, found: ReelStanding, settings: Settings) -> PublishedReel | None:
    """The reel with its addresses, if it was approved or need not be; whether the family agrees is the caller's question.

    Raises:
        SettingsInvalid: the store's settings cannot be used.
    """
    if (settings.reel_approval or found.needs_approval) and found.approved_at is None:
        return None
    keys = [output_key(lesson_id, found.work_version, name) for name in ("reel.gif", "poster.jpg")]
    expires_at = None
    if settings.reel_base_url:
        address, poster_address = (f"{settings.reel_base_url.rstrip('/')}/{quote(key)}" for key in keys)
    else:
        store = _store(settings, os.getpid())
        address, poster_address = (store.address(key, settings.reel_address_seconds) for key in keys)
        if settings.store_url.startswith("s3:"):
            expires_at = datetime.now(UTC) + timedelta(seconds=settings.reel_address_seconds)
    return PublishedReel(
        lesson_id=lesson_id,
        address=address,
        poster_address=poster_address,
        width=found.width,
        height=found.height,
        bytes=found.bytes,
        frames=found.frames,
        alt=ALT.format(n=found.frames),
        created_at=found.created_at,
        expires_at=expires_at,
    )
