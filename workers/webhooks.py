"""One try to tell the backend's webhook of a lesson's end: a leased event in, how the try ended out. Called by `delivering.py`.

The address is checked and pinned, redirects are not followed, and all of it ends in time, whatever the receiver does.
"""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Any
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from shared.deliveries import Due, Tried
from shared.errors import SettingsInvalid
from shared.settings import Settings
from shared.webhooks import body_of, event_of, key_of, sign
from workers.addresses import PinnedConnection, Resolver, may_connect, parse_address, resolve_name

MOST_ANSWER_BYTES = 1 << 16
# What these answer with Retry-After is a wish to wait.
BUSY = frozenset({429, 503})
GONE = 410


@dataclass(frozen=True, slots=True)
class Hook:
    """The webhook's checked settings.

    `tls` is None for plain HTTP, which goes to private addresses only. A try ends after `total_seconds`; the connection has to stand
    after `connect_seconds`.
    """

    host: str
    port: int
    target: str
    tls: ssl.SSLContext | None
    secrets: Sequence[SecretStr]
    private: bool = False
    connect_seconds: float = 5.0
    total_seconds: float = 15.0


def hook_of(settings: Settings) -> Hook | None:
    """The webhook that the settings name, None where they name none.

    Raises:
        SettingsInvalid: its address, its secrets or its authority's certificates cannot be used.
    """
    if not settings.webhook_url:
        return None
    url, port = _parse(settings.webhook_url)
    if url.scheme == "http" and not settings.webhook_private:
        raise SettingsInvalid("SMILEREEL_WEBHOOK_URL must begin with https://; http:// needs SMILEREEL_WEBHOOK_PRIVATE=true.")
    if not settings.webhook_secrets:
        raise SettingsInvalid("SMILEREEL_WEBHOOK_URL is set without SMILEREEL_WEBHOOK_SECRETS; nothing is sent unsigned.")
    for secret in settings.webhook_secrets:
        key_of(secret)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    tls = _trust(settings) if url.scheme == "https" else None
    return Hook((url.hostname or "").lower(), port, target, tls, settings.webhook_secrets, settings.webhook_private)


def _parse(text: str) -> tuple[SplitResult, int]:
    odd = not text.isascii() or any(sign <= " " or sign in "\\\x7f" for sign in text)
    try:
        url = urlsplit(text)
        port = url.port or (80 if url.scheme == "http" else 443)
    except ValueError:
        odd = True
    if odd or url.scheme not in {"http", "https"} or not url.hostname or url.username is not None or url.fragment:
        raise SettingsInvalid("SMILEREEL_WEBHOOK_URL cannot be used; write it https://host/path, without user and fragment.")
    return url, port


def _trust(settings: Settings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(settings.webhook_ca_file) if settings.webhook_ca_file else None)
    except OSError as error:  # of which ssl's own errors are some
        raise SettingsInvalid("The file of SMILEREEL_WEBHOOK_CA_FILE holds no certificates that can be read.") from error


def deliver(hook: Hook, due: Due, resolve: Resolver = resolve_name) -> Tried:
    """Try once; never raises for what the receiver or the network does."""
    try:
        addresses = resolve(hook.host, hook.port)
    except (OSError, UnicodeError):
        addresses = []
    if not addresses:
        return Tried(due, f"The webhook's host {hook.host} has no address; look at the name service.", answered=False)
    # One that is not allowed among several is a trick or a mistake; neither is followed.
    if fault := next((fault for address in addresses if (fault := _refusal(hook, address))), None):
        return Tried(due, fault, answered=False)
    connection = PinnedConnection(hook.host, hook.port, addresses[0], hook.tls, hook.connect_seconds, hook.total_seconds)
    ends_at = monotonic() + hook.total_seconds
    deadline = threading.Timer(hook.total_seconds, connection.cut)
    deadline.daemon = True
    deadline.start()
    try:
        return _post(connection, hook, due, ends_at)
    except (http.client.HTTPException, OSError) as error:
        return Tried(due, _told(error, hook, too_slow=monotonic() >= ends_at), answered=False)
    finally:
        deadline.cancel()
        connection.close()


def _refusal(hook: Hook, address: str) -> str | None:
    parsed = parse_address(address)
    if not may_connect(parsed, private=hook.private):
        inside = may_connect(parsed, private=True)
        wish = "set SMILEREEL_WEBHOOK_PRIVATE=true if it is meant" if inside else "check its name"
        return f"The webhook's host {hook.host} lies at an address that is not allowed; {wish}."
    if hook.tls is None and may_connect(parsed, private=False):
        return f"The webhook's host {hook.host} lies at a public address; give an https:// URL."
    return None


def _post(connection: PinnedConnection, hook: Hook, due: Due, ends_at: float) -> Tried:
    event = event_of(
        event_id=due.event_id, lesson_id=due.lesson_id, round_number=due.round, state=due.state, reason=due.reason,
        work_version=due.work_version, ended_at=due.ended_at,
    )  # fmt: skip
    body = body_of(event)
    headers = {"Content-Type": "application/json", "User-Agent": "smilereel", "Connection": "close"}
    connection.request("POST", hook.target, body, headers | sign(due.event_id, int(time.time()), body, hook.secrets))
    with connection.getresponse() as response:
        if monotonic() >= ends_at:
            raise TimeoutError
        tried = _judge(response, due)
        # It has answered; how it ends its answer no longer matters, but it may do so in peace.
        with suppress(http.client.HTTPException, OSError):
            response.read(MOST_ANSWER_BYTES)
        return tried


def _judge(response: http.client.HTTPResponse, due: Due) -> Tried:
    status = response.status
    if 200 <= status < 300:
        return Tried(due)
    if 300 <= status < 400:
        return Tried(
            due, f"The webhook answered {status}; redirects are not followed, set SMILEREEL_WEBHOOK_URL to where it lies."
        )
    if status == GONE:
        return Tried(due, "The webhook answered 410: it is gone for good.", final=True)
    return Tried(due, f"The webhook answered {status}.", wished_seconds=_wished(response) if status in BUSY else 0.0)


def _wished(response: http.client.HTTPResponse) -> float:
    """Seconds of Retry-After, which holds a number or a date; 0 for none or an odd one."""
    text: Any = response.getheader("Retry-After", "")
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return 0.0
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)


def _told(error: Exception, hook: Hook, *, too_slow: bool) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The webhook's host {hook.host} has no certificate that can be trusted; check its name."
    if too_slow or isinstance(error, TimeoutError):
        return f"The webhook's host {hook.host} did not answer within {hook.total_seconds:g} s."
    return f"The webhook's host {hook.host} did not answer: {type(error).__name__}."
