"""Where a connection to a host that others name may go: its addresses are checked, and the checked one is the one connected to.

Used by the download of recordings and by the webhook's sender.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], list[str]]


def resolve_name(host: str, port: int) -> list[str]:
    """The addresses of a name, as the system knows them."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def may_connect(address: Address, *, private: bool) -> bool:
    """Whether a connection may go to this address; `private` allows a company's own networks and this machine.

    Link-local addresses (clouds hand out their keys there), multicast and unspecified ones are never allowed, however they are
    wrapped into IPv6.
    """
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None and address.is_site_local:
            return private
        if inner is not None:
            return may_connect(inner, private=private)
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        return False
    return (address.is_global and not address.is_reserved) or (private and (address.is_private or address.is_loopback))


def parse_address(text: str) -> Address:
    """An address as the system writes it; the zone of an IPv6 one is left out."""
    return ipaddress.ip_address(text.split("%", maxsplit=1)[0])


class PinnedConnection(http.client.HTTPConnection):
    """TLS to a fixed address, verified for the name: the name is not looked up again.

    Args:
        host: the name.
        port: of the address.
        address: checked before.
        context: None speaks plain HTTP.
        timeout: seconds until the connection stands, and of each silence while it is made.
        silence: seconds of each silence afterwards; by default the same.
    """

    def __init__(
        self,
        host: str,
        port: int,
        address: str,
        context: ssl.SSLContext | None,
        timeout: float,
        silence: float | None = None,
    ) -> None:
        super().__init__(host, port, timeout=timeout)
        self.default_port = http.client.HTTP_PORT if context is None else http.client.HTTPS_PORT
        self._pinned, self._tls, self._silence = (address, port), context, silence
        self._open: socket.socket | None = None  # `sock` is let go of once the answer begins

    def connect(self) -> None:
        plain = socket.create_connection(self._pinned, self.timeout)
        if self._tls is None:
            self.sock = self._open = plain
        else:
            # The handshake is a step of its own, so that the deadline finds the socket while it lasts.
            wrapped = self._tls.wrap_socket(plain, server_hostname=self.host, do_handshake_on_connect=False)
            self.sock = self._open = wrapped
            wrapped.do_handshake()
        if self._silence is not None:
            self.sock.settimeout(self._silence)

    def cut(self) -> None:
        """Wake whoever waits for this connection; from the deadline's thread."""
        if self._open is not None:
            with suppress(OSError):
                # Not SSLSocket's own method: that would let what is left be read as plain text.
                socket.socket.shutdown(self._open, socket.SHUT_RDWR)

    def close(self) -> None:
        super().close()
        if self._open is not None:
            self._open.close()
