"""What docs/webhook.md shows to be copied: the receiver runs, the example fits the schema."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from shared.settings import load_settings
from shared.webhooks import WebhookEvent, body_of, sign
from tests.unit.webhooks.test_signature import NEW, OLD, OTHER, an_event

PAGE = (Path(__file__).parents[3] / "docs" / "webhook.md").read_text(encoding="utf-8")


def the_block(language: str) -> str:
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return str(block)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("SMILEREEL_WEBHOOK_SECRETS", json.dumps([NEW, OLD]))
    load_settings.cache_clear()
    names: dict[str, object] = {}
    exec(compile(the_block("python"), "receiver.py", "exec", dont_inherit=True), names)
    app = names["app"]
    assert isinstance(app, FastAPI)
    yield TestClient(app)
    load_settings.cache_clear()


def test_the_receiver_acts_once_on_each_event_and_on_no_forged_one(
    receiver: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    now = int(time.time())
    body = body_of(an_event())
    for secret, at, status in [(OTHER, now, 400), (NEW, now - 1000, 400), (OLD, now, 200), (NEW, now + 1, 200)]:
        answer = receiver.post("/lessons/ended", content=body, headers=sign("event-1", at, body, secret))
        assert answer.status_code == status, answer.text
    assert receiver.post("/lessons/ended", content=body).json() == {"detail": "The webhook has no header webhook-id."}
    assert capsys.readouterr().out == "lesson-1 no_reel\n"


def test_the_example_is_an_event() -> None:
    WebhookEvent.model_validate_json(the_block("json"))
    assert set(json.loads(the_block("json"))["data"]) == set(json.loads(body_of(an_event()))["data"])
