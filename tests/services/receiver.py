"""A webhook's receiver that speaks TLS: in a thread, answering as a test says, or as a process that fails, hangs and can be killed.

As a process: `python -m tests.services.receiver PORT CERTIFICATE KEY LOG SECRET`.
"""

from __future__ import annotations

import http.server
import json
import os
import random
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.errors import WebhookInvalid
from shared.webhooks import verify
from tests.services.tls import Certificate

HOST = "hook.example.org"
FAILS, HANGS = 1 / 3, 0.01
HANG_SECONDS = 3.0


class Handler(http.server.BaseHTTPRequestHandler):
    """Reads a POST and lets the server's `answer` do the rest; with GET only a redirect that was followed would come."""

    server: Any

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with suppress(OSError):
            self.server.answer(self, body)

    def do_GET(self) -> None:
        self.server.answer(self, b"GET")

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        """A whole answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Be quiet."""


Answer = Callable[[Handler, bytes], None]


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, answer: Answer, known: Certificate | None) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.answer = answer
        if known is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(known.certificate, known.key)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that goes away is what these tests are about."""


@dataclass
class Received:
    """What came to a receiver in a thread."""

    port: int
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def receiving(answer: Answer, known: Certificate | None) -> Iterator[Received]:
    """A receiver on a free port until the block ends; None as certificate: plain HTTP."""
    received = Received(0)

    def noted(handler: Handler, body: bytes) -> None:
        received.requests.append((dict(handler.headers.items()), body))
        answer(handler, body)

    with Server(0, noted, known) as server:
        received.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield received
        finally:
            server.shutdown()
            thread.join()


class ReceiverProcess:
    """One that fails a third of the time and hangs at times; killed and started again on its port, its log goes on."""

    def __init__(self, folder: Path, known: Certificate, secret: str) -> None:
        with Server(0, lambda *_: None, None) as free:
            self.port = free.server_address[1]
        self.log = folder / "received.log"
        self.log.touch()
        places = [str(self.port), str(known.certificate), str(known.key), str(self.log)]
        self._command = [sys.executable, "-m", "tests.services.receiver", *places, secret]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command)

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def lines(self, verdict: str | None = None) -> list[dict[str, Any]]:
        """What came, or what of it ended so: `ok`, `failed`, `hung`, `forged`."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if verdict in {None, line["verdict"]}]


def main() -> None:
    """Serve until killed."""
    port, certificate, key, log, secret = sys.argv[1:]
    # Its twenty-fourth answer hangs, in each of its lives.
    chance = random.Random(6)
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)

    def answer(handler: Handler, body: bytes) -> None:
        try:
            event = verify(body, handler.headers, [secret])  # type: ignore[arg-type]  # a Message is a mapping enough
        except WebhookInvalid as error:
            note(verdict="forged", fault=error.message)
            handler.reply(400)
            return
        drawn = chance.random()
        verdict = "failed" if drawn < FAILS else "hung" if drawn < FAILS + HANGS else "ok"
        # Before the answer: what the sender takes for delivered was received, whenever this process is killed.
        note(verdict=verdict, event_id=event.event_id, lesson_id=event.data.lesson_id, round=event.data.round)
        if verdict == "hung":
            time.sleep(HANG_SECONDS)
        handler.reply(500 if verdict == "failed" else 204)

    def note(**facts: Any) -> None:
        os.write(descriptor, json.dumps(facts).encode() + b"\n")

    Server(int(port), answer, Certificate(Path(), Path(certificate), Path(key))).serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
