"""`smilereel web` before it serves: what it prints once, what it refuses, what it warns of."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from shared.settings import Settings, load_settings
from workers.__main__ import main
from workers.web.guard import Guard
from workers.web.password import PasswordFile


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The furnished ledger, by the environment; nothing is really served."""
    for name in ("database_url", "store_url", "redis_url", "web_password_file"):
        monkeypatch.setenv(f"SMILEREEL_{name}".upper(), str(getattr(settings, name)))
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: _served.append((self.config, sockets[0].getsockname())))
    load_settings.cache_clear()
    _served.clear()
    yield monkeypatch
    load_settings.cache_clear()


_served: list[tuple[uvicorn.Config, tuple[Any, ...]]] = []


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return str(listening.getsockname()[1])


def test_the_password_is_printed_once_and_never_again(
    environment: Any, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    assert main(["web", "--port", port]) == 0
    first = capsys.readouterr().out
    password = first.splitlines()[0].removeprefix("password: ")
    assert PasswordFile(settings.web_password_file).verify(password)
    assert f"http://127.0.0.1:{port}/" in first
    assert main(["web", "--port", port]) == 0
    assert "password" not in capsys.readouterr().out
    assert main(["web", "--new-password"]) == 0
    another = capsys.readouterr().out.splitlines()[0].removeprefix("password: ")
    assert not PasswordFile(settings.web_password_file).verify(password)
    assert PasswordFile(settings.web_password_file).verify(another)
    assert len(_served) == 2


def test_it_listens_on_this_machine_alone_and_believes_no_header(environment: Any) -> None:
    assert main(["web", "--port", free_port()]) == 0
    config, address = _served[0]
    assert address[0] == "127.0.0.1"
    assert isinstance(config.app, Guard)
    assert (config.proxy_headers, config.access_log, config.server_header) == (False, False, False)


def test_other_addresses_only_if_said_and_with_a_warning(environment: Any, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    assert main(["web", "--host", "0.0.0.0", "--port", port]) == 2
    assert "needs --public-url https://NAME" in capsys.readouterr().err
    assert main(["web", "--host", "0.0.0.0", "--port", port, "--public-url", "https://lessons.example"]) == 0
    said = capsys.readouterr()
    assert said.err == (
        "smilereel: Listening on 0.0.0.0: others on the network reach this page with children's pictures."
        " Let nothing but a proxy that speaks TLS reach it.\n"
    )
    assert "https://lessons.example/" in said.out
    assert _served[0][1][0] == "0.0.0.0"


def test_a_log_in_proxy_needs_no_password(environment: Any, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    proxied = ["--proxy-header", "X-Forwarded-User", "--trusted-proxy", "127.0.0.1"]
    assert main(["web", "--port", free_port(), *proxied]) == 0
    assert "password" not in capsys.readouterr().out
    assert not settings.web_password_file.exists()
    assert main(["web", *proxied[:2]]) == 2
    assert "--trusted-proxy" in capsys.readouterr().err


def test_what_stands_in_the_way_is_one_sentence(environment: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["web", "--port", str(taken.getsockname()[1])]) == 2
    assert "(Address already in use); give another port or address." in capsys.readouterr().err
    assert main(["web", "--host", "nowhere.invalid", "--public-url", "https://a.example"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    environment.setenv("SMILEREEL_DATABASE_URL", f"sqlite:///{tmp_path}/mistyped.sqlite3")
    load_settings.cache_clear()
    assert main(["web"]) == 1
    assert "run `smilereel migrate`" in capsys.readouterr().err
    assert not (tmp_path / "mistyped.sqlite3").exists()
    assert _served == []


def test_a_ledger_that_is_away_does_not_keep_the_page_from_starting(environment: Any, capsys: pytest.CaptureFixture[str]) -> None:
    environment.setenv("SMILEREEL_DATABASE_URL", "postgresql://127.0.0.1:1/x")
    load_settings.cache_clear()
    assert main(["web", "--port", free_port()]) == 0
    assert "The page starts nevertheless." in capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "８３００"])
def test_a_port_that_is_none(environment: Any, port: str) -> None:
    with pytest.raises(SystemExit):
        main(["web", "--port", port])
