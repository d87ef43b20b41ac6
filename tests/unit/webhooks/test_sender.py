"""One try of the webhook against a real receiver: in time, to allowed addresses only, without redirects, and what each answer means."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from shared.deliveries import Tried
from shared.webhooks import verify
from tests.services.receiver import HOST, Handler, Received
from tests.services.tls import Certificate
from tests.unit.webhooks.conftest import DUE, NOW, SECRET, Serve, a_hook, answering, here, settings_of
from workers.webhooks import MOST_ANSWER_BYTES, deliver, hook_of


def test_what_arrives_can_be_verified_and_names_nobody(serve: Serve, known: Certificate) -> None:
    received = serve(answering(200, b"thanks"))
    assert deliver(a_hook(received, known), DUE, here) == Tried(DUE)
    ((headers, body),) = received.requests
    event = verify(body, headers, [SECRET])
    assert (event.type, event.event_id, event.timestamp, event.data.round) == ("lesson.refused", "event-1", NOW, 2)
    assert headers["Host"] == f"{HOST}:{received.port}"
    assert headers["Content-Type"] == "application/json"
    assert b"anna" not in body
    assert set(json.loads(body)["data"]) == {"lesson_id", "event_id", "round", "state", "reason", "work_version"}


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_each_2xx_is_delivered(serve: Serve, known: Certificate, status: int) -> None:
    assert deliver(a_hook(serve(answering(status)), known), DUE, here) == Tried(DUE)


@pytest.mark.parametrize("status", [400, 401, 404, 409, 500, 502, 503])
def test_everything_else_is_tried_again(serve: Serve, known: Certificate, status: int) -> None:
    tried = deliver(a_hook(serve(answering(status)), known), DUE, here)
    assert (tried.fault, tried.final, tried.answered) == (f"The webhook answered {status}.", False, True)


def test_gone_is_not(serve: Serve, known: Certificate) -> None:
    assert deliver(a_hook(serve(answering(410)), known), DUE, here).final


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(serve: Serve, known: Certificate, status: int) -> None:
    elsewhere = serve(answering(200))
    received = serve(answering(status, Location=f"https://{HOST}:{elsewhere.port}/"))
    tried = deliver(a_hook(received, known), DUE, here)
    assert tried.fault is not None
    assert "redirects are not followed" in tried.fault
    assert (len(received.requests), elsewhere.requests) == (1, [])


@pytest.mark.parametrize(
    ("status", "text", "seconds"),
    [
        (429, "120", 120),
        (503, "7", 7),
        (500, "120", 0),
        (429, "soon", 0),
        (429, "-5", 0),
        (429, "9" * 400, 0),
        (503, "Fri, 20 Nov 2020 12:00:00 GMT", 0),
        (503, "Fri, 99 Foo 2020", 0),
    ],
)
def test_a_wish_to_wait(serve: Serve, known: Certificate, status: int, text: str, seconds: float) -> None:
    tried = deliver(a_hook(serve(answering(status, Retry_After=text)), known), DUE, here)
    assert tried.wished_seconds == seconds


def test_a_wish_to_wait_until_a_moment(serve: Serve, known: Certificate) -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    tried = deliver(a_hook(serve(answering(503, Retry_After=moment)), known), DUE, here)
    assert 3500 < tried.wished_seconds <= 3600


def silent(handler: Handler) -> None:
    time.sleep(8)


def drip(start: bytes) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.wfile.write(start)
        for _ in range(160):
            handler.wfile.write(b"x")
            time.sleep(0.05)

    return answer


@pytest.mark.parametrize(
    "answer", [silent, drip(b"HTTP/1.1 "), drip(b"HTTP/1.1 200 OK\r\nX-A: "), drip(b"HTTP/1.1 100 Go on\r\n")]
)
def test_who_is_too_slow_is_left_in_time(serve: Serve, known: Certificate, answer: Callable[[Handler], None]) -> None:
    received = serve(answer)
    began = time.monotonic()
    tried = deliver(a_hook(received, known), DUE, here)
    assert time.monotonic() - began < 4
    assert (tried.fault, tried.answered) == (f"The webhook's host {HOST} did not answer within 1 s.", False)


def test_a_slow_or_endless_end_of_a_good_answer_changes_nothing(serve: Serve, known: Certificate) -> None:
    began = time.monotonic()
    slow = serve(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"))
    assert deliver(a_hook(slow, known), DUE, here) == Tried(DUE)
    assert time.monotonic() - began < 4
    written = [0]

    def endless(handler: Handler) -> None:
        handler.reply(200)
        while True:
            written[0] += handler.wfile.write(b"x" * 10_000)

    assert deliver(a_hook(serve(endless), known), DUE, here) == Tried(DUE)
    time.sleep(0.2)
    assert written[0] < MOST_ANSWER_BYTES + 8_000_000, "what the sockets hold, and no more"


def test_a_port_that_takes_the_connection_and_says_nothing(known: Certificate) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        began = time.monotonic()
        tried = deliver(a_hook(Received(mute.getsockname()[1]), known), DUE, here)
        assert time.monotonic() - began < 4
    assert (tried.answered, tried.final) == (False, False)


def test_nobody_there(known: Certificate) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    tried = deliver(a_hook(Received(port), known), DUE, here)
    assert tried.fault == f"The webhook's host {HOST} did not answer: ConnectionRefusedError."


def test_what_is_no_http(serve: Serve, known: Certificate) -> None:
    received = serve(lambda handler: handler.wfile.writelines([b"SSH-2.0-x\r\n"]))
    assert deliver(a_hook(received, known), DUE, here).answered is False


def test_a_certificate_of_another_authority_or_name(serve: Serve, known: Certificate, tmp_path: Path) -> None:
    received = serve(answering(200))
    hook = hook_of(settings_of(f"https://{HOST}:{received.port}/"))
    assert hook is not None
    other = replace(a_hook(received, known), host="other.example.org")
    for untrusted in (hook, other):
        tried = deliver(untrusted, DUE, here)
        assert tried.fault is not None
        assert "no certificate that can be trusted" in tried.fault
    assert received.requests == []
