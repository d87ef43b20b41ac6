"""What is wrong keeps a process from starting, in one sentence; what is merely away does not. With real servers and real workers."""

from __future__ import annotations

import logging
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from sqlalchemy import text

from shared.catalogue import CPU_QUEUE, GPU_QUEUE
from shared.errors import SettingsInvalid
from shared.ledger import open_ledger
from shared.settings import Settings
from tests.processes import wait_until
from tests.services.postgres import fresh_database, postgres_server
from tests.services.s3 import s3_server
from tests.services.valkey import Valkey
from tests.services.workers import a_worker
from workers import preflight
from workers.doctor import redis_server, weights
from workers.listening import listen
from workers.local.postgres import PostgresServer
from workers.roster import Roster, WorkerEntry

__all__ = ["postgres_server"]

pytestmark = [pytest.mark.redis]

MODULES = {CPU_QUEUE: "workers.cpu.tasks", GPU_QUEUE: "workers.gpu.tasks"}


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with Valkey() as started:
        yield started


@pytest.fixture
def settings(valkey: Valkey, tmp_path: Path) -> Settings:
    """All is well with these."""
    database_url = f"sqlite:///{tmp_path}/ledger.sqlite3"
    with closing(open_ledger(database_url)) as ledger:
        ledger.create_schema()
    return Settings(redis_url=valkey.url, database_url=database_url, store_url=f"file://{tmp_path}/store")


def refused(role: str, settings: Settings, **changes: object) -> str:
    """Why the role's process does not start: one sentence."""
    with pytest.raises(preflight.NotReady) as raised:
        preflight.require(role, settings.model_copy(update=changes))
    assert raised.value.exit_code == 1
    assert raised.value.message.endswith(".") and "\n" not in raised.value.message  # noqa: PT018
    return raised.value.message


@pytest.mark.parametrize("role", ["cpu", "gpu", "beat", "web", "metrics", "flower"])
def test_what_is_sound_starts_at_once_and_leaves_nothing(
    settings: Settings, role: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    began = time.monotonic()
    preflight.require(role, settings)
    assert time.monotonic() - began < 5
    assert [record.message for record in caplog.records] == []
    assert [path for path in tmp_path.rglob("*") if path.is_file() and not path.name.startswith("ledger.sqlite3")] == []


@pytest.mark.parametrize(
    ("queue", "wishes", "sentence"),
    [
        (CPU_QUEUE, {"REDIS_URL": "of another password"}, "Redis refuses the user or the password; correct SMILEREEL_REDIS_URL"),
        (GPU_QUEUE, {"DEVICE": "cuda"}, "SMILEREEL_DEVICE is cuda, but "),
        (
            CPU_QUEUE,
            {"REDIS_PASSWORD_FILE": "/nowhere/password"},
            "The file /nowhere/password that SMILEREEL_REDIS_PASSWORD_FILE",
        ),
    ],
    ids=["password", "card", "secret"],
)
def test_a_worker_that_cannot_work_says_why_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, queue: str, wishes: dict[str, str], sentence: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with Valkey("--requirepass", "right") as valkey:
        url = wishes.pop("REDIS_URL", "") and valkey.url_of("default", "wrong")
        with a_worker(MODULES[queue], queue, url or valkey.url_of("default", "right"), tmp_path, **wishes) as worker:
            assert worker.wait(60) == 1
    (told,) = (tmp_path / f"{queue}.log").read_text().splitlines()
    assert told.startswith(f"smilereel: {sentence}"), told


def test_a_worker_waits_for_a_redis_that_is_away(tmp_path: Path) -> None:
    with Valkey() as valkey:
        valkey.kill()
        with a_worker(MODULES[CPU_QUEUE], CPU_QUEUE, valkey.url, tmp_path):
            log = tmp_path / f"{CPU_QUEUE}.log"
            assert wait_until(lambda: "Cannot connect to" in log.read_text(), 60), log.read_text()
            assert log.read_text().count("Redis does not answer") == 1
            valkey.start()
            assert wait_until(lambda: " ready." in log.read_text(), 60), log.read_text()


def test_a_redis_that_evicts_or_is_a_replica(settings: Settings) -> None:
    with Valkey("--maxmemory-policy", "allkeys-lru") as evicting:
        assert refused("cpu", settings, redis_url=evicting.url).startswith("Redis throws keys away when it is full (allkeys-lru)")
    with Valkey("--replicaof", "127.0.0.1", "1") as replica:
        assert refused("gpu", settings, redis_url=replica.url).startswith("This Redis is a replica and takes no writes;")


def test_the_users_of_the_docs_have_the_rights(settings: Settings, tmp_path: Path) -> None:
    block = re.search(r"```acl\n(.*?)```", (Path(__file__).parents[2] / "docs" / "redis.md").read_text(), re.DOTALL)
    assert block is not None
    (tmp_path / "users.acl").write_text(block[1])
    with Valkey("--aclfile", str(tmp_path / "users.acl")) as valkey:
        for role, user in {"cpu": "worker", "gpu": "worker", "beat": "worker", "flower": "flower", "web": "backend"}.items():
            preflight.require(role, settings.model_copy(update={"redis_url": valkey.url_of(user, f"{user}-password")}))


def test_a_user_without_a_workers_rights(settings: Settings, tmp_path: Path) -> None:
    users = tmp_path / "users.acl"
    users.write_text("user default off\nuser weak on >weak ~* &* -@all +@connection +@read +info +time\n")
    with Valkey("--aclfile", str(users)) as valkey:
        told = refused("cpu", settings, redis_url=valkey.url_of("weak", "weak"))
        assert told == "Redis' user may not do what workers do; give it the rights of docs/redis.md."
        preflight.require("flower", settings.model_copy(update={"redis_url": valkey.url_of("weak", "weak")}))
        assert refused("flower", settings, redis_url=valkey.url).startswith("Redis refuses the user or the password;")


@pytest.mark.parametrize(("apart_seconds", "starts"), [(30, True), (-30, True), (90, False), (-90, False)])
def test_clocks_apart(settings: Settings, monkeypatch: pytest.MonkeyPatch, apart_seconds: int, starts: bool) -> None:
    monkeypatch.setattr(redis_server, "time", SimpleNamespace(time=lambda: time.time() + apart_seconds))
    if starts:
        preflight.require("beat", settings)
        return
    told = refused("beat", settings)
    assert re.match(r"This machine's clock is (89|90) seconds from Redis' clock; set the clocks by NTP", told), told


def test_tables_ahead_of_the_code_or_behind(settings: Settings, postgres_server: PostgresServer) -> None:
    def stamp(url: str, version: str) -> None:
        with closing(open_ledger(url)) as ledger, ledger.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})

    for role in ("cpu", "beat", "web"):
        stamp(settings.database_url, "9999")
        assert "of version 9999, newer than this release knows" in refused(role, settings)
        stamp(settings.database_url, "0002")
        assert refused(role, settings).endswith("run `smilereel migrate`.")
    with fresh_database(postgres_server) as url:
        told = refused("cpu", settings, database_url=url)
        assert told == "The ledger's database has no tables yet; run `smilereel migrate`."
        with closing(open_ledger(url)) as ledger:
            ledger.create_schema()
        preflight.require("cpu", settings.model_copy(update={"database_url": url}))


def test_a_database_that_refuses(settings: Settings, postgres_server: PostgresServer) -> None:
    rules = postgres_server.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute("CREATE ROLE guarded LOGIN PASSWORD 'right'")
        try:
            rules.write_text(f"local all guarded scram-sha-256\n{before}")
            connection.execute("SELECT pg_reload_conf()")
            url = postgres_server.url().replace("//postgres@", "//guarded:wrong@")
            assert refused("cpu", settings, database_url=url).startswith("The database refuses the user or the password;")
            told = refused("web", settings, database_url=postgres_server.url("nowhere"))
            assert told.startswith("The database refuses the user or the database, which it does not know;")
        finally:
            rules.write_text(before)
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("DROP ROLE guarded")


def test_a_store_without_rights(settings: Settings) -> None:
    # Where not even root may make anything.
    told = refused("cpu", settings, store_url="file:///sys/smilereel")
    assert told.startswith("The store could not write a probe: Operation not permitted; give this user the right"), told


@pytest.mark.s3
def test_a_bucket_without_rights(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server(tmp_path / "s3") as server:

        def as_user(key: str, secret: str, url: str = f"s3://{server.bucket}/x") -> Settings:
            values = {"STORE_URL": url, "S3_ENDPOINT": server.endpoint, "S3_ACCESS_KEY_ID": key, "S3_SECRET_ACCESS_KEY": secret}
            for name, value in {**values, "S3_ALLOW_HTTP": "true"}.items():
                monkeypatch.setenv(f"SMILEREEL_{name}", value)
            return Settings(redis_url=settings.redis_url, database_url=settings.database_url)

        preflight.require("gpu", as_user(server.access_key, server.secret_key))
        reader = as_user(server.reader_access_key, server.reader_secret_key)
        assert "S3 answered 403" in refused("cpu", reader)
        preflight.require("web", reader)
        assert "S3 answered 403" in refused("web", as_user(server.access_key, "another secret"))


def test_what_is_away_is_told_once_and_waited_for(settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    away = {
        "redis_url": f"redis+socket://{tmp_path}/none.sock",
        "database_url": f"postgresql://postgres@/postgres?host={tmp_path}",
        "store_url": f"file://{tmp_path}/file/store",
    }
    with caplog.at_level(logging.WARNING, logger="workers.preflight"):
        preflight.require("cpu", settings.model_copy(update=away))
    assert [record.message.split()[0:2] for record in caplog.records] == [
        ["Redis", "does"],
        ["The", "ledger's"],
        ["The", "store"],
    ]


def test_weights_of_another_release(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(weights.FOLDER, folder)
    monkeypatch.setattr(weights.check_weights, "__defaults__", (folder,))
    preflight.require("gpu", settings)
    with (folder / "smile.safetensors").open("ab") as file:
        file.write(b"\0")
    told = refused("gpu", settings)
    assert told.startswith("The weights smile.safetensors of smile do not have the SHA-256 of the manifest; restore"), told
    preflight.require("gpu", settings.model_copy(update={"models": "stand_in"}))
    (folder / "smile.safetensors").unlink()
    assert "cannot be read (No such file or directory)" in refused("gpu", settings)


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsInvalid, match=rf"^Nothing can listen on port {port} of 127\.0\.0\.1 \(.+\); give another"):
            listen("127.0.0.1", port)
    listen("127.0.0.1", port).close()
    with pytest.raises(SettingsInvalid, match=r"^Nothing can listen on port 80 of 192\.0\.2\.1 "):
        listen("192.0.2.1", 80)


def test_a_worker_of_another_release_is_told_of(valkey: Valkey, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    with valkey.client() as client:
        roster = Roster(client)
        roster.write(WorkerEntry(node="gpu@other", room="gpu", release="0.0.1", seen_at=roster.now()))
        preflight.require("cpu", settings)
        roster.remove(["gpu@other"])
    (told,) = [record.message for record in caplog.records]
    assert told.startswith("Workers of release 0.0.1 run beside release ")
