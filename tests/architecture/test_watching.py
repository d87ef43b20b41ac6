"""Dashboard, alerts and the page that explains the metrics name what the endpoint really exports, and pass their checkers."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics_core import Metric

from shared.catalogue import QUEUES
from shared.deliveries import Delivery
from shared.duties import RECONCILER
from shared.gauges import Standing
from shared.settings import Settings
from shared.states import LessonState
from workers.roster import WorkerEntry
from workers.watching import families
from workers.watching.ends import Counts
from workers.watching.queues import QueueFacts

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "docs" / "grafana" / "smilereel.json"
PROMETHEUS = ROOT / "docs" / "prometheus"
RUNBOOKS = {
    "queue-grows", "lesson-hangs", "redis-lost", "database-restored", "model-release", "card-fails", "erasure", "key-rotation",
    "upgrade",
}  # fmt: skip
KINDS = {"stat", "timeseries"}


@cache
def exported() -> dict[str, Metric]:
    """Every family that a full house exports, by the names of its samples' families."""
    standing = Standing(
        lessons=dict.fromkeys(LessonState, 1),
        open_lessons={(LessonState.ACCEPTED, "fresh"): 1},
        oldest_seconds={"fresh": 1.0},
        sent_again=1,
        most_attempts=1,
        begun={"detect_faces": 1},
        repeats={"detect_faces": 1},
        untold={Delivery.PENDING: 1},
        duty_lease_seconds={RECONCILER: 1.0},
        duty_notes={RECONCILER: {"work_bytes": 1, "sweep_asked_at": 1.0}},
    )
    worker = WorkerEntry("gpu@host", "gpu", "1", model_load_seconds=1.0, warm_seconds=1.0)
    settings = Settings()
    found = [
        *families.of_process("1", settings),
        *families.of_source("database", up=True, seconds=0.1),
        *families.of_source("redis", up=True, seconds=0.1),
        *families.of_schema("0004"),
        *families.of_ledger(standing),
        *families.of_ends(Counts(), settings),
        *families.of_redis(QueueFacts(dict.fromkeys(QUEUES, 1), 1, 1.0, 1, 1, 1, 0, True)),
        *families.of_workers([worker]),
    ]
    return {family.name: family for family in found}


def sample_names() -> set[str]:
    return {sample.name for family in exported().values() for sample in family.samples}


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def dashboard_expressions() -> Iterator[str]:
    for panel in panels():
        yield from (target["expr"] for target in panel["targets"])


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def metrics_in(expression: str) -> set[str]:
    return set(re.findall(r"\bsmilereel_\w+", expression))


def test_all_families_have_a_meaning_and_a_name_of_ours() -> None:
    for name, family in exported().items():
        assert re.fullmatch(r"smilereel_[a-z_]+", name)
        assert family.documentation.endswith(".") or ";" in family.documentation, name
        labels = {label for sample in family.samples for label in sample.labels}
        assert labels <= {"state", "line", "stage", "queue", "duty", "delivery", "room", "release", "device", "weights", "le"}, (
            name
        )


def test_every_metric_asked_for_is_exported() -> None:
    asked = {name for text in (*dashboard_expressions(), *(rule["expr"] for rule in alerts())) for name in metrics_in(text)}
    assert len(asked) > 30
    assert asked - sample_names() == set()


def test_every_metric_is_explained_and_nothing_else() -> None:
    explained = set(re.findall(r"^\| `(smilereel_\w+)`", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))
    assert explained == set(exported())


def test_each_alert_has_a_page_and_words() -> None:
    names = [rule["alert"] for rule in alerts()]
    assert len(names) == len(set(names)) > 20
    pages = set()
    for rule in alerts():
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"]
        found = re.fullmatch(r"docs/runbook/([a-z-]+)\.md", rule["annotations"]["runbook"])
        assert found, rule
        assert (ROOT / rule["annotations"]["runbook"]).is_file()
        pages.add(found[1])
    assert pages == RUNBOOKS, "each page of the runbook is reached by some alert"


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    board = json.loads(DASHBOARD.read_text())
    assert (board["uid"], board["title"]) == ("smilereel", "smilereel")
    assert board["schemaVersion"] >= 38
    (variable,) = board["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == ("datasource", "datasource", "prometheus")
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    for panel in panels():
        assert panel["type"] in KINDS
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        for each in (panel, *panel["targets"]):
            assert each["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_grafanas_own_model_loses_nothing_of_the_dashboard() -> None:
    name, why = "grafana_foundation_sdk", "grafana-foundation-sdk is not installed"
    plugins, encoder, model = (
        pytest.importorskip(f"{name}.{part}", reason=why) for part in ("cog.plugins", "cog.encoder", "models.dashboard")
    )
    plugins.register_default_plugins()
    board = json.loads(DASHBOARD.read_text())
    kept = json.loads(encoder.JSONEncoder().encode(model.Dashboard.from_json(board)))
    assert list(lost(board, kept, "")) == []
    assert list(lost({**board, "panel": []}, kept, "")) == ["/panel"], "the look itself finds what is lost"


def lost(ours: Any, kept: Any, place: str) -> Iterator[str]:
    """Where the other one lacks something of ours, or has it otherwise."""
    if isinstance(ours, dict) and isinstance(kept, dict):
        for name, each in ours.items():
            yield from lost(each, kept[name], f"{place}/{name}") if name in kept else [f"{place}/{name}"]
    elif isinstance(ours, list) and isinstance(kept, list) and len(ours) == len(kept):
        for number, (each, other) in enumerate(zip(ours, kept, strict=True)):
            yield from lost(each, other, f"{place}/{number}")
    elif ours != kept:
        yield place


def test_prometheus_asks_the_endpoint_of_the_compose_file() -> None:
    (job,) = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    ((target,),) = (each["targets"] for each in job["static_configs"])
    host, port = target.split(":")
    assert host in compose["services"]
    assert port in str(compose["services"][host]["command"])
    assert job["basic_auth"] == {"username": "metrics", "password_file": "/run/secrets/metrics"}
    assert "metrics" in compose["secrets"]


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    (source,) = yaml.safe_load((ROOT / "docs/grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    (provider,) = yaml.safe_load((ROOT / "docs/grafana/provisioning/dashboards/smilereel.yml").read_text())["providers"]
    assert provider["type"] == "file"
    assert provider["options"]["path"]


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed; Debian's package prometheus has it")
    return found


@pytest.mark.parametrize(
    "command",
    [
        ("check", "rules", "--lint-fatal", "alerts.yml"),
        ("check", "config", "--syntax-only", "prometheus.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
    ids=["rules", "config", "situations"],
)
def test_promtool_is_content(promtool: str, command: tuple[str, ...]) -> None:
    done = subprocess.run([promtool, *command], check=False, cwd=PROMETHEUS, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_raised_by_some_situation() -> None:
    played = (PROMETHEUS / "alerts_test.yml").read_text()
    assert [rule["alert"] for rule in alerts() if rule["alert"] not in played] == []


def test_every_question_of_the_dashboard_is_promql(promtool: str, tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": text.replace("$__rate_interval", "5m")}
        for number, text in enumerate(dashboard_expressions())
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", file], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
