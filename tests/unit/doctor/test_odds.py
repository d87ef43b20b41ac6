"""Settings that each may be right and are at odds with one another."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from shared.settings import Settings
from tests.unit.doctor.conftest import told
from workers.app import app
from workers.doctor import odds

ROOT = Path(__file__).parents[3]


def test_the_shipped_settings_are_not_at_odds() -> None:
    assert [finding.verdict for finding in odds.check_settings(Settings(), app.conf)] == ["ok"]


@pytest.mark.parametrize(
    ("changes", "check", "verdict"),
    [
        ({"reconcile_seconds": 10.0}, "settings.times", "warning"),
        ({"shutdown_grace_seconds": 3600.0}, "settings.times", "warning"),
        ({"media_hosts": ["a.example"], "fetch_seconds": 2000.0}, "settings.times", "failure"),
        ({"mood_analytics": True, "retention_scores_days": 0}, "settings.data", "warning"),
        ({"min_p_child": 0.9}, "settings.data", "warning"),
        ({"max_lesson_seconds": 5}, "settings.data", "failure"),
        ({"webhook_url": "https://a.example/x"}, "settings.webhook", "failure"),
        ({"models": "stand_in"}, "settings.trial", "warning"),
        ({"poison": True}, "settings.trial", "warning"),
    ],
)
def test_settings_at_odds(changes: dict[str, Any], check: str, verdict: str) -> None:
    assert list(told(odds.check_settings(Settings(**changes), app.conf), verdict)) == [check]


def test_a_visibility_timeout_under_the_longest_task() -> None:
    conf = SimpleNamespace(
        task_time_limit=1800, task_annotations={"x": {"time_limit": 4000}}, broker_transport_options={"visibility_timeout": 3600}
    )
    sentence = told(odds.check_settings(Settings(), conf), "failure")["settings.times"]
    assert sentence.startswith("Redis hands a task out again after 3600 s, while it may run for 4000 s;")


@pytest.mark.parametrize("name", ["CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"])
def test_celerys_own_variables(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "redis://elsewhere")
    assert name in told(odds.check_settings(Settings(), app.conf), "warning")["settings.environment"]


def test_the_grace_is_the_compose_files() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    units = {"s": 1, "m": 60}
    graces = [services[name]["stop_grace_period"] for name in ("cpu", "gpu", "gpu-on-cpu")]
    assert min(int(grace[:-1]) * units[grace[-1]] for grace in graces) == odds.STOP_GRACE_SECONDS
