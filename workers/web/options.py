"""How the page is to be reached: the command's options in, checked values out. `serve.py` and the gate use them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from shared.errors import SettingsInvalid

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class WebOptions:
    """Where the page listens, under which names it is called, and who is believed when it says who somebody is.

    `secure` says that browsers reach it by https: then its cookies are sent over nothing else.
    """

    host: str
    port: int
    secure: bool
    allowed_hosts: frozenset[str]
    proxy_header: str | None = None
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()

    @property
    def is_local(self) -> bool:
        return is_loopback(self.host)

    def trusts(self, peer: str | None) -> bool:
        """Whether what this address says of others is believed."""
        address = parsed_address(peer)
        return address is not None and any(address in network for network in self.trusted_proxies)


def web_options(
    *,
    host: str = "127.0.0.1",
    port: int = 8300,
    public_url: str | None = None,
    proxy_header: str | None = None,
    trusted_proxies: Sequence[str] = (),
) -> WebOptions:
    """The options, if they go together.

    Args:
        host: the address to listen on.
        port: likewise.
        public_url: what browsers call the page where something before it speaks TLS; or http://127.0.0.1:PORT, where it listens in a
            container that only this machine's loopback leads to.
        proxy_header: the header in which a log-in proxy says who somebody is.
        trusted_proxies: addresses or networks of proxies that may say so.

    Raises:
        SettingsInvalid: says what is missing or wrong.
    """
    if proxy_header is not None and not trusted_proxies:
        raise SettingsInvalid("--proxy-header needs --trusted-proxy ADDRESS: anybody else could send the same header.")
    if proxy_header is not None and not _HEADER.fullmatch(proxy_header):
        raise SettingsInvalid(f"--proxy-header takes the name of a header, like X-Forwarded-User, not {proxy_header[:40]!r}.")
    networks = tuple(_network(text) for text in trusted_proxies)
    header = None if proxy_header is None else proxy_header.lower()
    if public_url is not None and public_url.startswith("http://"):
        # In a container the page listens on every address, and only this machine's loopback leads to it.
        return WebOptions(
            host, port, secure=False, allowed_hosts=_loopback_names(public_url), proxy_header=header, trusted_proxies=networks
        )
    if public_url is not None:
        return WebOptions(
            host, port, secure=True, allowed_hosts=_names(public_url), proxy_header=header, trusted_proxies=networks
        )
    if not is_loopback(host):
        raise SettingsInvalid(
            f"--host {host} needs --public-url https://NAME: beyond this machine the page is called by one name, and only by https."
        )
    return WebOptions(host, port, secure=False, allowed_hosts=_names_at(port), proxy_header=header, trusted_proxies=networks)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    address = parsed_address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def parsed_address(text: str | None) -> IPv4Address | IPv6Address | None:
    """The address, one of IPv4 written as IPv6 as what it is; None where it is none."""
    try:
        address = ip_address(text or "")
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _names_at(port: int) -> frozenset[str]:
    return frozenset(f"{name}:{port}" for name in LOOPBACK_NAMES) | (frozenset(LOOPBACK_NAMES) if port == 80 else frozenset())


def _loopback_names(public_url: str) -> frozenset[str]:
    found = re.fullmatch(r"http://(127\.0\.0\.1|localhost|\[::1\]):(\d{1,5})/?", public_url)
    if found is None:
        raise SettingsInvalid("--public-url must be https, or http of this machine alone, like http://127.0.0.1:8300.")
    return _names_at(int(found[2]))


def _names(public_url: str) -> frozenset[str]:
    try:
        parts = urlsplit(public_url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    plain = parts.path in {"", "/"} and not parts.query and not parts.fragment and not parts.username
    if parts.scheme != "https" or not parts.hostname or not plain:
        raise SettingsInvalid("--public-url must look like https://lessons.example, without a path.")
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return frozenset({name, f"{name}:443"} if port in {None, 443} else {f"{name}:{port}"})


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError:
        raise SettingsInvalid(f"--trusted-proxy takes an address or a network, like 10.0.0.7, not {text[:60]!r}.") from None
