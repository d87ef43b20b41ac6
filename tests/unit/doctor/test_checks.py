"""Each check with what it is there for: bad input of every kind, and what is sound."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from shared.settings import Settings
from tests.services.valkey import Valkey
from tests.unit.doctor.conftest import told
from workers.doctor import codecs, device, extras, fleet, places, redis_server, store
from workers.doctor.clocks import judge_clock
from workers.doctor.database import check_database
from workers.doctor.findings import Finding
from workers.doctor.weights import NAMES, check_weights
from workers.roster import WorkerEntry

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("apart_seconds", "verdict"),
    [(0, "ok"), (1.9, "ok"), (-2.5, "warning"), (59, "warning"), (61, "failure"), (-3600, "failure")],
)
def test_clocks(apart_seconds: float, verdict: str) -> None:
    assert judge_clock("redis", 1000 + apart_seconds, 1000, 1000).verdict == verdict


def test_a_slow_answer_is_no_clock_that_is_off() -> None:
    assert judge_clock("database", 1000, 940, 1070).verdict == "ok"


@pytest.mark.redis
def test_redis_without_room(tmp_path: Path) -> None:
    with Valkey("--maxmemory", "3mb") as valkey, valkey.client() as client:
        client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 1.1))
        assert "MB of" in told(redis_server.check_redis(valkey.url, None), "warning")["redis.room"]
        client.config_set("maxmemory", 1)
        (full,) = [finding for finding in redis_server.check_redis(valkey.url, None) if finding.check == "redis.room"]
        assert (full.verdict, full.passes) == ("failure", True), "it passes when queues get shorter"


@pytest.mark.parametrize(
    ("info", "verdict"),
    [
        ({"redis_version": "5.0.14"}, "failure"),
        ({"redis_version": "6.2.1"}, "warning"),
        ({"redis_version": "7.0.0"}, "ok"),
        ({"redis_version": "7.2.4", "valkey_version": "9.1.2"}, "ok"),
    ],
)
def test_redis_versions(info: dict[str, Any], verdict: str) -> None:
    assert redis_server._version(info).verdict == verdict


@pytest.mark.parametrize("url", ["redis://host:notaport/0", "redis://127.0.0.1:1/0", "redis://"])
def test_redis_addresses_that_lead_nowhere(url: str) -> None:
    (finding,) = redis_server.check_redis(url, "cpu")
    assert (finding.check, finding.verdict) == ("redis.connection", "failure")
    assert finding.passes is not url.endswith("notaport/0")


def test_a_folder_is_closed_by_those_above(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "store").mkdir(parents=True)
    closed.chmod(0o700)
    assert not places.everybody_reads(closed / "store")
    assert not places.everybody_reads(tmp_path / "none")
    assert places.everybody_reads(Path("/etc/passwd"))


def test_network_file_systems(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        "30 22 0:40 / /srv/the\\040share rw,relatime shared:1 - nfs4 host:/x rw\n"
        "31 30 0:41 / /srv/the\\040share/local rw - xfs /dev/sdb rw\n"
    )
    found = [places.file_system_of(Path(path), mounts) for path in ("/var/x", "/srv/the share/a/b", "/srv/the share/local/c")]
    assert found == ["ext4", "nfs4", "xfs"]
    assert places.file_system_of(tmp_path, tmp_path / "none") == ""


@pytest.mark.parametrize("check", ["database", "store"])
def test_on_a_network_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: str) -> None:
    monkeypatch.setattr(f"workers.doctor.{check}.file_system_of", lambda _path: "nfs4")
    found: Iterable[Finding] = (
        check_database(f"sqlite:///{tmp_path}/l.sqlite3", None)
        if check == "database"
        else store.check_store(Settings(store_url=f"file://{tmp_path}/s"))
    )
    assert any("network file system (nfs4)" in sentence for sentence in told(found, "warning").values())


@pytest.mark.parametrize(
    ("url", "check", "words"),
    [
        ("mysql://x", "database.connection", "must begin with sqlite:// or postgresql://"),
        ("sqlite://", "database.file", "lies in memory"),
        ("sqlite:////nowhere/at/all/l.sqlite3", "database.file", "The folder of the ledger's file is not there"),
    ],
)
def test_databases_that_cannot_be(url: str, check: str, words: str) -> None:
    found = list(check_database(url, "cpu"))
    assert words in told(found, "failure")[check]
    assert any(finding.refuses for finding in found)


def test_a_ledger_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root, as whom tests may run, may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != tmp_path)
    (finding,) = check_database(f"sqlite:///{tmp_path}/l.sqlite3", "cpu")
    assert finding.refuses
    assert finding.told.startswith("The ledger's file or its folder cannot be written;")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "l.sqlite3").write_bytes(b"certainly no database" * 100)
    (finding,) = [each for each in check_database(f"sqlite:///{tmp_path}/l.sqlite3", "cpu") if each.verdict == "failure"]
    assert finding.refuses
    assert "no SQLite database, or is damaged" in finding.sentence


def test_a_store_that_has_to_be_made_and_one_that_cannot(tmp_path: Path) -> None:
    settings = Settings(store_url=f"file://{tmp_path}/store")
    assert "was not there and has been made" in told(store.check_store(settings), "warning")["store.place"]
    assert "store.place" not in told(store.check_store(settings), "warning")
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []
    (tmp_path / "file").write_text("")
    (finding,) = store.check_store(Settings(store_url=f"file://{tmp_path}/file"))
    assert (finding.verdict, finding.passes) == ("failure", True)
    (finding,) = store.check_store(Settings(store_url="http://nowhere"))
    assert finding.refuses


@pytest.mark.parametrize(
    ("wish", "cards", "verdict"),
    [
        ("auto", None, "ok"),
        ("auto", 2, "ok"),
        ("cpu", None, "ok"),
        ("cpu", 1, "warning"),
        ("cuda", 1, "ok"),
        ("cuda", 0, "failure"),
        ("cuda", None, "failure"),
    ],
)
def test_devices(wish: str, cards: int | None, verdict: str) -> None:
    assert [finding.verdict for finding in device.check_device(wish, cards)] == [verdict]


@pytest.mark.parametrize(
    ("torch", "wish", "cards", "verdict"),
    [
        (["2.14", None, 0], "auto", None, "ok"),
        (["2.14", "13.0", 1], "cuda", 1, "ok"),
        (["2.14", None, 0], "auto", 1, "warning"),
        (["2.14", None, 0], "cuda", 1, "failure"),
    ],
)
def test_a_torch_that_does_not_see_the_card(
    monkeypatch: pytest.MonkeyPatch, torch: list[Any], wish: str, cards: int | None, verdict: str
) -> None:
    monkeypatch.setattr(device, "_ASK_TORCH", f"import json; print(json.dumps({torch!r}))")
    monkeypatch.setattr(shutil, "which", lambda _name: "/usr/bin/nvidia-smi")
    assert [finding.verdict for finding in device.check_torch(wish, cards)] == [verdict]


def test_a_torch_that_crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_ASK_TORCH", "import os; os.abort()")
    assert told(device.check_torch("auto", None), "failure")["device.torch"].startswith("torch cannot be started")


def test_the_weights_are_those_of_the_gpu_room() -> None:
    # Read, not imported: that would take torch.
    source = (ROOT / "workers" / "gpu" / "weights.py").read_text()
    (names,) = re.findall(r"^MODEL_NAMES = (\(.*\))$", source, re.MULTILINE)
    assert names == str(NAMES).replace("'", '"')
    assert [finding.check for finding in check_weights()] == ["weights.manifest", *["weights.hash"] * 4]
    assert {finding.verdict for finding in check_weights()} == {"ok"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"detector": {"file": "x"}}'])
def test_a_manifest_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    assert [finding.verdict for finding in check_weights(tmp_path)] == ["failure"]


def test_a_library_without_a_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {finding.verdict for finding in codecs.check_codecs()} == {"ok"}
    monkeypatch.setattr(codecs, "NEEDED", ("h264", "none_such"))
    assert "none_such cannot be read" in told(codecs.check_codecs(), "failure")["codecs.reading"]


@pytest.mark.parametrize(("role", "verdict"), [(None, "warning"), ("cpu", "failure"), ("beat", "ok")])
def test_what_is_not_installed(monkeypatch: pytest.MonkeyPatch, role: str | None, verdict: str) -> None:
    monkeypatch.setattr("workers.doctor.extras.find_spec", lambda name: None if name == "av" else find_spec(name))
    assert {finding.verdict for finding in extras.check_extras(Settings(), role)} == {verdict}


def test_releases_side_by_side() -> None:
    def workers(*releases: str) -> list[WorkerEntry]:
        return [WorkerEntry(node=f"cpu@{number}", room="cpu", release=each) for number, each in enumerate(releases)]

    judged: Callable[..., list[str]] = lambda *releases: [  # noqa: E731
        finding.verdict.value for finding in fleet.check_releases(workers(*releases), "0.2.0")
    ]
    assert judged() == []
    assert judged("0.2.0", "0.2.0") == ["ok"]
    assert judged("0.2.0", "0.1.0") == ["warning"]


@pytest.mark.parametrize(
    ("theirs", "verdicts"),
    [([], []), ([None], []), (["a", "b"], ["ok"]), (["b"], ["warning"])],
    ids=["none", "old", "one", "other"],
)
def test_weights_that_nobody_has(theirs: list[str | None], verdicts: list[str]) -> None:
    workers = [WorkerEntry(node=f"gpu@{number}", room="gpu", release="1", weights=each) for number, each in enumerate(theirs)]
    assert [finding.verdict.value for finding in fleet.check_weights_of(workers, "a")] == verdicts
