"""What a receiver's `verify` refuses, each with a sentence: old, forged, mangled, no event."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import WebhookInvalid
from shared.webhooks import body_of, sign, verify
from tests.unit.webhooks.test_signature import NEW, NOW, OTHER, an_event, signed


def refused(body: bytes | str, headers: dict[str, str], *secrets: str, **options: Any) -> str:
    with pytest.raises(WebhookInvalid) as refusal:
        verify(body, headers, secrets or [NEW], **{"now": NOW, **options})
    message = refusal.value.message
    assert message.endswith(".")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("seconds", [-301, 301, -86_400 * 365])
def test_an_old_one_and_one_from_the_future(seconds: int) -> None:
    body, headers = signed(an_event(), NEW, at=NOW + seconds)
    assert "300 s away" in refused(body, headers)
    assert verify(body, headers, [NEW], now=NOW, tolerance_seconds=abs(seconds))
    body, headers = signed(an_event(), NEW, at=NOW + 300 * (1 if seconds > 0 else -1))
    assert verify(body, headers, [NEW], now=NOW)


def test_a_replay_with_a_new_time_is_forged() -> None:
    body, headers = signed(an_event(), NEW, at=NOW - 1000)
    assert "any of the secrets" in refused(body, {**headers, "webhook-timestamp": str(NOW)})


@pytest.mark.parametrize("stamp", ["now", "-1", "1e9", "1.0", "0x10", " 1790000000", "١٢٣", "9" * 5000, "nan"])
def test_odd_times(stamp: str) -> None:
    body, headers = signed(an_event(), NEW)
    refused(body, {**headers, "webhook-timestamp": stamp})


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_named(name: str) -> None:
    body, headers = signed(an_event(), NEW)
    assert name in refused(body, {key: value for key, value in headers.items() if key != name})
    assert name in refused(body, {**headers, name: ""})


def test_each_part_is_signed() -> None:
    body, headers = signed(an_event(), NEW)
    forged = [
        (body.replace(b"no_face", b"no_fake"), headers),
        (body + b" ", headers),
        (body, {**headers, "webhook-id": "event-2"}),
        (body, {**headers, "webhook-timestamp": str(NOW + 1)}),
        (body, {**headers, "webhook-signature": sign("event-1", NOW, body, OTHER)["webhook-signature"]}),
    ]
    for case in forged:
        assert "any of the secrets" in refused(*case)


@pytest.mark.parametrize(
    "mangle",
    [
        lambda text: text.removeprefix("v1,"),
        lambda text: text.replace("v1,", "v1a,"),
        lambda text: text.replace("v1,", "v2,"),
        lambda text: text[:-4],
        lambda text: text + "A",
        lambda text: "v1,",
        lambda text: "v1,é\udce9",
        lambda text: text.replace(" ", ""),
        lambda text: "v1,AAAA " * 10_000 + text,
        lambda text: text.swapcase(),
    ],
)
def test_odd_signatures_are_refused(mangle: Any) -> None:
    body, headers = signed(an_event(), NEW)
    changed = mangle(headers["webhook-signature"])
    if changed != headers["webhook-signature"]:
        assert "any of the secrets" in refused(body, {**headers, "webhook-signature": changed})


def test_other_signatures_beside_ours_do_no_harm() -> None:
    body, headers = signed(an_event(), NEW)
    headers["webhook-signature"] = f"v1a,xyz v1 {headers['webhook-signature']} v1,b2xk"
    assert verify(body, headers, [NEW], now=NOW)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"type": "lesson.done"}',
        body_of(an_event()).replace(b"lesson.no_reel", b"lesson.began"),
        body_of(an_event()).replace(b"12:00:00Z", b"12:00:00"),
    ],
)
def test_a_signed_body_that_is_no_event(body: bytes) -> None:
    assert "no event that this release knows" in refused(body, sign("event-1", NOW, body, NEW))


def test_a_body_under_another_events_header() -> None:
    body = body_of(an_event())
    assert "another event" in refused(body, sign("event-2", NOW, body, NEW))
