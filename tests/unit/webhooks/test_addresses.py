"""Where the webhook may go: which addresses of its host, and which settings."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.deliveries import Tried
from shared.errors import SettingsInvalid
from shared.settings import Settings
from tests.services.receiver import HOST, Received
from tests.services.tls import Certificate
from tests.unit.webhooks.conftest import DUE, SECRET, Serve, a_hook, answering, here, settings_of
from workers.webhooks import deliver, hook_of


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.1.2.3"],
        ["192.168.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["fd00::1"],
        ["64:ff9b::7f00:1"],
        ["93.184.216.34", "10.0.0.1"],
    ],
)
def test_private_addresses_are_refused_unless_allowed(
    addresses: list[str], known: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected: list[Any] = []

    def connect(address: Any, timeout: float) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    hook = a_hook(Received(443), known, private=False)
    tried = deliver(hook, DUE, lambda host, port: addresses)
    assert tried.fault == (
        f"The webhook's host {HOST} lies at an address that is not allowed; set SMILEREEL_WEBHOOK_PRIVATE=true if it is meant."
    )
    assert (connected, tried.answered) == ([], False)
    deliver(replace(hook, private=True), DUE, lambda host, port: addresses)
    assert connected == [(addresses[0], 443)]


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1%eth0", "0.0.0.0", "224.0.0.1", "::ffff:169.254.169.254"])
def test_where_a_cloud_keeps_its_keys_is_refused_always(address: str, known: Certificate) -> None:
    tried = deliver(a_hook(Received(443), known, private=True), DUE, lambda host, port: [address])
    assert tried.fault == f"The webhook's host {HOST} lies at an address that is not allowed; check its name."


def test_the_checked_address_is_the_one_connected_to(serve: Serve, known: Certificate) -> None:
    received = serve(answering(200))
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])
    assert deliver(a_hook(received, known), DUE, lambda host, port: next(answers)) == Tried(DUE)
    assert len(received.requests) == 1


@pytest.mark.parametrize("error", [OSError("no such name"), UnicodeError("label too long"), None])
def test_a_name_without_an_address(error: Exception | None, known: Certificate) -> None:
    def nowhere(host: str, port: int) -> list[str]:
        if error:
            raise error
        return []

    tried = deliver(a_hook(Received(443), known), DUE, nowhere)
    assert tried.fault == f"The webhook's host {HOST} has no address; look at the name service."


def test_plain_http_goes_to_private_addresses_alone(serve: Serve) -> None:
    received = serve(answering(200), tls=False)
    hook = hook_of(settings_of(f"http://{HOST}:{received.port}/"))
    assert hook is not None
    assert deliver(hook, DUE, here) == Tried(DUE)
    tried = deliver(hook, DUE, lambda host, port: ["93.184.216.34"])
    assert tried.fault == f"The webhook's host {HOST} lies at a public address; give an https:// URL."
    with pytest.raises(SettingsInvalid, match="must begin with https://"):
        hook_of(settings_of(f"http://{HOST}/", webhook_private=False))


def test_without_an_address_there_is_no_webhook() -> None:
    assert hook_of(Settings()) is None


@pytest.mark.parametrize(
    "url",
    [
        "hook.example.org/ends", "ftp://hook.example.org/", "file:///etc/passwd", "https://", "https:///ends",
        "https://user:secret@hook.example.org/", "https://hook.example.org/#a", "https://hook.example.org/\r\nX: y",
        "https://hook.example.org/ä", "https://hook.example.org:99999/", "https://hook.example.org\\@10.0.0.1/", "https://[::1/",
    ],
)  # fmt: skip
def test_addresses_that_cannot_be_used(url: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"SMILEREEL_WEBHOOK_URL .*https://") as refusal:
        hook_of(settings_of(url))
    assert "secret" not in refusal.value.message


def test_nothing_is_sent_unsigned(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="nothing is sent unsigned"):
        hook_of(settings_of("https://hook.example.org/", webhook_secrets=[]))
    with pytest.raises(SettingsInvalid, match="24 to 64 random bytes"):
        hook_of(settings_of("https://hook.example.org/", webhook_secrets=[SECRET, "secret"]))
    with pytest.raises(SettingsInvalid, match="SMILEREEL_WEBHOOK_CA_FILE"):
        hook_of(settings_of("https://hook.example.org/", webhook_ca_file=tmp_path / "none.pem"))
