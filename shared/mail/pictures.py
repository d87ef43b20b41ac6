"""A found reel in, the bytes of its GIF and poster out, for an e-mail that carries its picture itself."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

from ..answers import PublishedReel
from ..errors import StoreError

_TIMEOUT_SECONDS = 10.0
_LARGEST_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Pictures:
    """The reel and its poster, which shows the GIF's first picture."""

    gif: bytes
    poster_jpeg: bytes


def read_pictures(reel: PublishedReel, *, read: Callable[[str], bytes] | None = None) -> Pictures:
    """Read both from the store by the reel's own addresses.

    Args:
        read: bytes of an address; by default those of a file or of the signed address of an S3 service.

    Raises:
        StoreError: the store does not hand them out, or hands out something else.
    """
    read = read or _read_address
    gif, poster = (_read(address, read, reel.lesson_id) for address in (reel.address, reel.poster_address))
    # So that a wrong address can never send another file of this machine to somebody's parents.
    if not gif.startswith((b"GIF87a", b"GIF89a")) or not poster.startswith(b"\xff\xd8\xff"):
        raise StoreError(
            f"The store holds no GIF and JPEG where the reel of lesson {reel.lesson_id} should be; look at the store."
        )
    return Pictures(gif, poster)


def content_id(reel: PublishedReel, kind: str) -> str:
    """The name under which the message's HTML refers to one of its pictures; another one for another version of the reel."""
    digest = sha256(f"{reel.lesson_id}\n{reel.created_at.isoformat()}\n{kind}".encode()).hexdigest()
    return f"{kind}-{digest[:24]}@reel.smilereel"


def _read(address: str, read: Callable[[str], bytes], lesson_id: str) -> bytes:
    try:
        return read(address)
    except (OSError, ValueError, http.client.HTTPException) as error:
        # The error's own words may hold the signed address, which anybody could open.
        raise StoreError(
            f"The reel of lesson {lesson_id} could not be read from the store ({type(error).__name__}); look at the store and try again."
        ) from None


def _read_address(address: str) -> bytes:
    parts = urlsplit(address)
    if parts.scheme == "file":
        return Path(unquote(parts.path)).read_bytes()
    if parts.scheme not in {"https", "http"}:
        raise ValueError(parts.scheme)
    with urlopen(address, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
        data: bytes = answer.read(_LARGEST_BYTES + 1)
    if len(data) > _LARGEST_BYTES:
        raise ValueError("too large")
    return data
