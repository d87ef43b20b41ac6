"""The webhook's body and its signature: written by the workers' sender, checked by the backend that receives it (`verify`).

The signature is that of Standard Webhooks (standardwebhooks.com). It is forty lines of `hmac`, so the base install, which a backend
shares its environment with, gets no package more for it; the tests check it against the package of that name, both ways.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from .errors import SettingsInvalid, WebhookInvalid
from .reel import NoReelReason

ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER = "webhook-id", "webhook-timestamp", "webhook-signature"
TOLERANCE_SECONDS = 300.0
_PREFIX = "whsec_"
_LEAST_KEY_BYTES, _MOST_KEY_BYTES = 24, 64
# Longer than any that is signed with a handful of keys.
_MOST_SIGNATURE_CHARACTERS = 4096

Secrets = str | SecretStr | Iterable[str | SecretStr]
EventType = Literal["lesson.done", "lesson.no_reel", "lesson.refused", "lesson.quarantined", "lesson.cancelled"]


class WebhookData(BaseModel):
    """Which lesson has come to which end: ids and codes, nothing about anybody."""

    model_config = ConfigDict(frozen=True)

    lesson_id: str
    event_id: str = Field(description="The same at every try, and in the header webhook-id: who has seen it before, ignores it.")
    round: int = Field(ge=1, description="How often the lesson was opened; a later round's end is the newer one.")
    state: Literal["done", "no_reel", "refused", "quarantined", "cancelled"]
    reason: NoReelReason | None = Field(None, description="Why there is no reel; only with no_reel.")
    work_version: str | None = Field(None, description="Which version of the lesson's work this is.")


class WebhookEvent(BaseModel):
    """What the webhook's body holds. Fields may be added later; a receiver ignores those it does not know."""

    model_config = ConfigDict(frozen=True)

    type: EventType
    timestamp: AwareDatetime = Field(description="When the lesson ended.")
    data: WebhookData

    @property
    def event_id(self) -> str:
        return self.data.event_id


def key_of(secret: str | SecretStr) -> bytes:
    """The key that a secret like `whsec_…` stands for.

    Raises:
        SettingsInvalid: it is no base64 of 24 to 64 bytes after `whsec_`.
    """
    text = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
    unpadded = text.removeprefix(_PREFIX).rstrip("=")
    try:
        key = base64.b64decode(unpadded + "=" * (-len(unpadded) % 4), validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if not text.startswith(_PREFIX) or not _LEAST_KEY_BYTES <= len(key) <= _MOST_KEY_BYTES:
        raise SettingsInvalid("A webhook's secret is whsec_ and then 24 to 64 random bytes in base64; make one anew.")
    return key


def sign(event_id: str, timestamp: int, body: bytes, secrets: Secrets) -> dict[str, str]:
    """The three headers of a message.

    Args:
        event_id: the same at every try.
        timestamp: seconds since 1970 of this try.
        body: as it is sent, to the byte.
        secrets: the newest first; each signs, so that a receiver may know the old or the new one.

    Raises:
        SettingsInvalid: there is no secret, or one that cannot be used.
    """
    signatures = [_signature(key, event_id, str(timestamp), body) for key in _keys_of(secrets)]
    return {ID_HEADER: event_id, TIMESTAMP_HEADER: str(timestamp), SIGNATURE_HEADER: " ".join(signatures)}


def verify(
    body: bytes | str,
    headers: Mapping[str, str],
    secrets: Secrets,
    *,
    tolerance_seconds: float = TOLERANCE_SECONDS,
    now: float | None = None,
) -> WebhookEvent:
    """The event that a request carries, once it is known to come from whoever has the secret.

    The same event may come several times: remember `event_id`, and answer 2xx to one that was seen before.

    Args:
        body: of the request as it came, to the byte; not decoded and encoded again.
        headers: of the request; upper or lower case.
        secrets: any of them may have signed it; while they are rotated, the old one and the new one.
        tolerance_seconds: how far its clock and the receiver's may be apart.
        now: seconds since 1970; by default the clock's.

    Raises:
        WebhookInvalid: it is forged, too old, from the future or no event; answer 400.
        SettingsInvalid: the receiver's secrets cannot be used.
    """
    keys = _keys_of(secrets)
    raw = body.encode() if isinstance(body, str) else bytes(body)
    known = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER) if not known.get(name)]
    if missing:
        raise WebhookInvalid(f"The webhook has no header {missing[0]}.")
    event_id, stamp, given = (known[name] for name in (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER))
    _check_time(stamp, tolerance_seconds, time.time() if now is None else now)
    if len(given) > _MOST_SIGNATURE_CHARACTERS or not _is_signed(keys, event_id, stamp, raw, given):
        raise WebhookInvalid("The webhook's signature is not made with any of the secrets.")
    return _event_in(raw, event_id)


def body_of(event: WebhookEvent) -> bytes:
    """The event as it is sent."""
    return event.model_dump_json().encode()


def event_of(
    *,
    event_id: str,
    lesson_id: str,
    round_number: int,
    state: str,
    reason: str | None,
    work_version: str | None,
    ended_at: datetime,
) -> WebhookEvent:
    """The event of a lesson's end; a reason that is no code is left out, since it may name a file."""
    code = reason if state == "no_reel" and reason in set(NoReelReason) else None
    data = {"lesson_id": lesson_id, "event_id": event_id, "round": round_number, "state": state}
    return WebhookEvent.model_validate(
        {"type": f"lesson.{state}", "timestamp": ended_at, "data": {**data, "reason": code, "work_version": work_version}}
    )


def _keys_of(secrets: Secrets) -> list[bytes]:
    if isinstance(secrets, str | SecretStr):
        secrets = [secrets]
    keys = [key_of(secret) for secret in secrets]
    if not keys:
        raise SettingsInvalid("There is no secret for webhooks; set SMILEREEL_WEBHOOK_SECRETS.")
    return keys


def _signature(key: bytes, event_id: str, stamp: str, body: bytes) -> str:
    signed = b".".join([event_id.encode("utf-8", "replace"), stamp.encode(), body])
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _check_time(stamp: str, tolerance_seconds: float, now: float) -> None:
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise WebhookInvalid("The webhook's timestamp is no number of seconds since 1970.")
    if not now - tolerance_seconds <= int(stamp) <= now + tolerance_seconds:
        raise WebhookInvalid(f"The webhook's timestamp is more than {tolerance_seconds:g} s away from the clock here.")


def _is_signed(keys: list[bytes], event_id: str, stamp: str, body: bytes, given: str) -> bool:
    signatures = [part.encode("utf-8", "replace") for part in given.split(" ") if part.startswith("v1,")]
    good = False
    for key in keys:
        expected = _signature(key, event_id, stamp, body).encode()
        for signature in signatures:
            good |= hmac.compare_digest(expected, signature)
    return good


def _event_in(raw: bytes, event_id: str) -> WebhookEvent:
    try:
        event = WebhookEvent.model_validate(json.loads(raw))
    except (ValueError, ValidationError, RecursionError):
        raise WebhookInvalid("The webhook's body is no event that this release knows.") from None
    if event.event_id != event_id:
        raise WebhookInvalid("The webhook's header names another event than its body.")
    return event
