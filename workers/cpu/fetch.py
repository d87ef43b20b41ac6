"""Download a recording from an allowed host into an unnamed file: address checked and pinned, no redirects, bounded. For `sources`."""

from __future__ import annotations

import http.client
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import IO, NoReturn
from urllib.parse import SplitResult, urlsplit

from shared.errors import RecordingUnreadable, SourceUnavailable
from workers.addresses import PinnedConnection, Resolver, may_connect, parse_address

from .limits import DEFAULT_LIMITS, Budget, MediaLimits
from .media import OpenedFile, opened_file

CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class SourceRules:
    """Where recordings may come from.

    `hosts` are names, or name:port, that `https` URLs may name; those in `private_hosts` may also lie at private addresses.
    Downloads go into unnamed files in `scratch` (the system's folder for such by default); `ca_file` is trusted besides none,
    else the system's authorities are. A download ends after `fetch_seconds` in all and `connect_seconds` until the connection.
    """

    media_root: Path
    hosts: tuple[str, ...] = ()
    private_hosts: tuple[str, ...] = ()
    scratch: Path | None = None
    ca_file: Path | None = None
    fetch_seconds: float = 600.0
    connect_seconds: float = 10.0
    limits: MediaLimits = DEFAULT_LIMITS


@contextmanager
def fetch(uri: str, rules: SourceRules, resolve: Resolver) -> Iterator[OpenedFile]:
    """The whole recording in a file without a name; see `sources.open_recording` for errors."""
    url, host, port, private = _parse(uri, rules)
    name = url.path.rsplit("/", 1)[-1] or host
    address = _pick_address(host, port, private, resolve)
    context = ssl.create_default_context(cafile=str(rules.ca_file) if rules.ca_file else None)
    connection = PinnedConnection(host, port, address, context, rules.connect_seconds)
    ends_at = monotonic() + rules.fetch_seconds
    deadline = threading.Timer(rules.fetch_seconds, connection.cut)
    deadline.daemon = True
    with tempfile.TemporaryFile(dir=rules.scratch) as file:
        deadline.start()
        try:
            version = _download(connection, url, name, Budget(rules.limits, name), file)
        except (SourceUnavailable, http.client.HTTPException, OSError) as error:
            if monotonic() < ends_at:
                _refuse(error, name, host)
            raise _too_slow(name, host, rules) from error
        finally:
            deadline.cancel()
            connection.close()
        if monotonic() >= ends_at:
            raise _too_slow(name, host, rules)
        file.flush()
        opened = opened_file(file.fileno(), name)
        yield OpenedFile(name, opened.descriptor, opened.n_bytes, (opened.n_bytes, version))


def _parse(uri: str, rules: SourceRules) -> tuple[SplitResult, str, int, bool]:
    try:
        url = urlsplit(uri)
        host, port = (url.hostname or "").lower(), url.port or 443
    except ValueError as error:
        raise RecordingUnreadable("A recording's URL cannot be understood; write it https://host/path.") from error
    if not uri.isascii() or " " in uri or not host or url.username is not None or url.fragment or "\\" in uri:
        raise RecordingUnreadable("A recording's URL holds a user, a fragment or odd characters; write it https://host/path.")
    private = _named(host, port, rules.private_hosts)
    if not private and not _named(host, port, rules.hosts):
        raise RecordingUnreadable(f"Recordings from {host} are not allowed; ask for the host to be added to the media hosts.")
    return url, host, port, private


def _named(host: str, port: int, allowed: tuple[str, ...]) -> bool:
    return f"{host}:{port}" in allowed or (port == 443 and host in allowed)


def _pick_address(host: str, port: int, private: bool, resolve: Resolver) -> str:
    try:
        addresses = resolve(host, port)
    except OSError as error:
        raise SourceUnavailable(f"The host {host} has no address now; look at the name service.") from error
    # One that is not allowed among several is a trick or a mistake; neither is followed.
    if not addresses or not all(may_connect(parse_address(a), private=private) for a in addresses):
        raise RecordingUnreadable(f"The host {host} lies at an address that recordings may not come from; check its name.")
    return addresses[0]


def _download(connection: PinnedConnection, url: SplitResult, name: str, budget: Budget, file: IO[bytes]) -> int:
    """Write the content to the file; returns a number that changes with the host's tag or date of it."""
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    connection.request("GET", target, headers={"Accept-Encoding": "identity", "Connection": "close"})
    with connection.getresponse() as response:
        return _receive(response, name, budget, file)


def _receive(response: http.client.HTTPResponse, name: str, budget: Budget, file: IO[bytes]) -> int:
    if response.status != 200:
        _refuse_status(response.status, name)
    if response.getheader("Content-Encoding", "identity") != "identity":
        raise RecordingUnreadable(f"The recording {name} comes packed, which is not accepted; let its host send it as it is.")
    expected = response.length
    if expected is not None:
        budget.check_size(expected)
    n_bytes = 0
    while chunk := response.read1(CHUNK_BYTES):
        n_bytes += len(chunk)
        budget.check_size(n_bytes)
        try:
            file.write(chunk)
        except OSError as error:
            raise SourceUnavailable(f"There is no room for {name} in the scratch folder: {error.strerror}; make some.") from error
    if expected is not None and n_bytes < expected:
        raise SourceUnavailable(f"The host sent {n_bytes} of {expected} bytes of {name}; try again.")
    tag = f"{response.getheader('ETag')} {response.getheader('Last-Modified')}"
    return int.from_bytes(sha256(tag.encode()).digest()[:6])


def _refuse_status(status: int, name: str) -> None:
    if 300 <= status < 400:
        raise RecordingUnreadable(
            f"The recording {name} lies elsewhere ({status}); redirects are not followed, give its own URL."
        )
    if status >= 500 or status in (408, 425, 429):
        raise SourceUnavailable(f"The host of {name} answered {status}; try again.")
    raise RecordingUnreadable(f"The recording {name} cannot be had from its host ({status}); check the URL.")


def _too_slow(name: str, host: str, rules: SourceRules) -> SourceUnavailable:
    return SourceUnavailable(f"The host {host} took more than {rules.fetch_seconds:g} s to send {name}; try again.")


def _refuse(error: Exception, name: str, host: str) -> NoReturn:
    if isinstance(error, SourceUnavailable):
        raise error
    if isinstance(error, ssl.SSLCertVerificationError):
        raise RecordingUnreadable(f"The host {host} has no certificate that can be trusted; check its name.") from error
    raise SourceUnavailable(f"The host {host} did not send {name}: {type(error).__name__}; try again.") from error
