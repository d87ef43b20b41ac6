"""Downloads from a real TLS server with an authority of its own: only from the allowed host, at the checked address, in bounds."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.errors import RecordingUnreadable, SourceUnavailable
from tests.hostile.tls import HOST, Server, serving
from tests.media import write_video
from workers.addresses import may_connect
from workers.cpu.fetch import SourceRules
from workers.cpu.limits import MediaLimits
from workers.cpu.probe import probe
from workers.cpu.sources import open_recording


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("tls")
    with serving(folder, write_video(folder / "me.mp4", seconds=2).read_bytes()) as known:
        yield known


def here(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def test_a_recording_is_fetched_into_a_file_without_a_name(server: Server, tmp_path: Path) -> None:
    with open_recording(server.url(), server.rules(tmp_path), here) as media:
        assert list(tmp_path.iterdir()) == []
        assert (media.name, media.n_bytes) == ("me.mp4", len(server.video))
        assert probe(media).n_packets == 20
    assert list(tmp_path.iterdir()) == []
    assert server.requests[-1] == "/lesson/me.mp4?signature=secret"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/redirect/me.mp4", "redirects are not followed"),
        ("/huge/me.mp4", "has 1099511627776 bytes, more than"),
        ("/endless/me.mp4", "bytes, more than 1000000"),
        ("/packed/me.mp4", "comes packed"),
        ("/gone/me.mp4", "cannot be had from its host"),
    ],
)
def test_what_a_host_may_not_send_is_refused(path: str, said: str, server: Server, tmp_path: Path) -> None:
    n_requests = len(server.requests)
    rules = server.rules(tmp_path, limits=MediaLimits(max_bytes=1_000_000))
    with pytest.raises(RecordingUnreadable, match=said) as refusal, open_recording(server.url(path), rules, here):
        pass
    assert len(server.requests) == n_requests + 1
    assert "secret" not in refusal.value.message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/broken/me.mp4", "answered 503"),
        ("/cut/me.mp4", "sent 1000 of 100000 bytes"),
        ("/slowbody/me.mp4", "took more than 0.5 s"),
        ("/slowhead/me.mp4", "took more than 0.5 s"),
    ],
)
def test_what_may_be_better_later_is_no_fault_of_the_recording(path: str, said: str, server: Server, tmp_path: Path) -> None:
    started = time.monotonic()
    rules = server.rules(tmp_path, fetch_seconds=0.5)
    with pytest.raises(SourceUnavailable, match=said), open_recording(server.url(path), rules, here):
        pass
    assert time.monotonic() - started < 5
    assert list(tmp_path.iterdir()) == []


def test_a_handshake_that_never_comes_ends_too(server: Server, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        rules = server.rules(tmp_path, private_hosts=(f"{HOST}:{port}",), fetch_seconds=0.3)
        with (
            pytest.raises(SourceUnavailable, match=r"took more than 0.3 s"),
            open_recording(f"https://{HOST}:{port}/me.mp4", rules, here),
        ):
            pass
    with (
        pytest.raises(SourceUnavailable, match="ConnectionRefusedError"),
        open_recording(f"https://{HOST}:{port}/me.mp4", rules, here),
    ):
        pass


def test_the_certificate_must_be_trusted_and_be_the_hosts(server: Server, tmp_path: Path) -> None:
    other = server.rules(tmp_path, private_hosts=(f"other.example.org:{server.port}",))
    for uri, rules in (
        (server.url(), server.rules(tmp_path, ca_file=None)),
        (f"https://other.example.org:{server.port}/lesson/me.mp4", other),
    ):
        with pytest.raises(RecordingUnreadable, match="no certificate that can be trusted"), open_recording(uri, rules, here):
            pass


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example.org/me.mp4",
        "https://media.example.org.evil.org/me.mp4",
        "https://evil@media.example.org/me.mp4",
        "https://media.example.org:22/me.mp4",
        "https://media.example.org\\@evil.org/me.mp4",
        "https://media.example.org#@evil.org/me.mp4",
        "https://[::1/me.mp4",
        "https://media.example.org:x/me.mp4",
        "https:///me.mp4",
        "https://127.0.0.1/me.mp4",
        "https://meдia.example.org/me.mp4",
        "https://media.example.org/m e.mp4",
    ],
)
def test_only_allowed_hosts_are_even_looked_up(uri: str, tmp_path: Path) -> None:
    def never(host: str, port: int) -> list[str]:
        raise AssertionError(f"{host} was looked up")

    with pytest.raises(RecordingUnreadable), open_recording(uri, SourceRules(tmp_path, hosts=(HOST,)), never):
        pass


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["::1"], ["::ffff:127.0.0.1"], ["93.184.215.14", "10.0.0.1"], []],
)
def test_a_name_that_leads_inside_is_refused(addresses: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: Any) -> None:
        raise AssertionError("a connection was made")

    monkeypatch.setattr(socket, "create_connection", never)
    rules = SourceRules(tmp_path, hosts=(HOST,))
    with (
        pytest.raises(RecordingUnreadable, match="lies at an address"),
        open_recording(f"https://{HOST}/me.mp4", rules, lambda host, port: addresses),
    ):
        pass


@pytest.mark.parametrize(
    ("address", "public", "private"),
    [
        ("93.184.215.14", True, True),
        ("2606:4700::1111", True, True),
        ("10.1.2.3", False, True),
        ("192.168.0.1", False, True),
        ("127.0.0.1", False, True),
        ("fd00::1", False, True),
        ("169.254.169.254", False, False),
        ("fe80::1", False, False),
        ("224.0.0.1", False, False),
        ("ff02::1", False, False),
        ("0.0.0.0", False, False),
        ("255.255.255.255", False, True),
        ("100.64.0.1", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("64:ff9b::a9fe:a9fe", False, False),
        ("64:ff9b::a00:1", False, True),
        ("2002:a00:1::", False, True),
        ("fec0::1", False, True),
    ],
)
def test_which_addresses_may_be_connected_to(address: str, public: bool, private: bool) -> None:
    parsed = ipaddress.ip_address(address)
    assert (may_connect(parsed, private=False), may_connect(parsed, private=True)) == (public, private)


def test_a_name_that_changes_its_address_gets_the_checked_one(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])
    connected: list[Any] = []
    connect = socket.create_connection

    def noted(address: Any, *arguments: Any, **named: Any) -> socket.socket:
        connected.append(address)
        return connect(address, *arguments, **named)

    def looked_up(*arguments: Any, **named: Any) -> Any:
        if arguments[0] == HOST:
            raise AssertionError("the name was looked up again")
        return real(*arguments, **named)

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "create_connection", noted)
    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    with open_recording(server.url(), server.rules(tmp_path), lambda host, port: next(answers)) as media:
        assert media.n_bytes == len(server.video)
    assert connected == [("127.0.0.1", server.port)]
    assert next(answers) == ["127.0.0.2"]
