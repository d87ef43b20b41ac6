"""Doors that stand open: Redis, the bucket, files; each closed and open."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shared.settings import Settings
from tests.services.valkey import Valkey
from tests.unit.doctor.conftest import told
from workers.doctor import open_doors


@pytest.mark.redis
def test_doors_of_redis() -> None:
    with Valkey("--unixsocketperm", "777") as valkey:
        assert told(open_doors.check_redis_door(valkey.url), "ok"), "its folder is closed"
        valkey.socket.parent.chmod(0o755)
        assert "socket" in told(open_doors.check_redis_door(valkey.url), "failure")["doors.redis"]
        with valkey.client() as client:
            client.config_set("requirepass", "secret")
        assert told(open_doors.check_redis_door(valkey.url_of("default", "secret")), "ok")
    port = _free_port()
    with Valkey("--port", str(port), "--bind", "127.0.0.1"):
        open_here = told(open_doors.check_redis_door(f"redis://:whatever@127.0.0.1:{port}/0"), "warning")
        assert open_here["doors.redis"].startswith("Redis lets everybody in without a password (on this machine);")
    assert open_doors._open("doors.redis", "Open", "close it.", "10.0.0.7").verdict == "failure"


def _free_port() -> int:
    with _answering(404) as port:
        return port


@contextmanager
def _answering(status: int) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Be quiet."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "verdict"), [(200, "warning"), (403, "ok")])
def test_doors_of_the_bucket(status: int, verdict: str) -> None:
    with _answering(status) as port:
        settings = Settings(store_url="s3://smilereel/x", s3_endpoint=f"http://127.0.0.1:{port}", s3_allow_http=True)
        assert told(open_doors.check_store_door(settings), verdict)["doors.store"]


def test_files_that_others_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret, web = tmp_path / "password", tmp_path / "web"
    for path in (secret, web):
        path.write_text("x" * 20)
        path.chmod(0o644)
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o001:
            monkeypatch.setattr(open_doors, "everybody_reads", lambda path: bool(path.stat().st_mode & 0o004))
    settings = Settings(web_password_file=web, database_url="postgresql://u@h/d")
    monkeypatch.setenv("SMILEREEL_METRICS_PASSWORD_FILE", str(secret))
    found = list(open_doors.check_files(settings))
    assert told(found, "warning")["doors.secrets"].startswith(
        "Every user may read the secret that SMILEREEL_METRICS_PASSWORD_FILE"
    )
    assert told(found, "failure")["doors.web"].startswith("Others may read the web page's password file;")
    secret.chmod(0o600)
    web.chmod(0o600)
    assert [finding.verdict for finding in open_doors.check_files(settings)] == ["ok"]
    secret.unlink()
    assert "is not there" in told(open_doors.check_files(settings), "failure")["doors.secrets"]


def test_a_server_that_is_away_has_no_door(tmp_path: Path) -> None:
    assert list(open_doors.check_redis_door(f"redis+socket://{tmp_path}/none.sock")) == []
    assert list(open_doors.check_database_door("postgresql://somebody:secret@127.0.0.1:1/x")) == []
    assert list(open_doors.check_store_door(Settings(store_url="s3://smilereel/x", s3_endpoint="https://127.0.0.1:1"))) == []
