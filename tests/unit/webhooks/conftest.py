"""A receiver in a thread, the hook that leads to it, and an end to tell it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.deliveries import Due
from shared.settings import Settings
from tests.services.receiver import HOST, Handler, Received, receiving
from tests.services.tls import Certificate, certificate
from workers.webhooks import Hook, hook_of

SECRET = "whsec_" + "A" * 43
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DUE = Due("event-1", "lesson-1", 2, "refused", "anna.mp4 cannot be read", "v1", NOW, NOW)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("tls"), f"DNS:{HOST}", "IP:127.0.0.1")


Serve = Callable[..., Received]


@pytest.fixture
def serve(known: Certificate) -> Iterator[Serve]:
    """Starts a receiver that answers so."""
    with ExitStack() as stack:

        def start(answer: Callable[[Handler], None], *, tls: bool = True) -> Received:
            return stack.enter_context(receiving(lambda handler, _body: answer(handler), known if tls else None))

        yield start


def here(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def settings_of(url: str, **changes: Any) -> Settings:
    return Settings(**{"webhook_url": url, "webhook_secrets": [SECRET], "webhook_private": True, **changes})


def a_hook(received: Received, known: Certificate, **changes: Any) -> Hook:
    hook = hook_of(settings_of(f"https://{HOST}:{received.port}/ends?a=b", webhook_ca_file=known.authority))
    assert hook is not None
    return replace(hook, **{"connect_seconds": 1.0, "total_seconds": 1.0, **changes})


def answering(status: int, body: bytes = b"", **headers: str) -> Callable[[Handler], None]:
    return lambda handler: handler.reply(status, body, **headers)
