"""Settings: shown without their secrets, refused in one sentence."""

from __future__ import annotations

import pytest

from shared.errors import SettingsInvalid
from shared.settings import Settings, describe, load_settings


@pytest.mark.parametrize("name", ["redis_url", "database_url"])
def test_a_password_in_an_address_is_masked(name: str) -> None:
    rows = describe(Settings.model_validate({name: "redis://somebody:hidden@host:1/x"}))
    shown = {variable: str(value) for variable, value, _, _ in rows}
    assert shown[f"SMILEREEL_{name.upper()}"] == "redis://***@host:1/x"


def test_no_secret_is_shown_whoever_prints_the_settings() -> None:
    settings = Settings.model_validate({"s3_access_key_id": "key", "s3_secret_access_key": "hidden"})
    assert "hidden" not in f"{settings!r}{settings}{describe(settings)}{settings.model_dump_json()}"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SMILEREEL_LEASE_SECONDS", "0"),
        ("SMILEREEL_LESSON_ATTEMPTS", "many"),
        ("SMILEREEL_MEDIA_HOSTS", '["a", 1]'),
        ("SMILEREEL_MODELS", "article"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    load_settings.cache_clear()
    try:
        with pytest.raises(SettingsInvalid, match=rf"^The setting {variable} cannot be used: "):
            load_settings()
    finally:
        load_settings.cache_clear()


def test_a_list_that_is_no_json_is_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMILEREEL_MEDIA_HOSTS", "media.example")
    load_settings.cache_clear()
    try:
        with pytest.raises(SettingsInvalid, match=r"SMILEREEL_MEDIA_HOSTS is no JSON list"):
            load_settings()
    finally:
        load_settings.cache_clear()


@pytest.mark.parametrize("url", ["nonsense://x", "amqp://user:hidden@host", "redis", ""])
def test_an_address_that_is_none_of_redis_is_refused_before_anything_is_taken(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load_settings.cache_clear()
    monkeypatch.setenv("SMILEREEL_REDIS_URL", url)
    with pytest.raises(SettingsInvalid, match="SMILEREEL_REDIS_URL") as refused:
        load_settings()
    assert "hidden" not in str(refused.value)
    load_settings.cache_clear()
