"""What a key may look like: one rule for all stores, so that what one of them takes every other takes too."""

from __future__ import annotations

import re

from ..errors import StoreError

# Below the one lies what is made on the way and can be made again, below the other what the ledger calls done.
WORK, OUTPUTS = "work", "lessons"
# What outlives a ledger that is restored from a backup.
MARKS = "marks"

# A part fits into a file's name, and a whole key with a bucket's prefix before it into S3's 1024 bytes.
_KEY = re.compile(r"[A-Za-z0-9._:@=+-]{1,255}(/[A-Za-z0-9._:@=+-]{1,255})*")
_LONGEST_KEY = 768


def is_key(text: str) -> bool:
    """Whether the text is a relative path of plain characters without `.` and `..`, at most 768 characters long."""
    return len(text) <= _LONGEST_KEY and bool(_KEY.fullmatch(text)) and not {".", ".."}.intersection(text.split("/"))


def checked_key(key: str) -> str:
    """The key itself.

    Raises:
        StoreError: it is no key.
    """
    if not is_key(key):
        raise StoreError(f"{key[:80]!r} is no key of the store.")
    return key


def checked_prefix(prefix: str) -> str:
    """The prefix itself: a key, or nothing for the whole store.

    Raises:
        StoreError: it is neither.
    """
    return checked_key(prefix) if prefix else prefix
