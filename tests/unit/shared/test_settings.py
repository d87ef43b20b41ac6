"""Settings: shown without their secrets, refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

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


def secret_file(folder: Path, text: str = "hid/den: ?\n") -> Path:
    path = folder / "secret"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://worker@redis:6379/0", "redis://worker:hid%2Fden%3A%20%3F@redis:6379/0"),
        ("redis://redis:6379/0", "redis://:hid%2Fden%3A%20%3F@redis:6379/0"),
        (
            "rediss://worker@redis:6379/0?ssl_cert_reqs=required",
            "rediss://worker:hid%2Fden%3A%20%3F@redis:6379/0?ssl_cert_reqs=required",
        ),
    ],
)
def test_a_password_from_a_file_gets_into_the_address(tmp_path: Path, url: str, expected: str) -> None:
    settings = Settings(redis_url=url, redis_password_file=secret_file(tmp_path))
    assert settings.redis_url == expected
    assert urlsplit(settings.redis_url).hostname == "redis"


def test_all_secrets_may_lie_in_files(tmp_path: Path) -> None:
    secret = secret_file(tmp_path, "one\ntwo\n")
    settings = Settings(webhook_secrets_file=secret)
    assert [each.get_secret_value() for each in settings.webhook_secrets] == ["one", "two"]
    secret = secret_file(tmp_path, "hidden")
    settings = Settings(
        database_url="postgresql://smilereel@db/smilereel", database_password_file=secret, s3_secret_access_key_file=secret
    )
    assert settings.database_url == "postgresql://smilereel:hidden@db/smilereel"
    assert settings.s3_secret_access_key.get_secret_value() == "hidden"
    assert "hidden" not in f"{describe(settings)}"


@pytest.mark.parametrize("text", ["", "\n", "x" * 5000, None])
def test_a_file_without_a_secret_is_refused_in_one_sentence(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "missing" if text is None else secret_file(tmp_path, text)
    with pytest.raises(SettingsInvalid, match=r"SMILEREEL_REDIS_PASSWORD_FILE .*\.$"):
        Settings(redis_url="redis://worker@redis/0", redis_password_file=path)


@pytest.mark.parametrize("url", ["redis://worker:other@redis/0", "redis+socket:///run/redis.sock"])
def test_an_address_that_takes_no_password_says_so(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"^SMILEREEL_REDIS_URL takes no password from a file"):
        Settings(redis_url=url, redis_password_file=secret_file(tmp_path))
