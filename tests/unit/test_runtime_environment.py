"""The embedded run's processes get every setting through the environment, as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.settings import PREFIX, Settings
from workers.local.runtime import _environment


def test_settings_survive_the_way_through_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given = Settings(
        media_hosts=("media.example", "other.example:8443"),
        media_ca_file=Path("/etc/ca.pem"),
        s3_access_key_id="key",
        s3_secret_access_key="secret",
        webhook_secrets=("whsec_c2VjcmV0",),
        mood_analytics=True,
        min_p_smile=0.25,
    )
    for environment in (_environment(given), _environment(Settings())):
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                if name.startswith(PREFIX):
                    patch.setenv(name, value)
            received = Settings()
        assert received == (given if "media.example" in environment[f"{PREFIX}MEDIA_HOSTS"] else Settings())


def test_what_others_set_for_celery_stays_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://elsewhere/0")
    assert "CELERY_BROKER_URL" not in _environment(Settings())
