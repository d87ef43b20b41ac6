"""The object store for packs, crops, scores and reels: bytes under keys, written whole or not at all. Opened by the doors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from .errors import SettingsInvalid
from .settings import Settings
from .stores.access import S3Access, bucket_and_prefix
from .stores.folder import FolderStore
from .stores.rules import OUTPUTS, WORK

__all__ = [
    "OUTPUTS",
    "WORK",
    "FolderStore",
    "S3Access",
    "Store",
    "lesson_output_key",
    "lesson_work_key",
    "open_store",
    "output_key",
    "segment_key",
    "store_of",
    "work_key",
]


class Store(Protocol):
    """What a store can do; keys are relative paths of plain characters, a prefix is a key that others lie below.

    Every method raises ObjectMissing only if the store answered that the object is not there, and any other StoreError if the
    store is away, full or refuses: then the same call may succeed later.
    """

    def put(self, key: str, data: bytes) -> None:
        """Write the object whole or not at all, over an older one."""

    def get(self, key: str) -> bytes:
        """Read the object.

        Raises:
            ObjectMissing: it is not there.
            StoreError: it cannot be read now.
        """

    def exists(self, key: str) -> bool:
        """Whether the object is there."""

    def delete(self, prefix: str) -> None:
        """Remove the object under this key and all objects below it; none there is no error."""

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys below this one, or all of them for an empty prefix, sorted as text."""

    def bytes_used(self, prefix: str) -> int:
        """Bytes of all objects below this key, or of the whole store for an empty prefix; 0 where nothing is."""

    def address(self, key: str, seconds: float) -> str:
        """Where whoever may not read the store fetches this object: signed, and good for so many seconds, where the store is S3."""

    def sweep_temporaries(self, older_than_seconds: float) -> int:
        """Remove what writers that died left half-written longer ago than this; how many there were."""


def store_of(settings: Settings) -> Store:
    """The store that the settings name.

    Raises:
        SettingsInvalid: says which setting cannot be used.
    """
    if not settings.store_url.startswith("s3:"):
        return open_store(settings.store_url)
    access = S3Access(
        endpoint=settings.s3_endpoint,
        region=settings.s3_region,
        access_key_id=settings.s3_access_key_id,
        secret_access_key=settings.s3_secret_access_key.get_secret_value(),
        allow_http=settings.s3_allow_http,
    )
    return open_store(settings.store_url, s3=access)


def open_store(url: str, *, s3: S3Access | None = None) -> Store:
    """The store that a URL names: `file:///folder` or `s3://bucket/prefix`. Makes no request and writes nothing.

    Raises:
        SettingsInvalid: it is neither; the message does not repeat the URL, which may hold a password.
    """
    place = bucket_and_prefix(url)
    if place:
        from .stores.s3 import S3Store

        return S3Store(*place, s3 or S3Access())
    folder = _folder(url)
    if folder:
        return FolderStore(folder)
    raise SettingsInvalid("SMILEREEL_STORE_URL must look like file:///folder or s3://bucket/prefix.")


def _folder(url: str) -> Path | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    path = unquote(parts.path)
    usable = parts.scheme == "file" and path.startswith("/") and not parts.netloc and "\0" not in path
    return Path(path) if usable else None


def segment_key(lesson_id: str, work_version: str, segment_index: int, name: str) -> str:
    """Where a segment's intermediate lies."""
    return f"{work_key(lesson_id, work_version)}/segment-{segment_index:04d}/{name}"


def work_key(lesson_id: str, work_version: str) -> str:
    """Below this lies all that one version of the pipeline made of a lesson on the way."""
    return f"{lesson_work_key(lesson_id)}/{work_version}"


def lesson_work_key(lesson_id: str) -> str:
    """Below this lies what any version of the pipeline made of a lesson on the way."""
    return f"{WORK}/{lesson_id}"


def output_key(lesson_id: str, work_version: str, name: str) -> str:
    """Where one of a lesson's outputs lies."""
    return f"{lesson_output_key(lesson_id)}/{work_version}/{name}"


def lesson_output_key(lesson_id: str) -> str:
    """Below this lie a lesson's outputs, version by version."""
    return f"{OUTPUTS}/{lesson_id}"
