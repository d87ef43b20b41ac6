"""An authority of a test's own, and a TLS port before a socket that speaks none, as stunnel would be."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """Files: the authority that signed it, the certificate, its key."""

    authority: Path
    certificate: Path
    key: Path


def certificate(folder: Path, *names: str) -> Certificate:
    """A new authority and a certificate that it signed, in this folder.

    Args:
        folder: exists.
        names: whom it is for, as OpenSSL writes them: `DNS:media.example.org`, `IP:127.0.0.1`.
    """

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test authority",
        "-addext", "keyUsage=critical,keyCertSign",
    )  # fmt: skip
    openssl("req", *key, "-keyout", "host.key", "-out", "host.csr", "-subj", "/CN=Test")
    (folder / "extensions").write_text(f"subjectAltName={','.join(names)}\nauthorityKeyIdentifier=keyid\n")
    openssl(
        "x509", "-req", "-in", "host.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
        "-extfile", "extensions", "-out", "host.pem",
    )  # fmt: skip
    return Certificate(folder / "ca.pem", folder / "host.pem", folder / "host.key")


@contextmanager
def tls_port(behind: Path, known: Certificate) -> Iterator[int]:
    """A port of 127.0.0.1 that speaks TLS and hands on what it hears to the unix socket behind it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(known.certificate, known.key)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server, context, behind), daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def _serve(server: socket.socket, context: ssl.SSLContext, behind: Path) -> None:
    with suppress(OSError):
        while True:
            caller, _ = server.accept()
            threading.Thread(target=_join, args=(caller, context, behind), daemon=True).start()


def _join(caller: socket.socket, context: ssl.SSLContext, behind: Path) -> None:
    with suppress(OSError), context.wrap_socket(caller, server_side=True) as front, socket.socket(socket.AF_UNIX) as back:
        back.connect(str(behind))
        threading.Thread(target=_copy, args=(back, front), daemon=True).start()
        _copy(front, back)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError, ValueError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
