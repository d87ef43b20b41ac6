"""A small TLS server with an authority of its own, which answers well or badly by the path's first name. Used by the fetch tests."""

from __future__ import annotations

import contextlib
import http.server
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.services.tls import certificate
from workers.cpu.fetch import SourceRules

HOST = "media.example.org"


@dataclass
class Server:
    port: int
    ca_file: Path
    video: bytes
    requests: list[str] = field(default_factory=list)

    def rules(self, root: Path, **changes: Any) -> SourceRules:
        rules = SourceRules(root, private_hosts=(f"{HOST}:{self.port}",), ca_file=self.ca_file, scratch=root, fetch_seconds=20)
        return replace(rules, **changes)

    def url(self, path: str = "/lesson/me.mp4?signature=secret") -> str:
        return f"https://{HOST}:{self.port}{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Any

    def do_GET(self) -> None:
        self.server.known.requests.append(self.path)
        with contextlib.suppress(OSError):
            getattr(self, "answer_" + self.path.split("/")[1])()

    def log_message(self, *args: Any) -> None:
        """Be quiet."""

    def _head(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def answer_lesson(self) -> None:
        self._head(200, Content_Length=str(len(self.server.known.video)), ETag='"1"')
        self.wfile.write(self.server.known.video)

    def answer_redirect(self) -> None:
        self._head(302, Location="/lesson/me.mp4")

    def answer_huge(self) -> None:
        self._head(200, Content_Length=str(1 << 40))
        self.wfile.write(b"x" * 1000)

    def answer_endless(self) -> None:
        self._head(200)
        for _ in range(1000):
            self.wfile.write(b"x" * 65_536)

    def answer_cut(self) -> None:
        self._head(200, Content_Length="100000")
        self.wfile.write(b"x" * 1000)

    def answer_packed(self) -> None:
        self._head(200, Content_Encoding="gzip")

    def answer_gone(self) -> None:
        self._head(404)

    def answer_broken(self) -> None:
        self._head(503)

    def answer_slowbody(self) -> None:
        self._head(200, Content_Length="100000")
        self._drip()

    def answer_slowhead(self) -> None:
        self.wfile.write(b"HTTP/1.0 200 OK\r\nX-A: ")
        self._drip()

    def _drip(self) -> None:
        for _ in range(100):
            self.wfile.write(b"x")
            time.sleep(0.1)


class TlsServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what these tests are about."""


@contextlib.contextmanager
def serving(folder: Path, video: bytes) -> Iterator[Server]:
    """The server with this video at /lesson/, on a free port, until the block ends."""
    made = certificate(folder, f"DNS:{HOST}")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.certificate, made.key)
    with TlsServer(("127.0.0.1", 0), Handler) as listening:
        listening.socket = context.wrap_socket(listening.socket, server_side=True, do_handshake_on_connect=False)
        known = Server(listening.server_address[1], made.authority, video)
        listening.known = known  # type: ignore[attr-defined]
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield known
        finally:
            listening.shutdown()
            thread.join()
