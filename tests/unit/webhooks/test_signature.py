"""The webhook's signature, against another implementation both ways; rotated secrets, the body's schema."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from datetime import UTC, datetime
from itertools import product
from typing import Any

import jsonschema
import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from shared.errors import SettingsInvalid, WebhookInvalid
from shared.reel import NoReelReason
from shared.webhooks import WebhookEvent, body_of, event_of, key_of, sign, verify

OLD, NEW, OTHER = ("whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2, 3))
NOW = 1_790_000_000
ENDED_AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def an_event(**changes: Any) -> WebhookEvent:
    facts: dict[str, Any] = {
        "event_id": "event-1", "lesson_id": "lesson-1", "round_number": 1, "state": "no_reel", "reason": "no_face",
        "work_version": "v1", "ended_at": ENDED_AT,
    }  # fmt: skip
    return event_of(**{**facts, **changes})


def signed(event: WebhookEvent, *secrets: str, at: int = NOW) -> tuple[bytes, dict[str, str]]:
    body = body_of(event)
    return body, sign(event.event_id, at, body, secrets)


def test_what_is_signed_is_read() -> None:
    event = an_event()
    body, headers = signed(event, NEW)
    assert verify(body, headers, [NEW], now=NOW) == event
    assert verify(body.decode(), {name.title(): value for name, value in headers.items()}, NEW, now=NOW) == event
    assert json.loads(body) == {
        "type": "lesson.no_reel",
        "timestamp": "2026-11-20T12:00:00Z",
        "data": {
            "lesson_id": "lesson-1",
            "event_id": "event-1",
            "round": 1,
            "state": "no_reel",
            "reason": "no_face",
            "work_version": "v1",
        },
    }


def test_the_other_implementation_reads_ours() -> None:
    event = an_event()
    now = int(datetime.now(UTC).timestamp())
    for mine, theirs in product([(NEW,), (NEW, OLD)], [NEW, OLD]):
        body, headers = signed(event, *mine, at=now)
        read = standardwebhooks.Webhook(theirs)
        if theirs in mine:
            assert read.verify(body, headers) == json.loads(body)
        else:
            with pytest.raises(standardwebhooks.WebhookVerificationError):
                read.verify(body, headers)


def test_we_read_the_other_implementations() -> None:
    event = an_event()
    now = datetime.now(UTC)
    body = body_of(event).decode()
    signature = standardwebhooks.Webhook(OLD).sign(event.event_id, now, body)
    headers = {"webhook-id": event.event_id, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
    assert verify(body, headers, [NEW, OLD]) == event
    with pytest.raises(WebhookInvalid):
        verify(body, headers, [NEW])


@given(st.binary(max_size=200), st.text(st.characters(codec="ascii", exclude_characters=". "), min_size=1), st.integers(0, 2**33))
def test_both_sign_any_text_alike(raw: bytes, event_id: str, at: int) -> None:
    text = raw.decode("utf-8", "replace")
    theirs = standardwebhooks.Webhook(NEW).sign(event_id, datetime.fromtimestamp(at, UTC), text)
    assert sign(event_id, at, text.encode(), [NEW])["webhook-signature"] == theirs


def test_secrets_are_rotated_without_loss() -> None:
    """Either end may begin: at each step what is sent is read, and in the end the old secret opens nothing."""
    event = an_event()
    for sender, receiver in [([OLD], [OLD]), ([NEW, OLD], [OLD]), ([NEW, OLD], [NEW, OLD]), ([NEW, OLD], [NEW]), ([NEW], [NEW]),
                             ([OLD], [NEW, OLD]), ([NEW], [NEW, OLD])]:  # fmt: skip
        body, headers = signed(event, *sender)
        assert verify(body, headers, receiver, now=NOW) == event
        assert len(headers["webhook-signature"].split(" ")) == len(sender)
    body, headers = signed(event, NEW, OLD)
    assert headers["webhook-signature"].startswith(sign("event-1", NOW, body, NEW)["webhook-signature"]), "the newest first"
    with pytest.raises(WebhookInvalid, match="any of the secrets"):
        verify(*signed(event, OLD), [NEW], now=NOW)


def test_what_a_later_release_adds_is_ignored() -> None:
    document = json.loads(body_of(an_event()))
    document["data"]["new"] = document["new"] = 1
    body = json.dumps(document).encode()
    assert verify(body, sign("event-1", NOW, body, NEW), [NEW], now=NOW) == an_event()


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "whsec_c2hvcnQ=", OLD.removeprefix("whsec_"), "whsec_ä" + "A" * 40, "whsec_" + "A" * 100, "whsec_" + "!" * 40],
)
def test_secrets_that_cannot_be_used(secret: str) -> None:
    with pytest.raises(SettingsInvalid, match="24 to 64 random bytes") as refusal:
        key_of(secret)
    assert len(secret) < 10 or secret not in refusal.value.message
    with pytest.raises(SettingsInvalid):
        sign("event-1", NOW, b"{}", [NEW, secret])


def test_secrets_with_and_without_padding_and_hidden() -> None:
    assert key_of(NEW) == key_of(NEW.rstrip("=")) == key_of(SecretStr(NEW)) == b"\2" * 32


def test_nothing_is_signed_or_believed_without_a_secret() -> None:
    body, headers = signed(an_event(), NEW)
    for call in (lambda: verify(body, headers, [], now=NOW), lambda: sign("event-1", NOW, body, [])):
        with pytest.raises(SettingsInvalid, match="SMILEREEL_WEBHOOK_SECRETS"):
            call()


@pytest.mark.parametrize(
    ("state", "reason", "told"),
    [
        *[("no_reel", str(code), str(code)) for code in NoReelReason],
        ("no_reel", "anna-schmidt.mp4 is odd", None),
        ("no_reel", None, None),
        ("refused", "anna-schmidt.mp4 cannot be read", None),
        ("refused", "no_face", None),
        ("quarantined", "anna-schmidt.mp4 kills", None),
        ("cancelled", "consent was withdrawn", None),
        ("done", None, None),
    ],
)
def test_only_codes_are_told(state: str, reason: str | None, told: str | None) -> None:
    event = an_event(state=state, reason=reason)
    assert (event.type, event.data.state, event.data.reason) == (f"lesson.{state}", state, told)
    assert b"anna" not in body_of(event)


def test_the_schema_fits_what_is_sent_and_nothing_else() -> None:
    schema = json.loads(
        subprocess.run([sys.executable, "-m", "workers", "schema", "webhook"], capture_output=True, check=True).stdout
    )
    for state in ("done", "no_reel", "refused", "quarantined", "cancelled"):
        jsonschema.validate(json.loads(body_of(an_event(state=state))), schema)
    odd = json.loads(body_of(an_event()))
    odd["data"]["reason"] = "anna"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(odd, schema)


def test_a_backend_gets_it_with_the_base_install() -> None:
    script = "import shared.webhooks, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert not {"torch", "cv2", "numpy", "celery", "sqlalchemy", "standardwebhooks"}.intersection(loaded.split())
