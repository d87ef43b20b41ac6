"""Who does not bring the password gets 401 on every path, and nothing else."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Gauge
from starlette.testclient import TestClient

from workers.watching import gate
from workers.watching.serve import make_app

PATHS = ["/", "/metrics", "/metrics/", "/healthz", "/nothing", "//metrics", "/docs", "/openapi.json"]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(gate, "WRONG_PASSWORD_SECONDS", 0.0)
    registry = CollectorRegistry()
    Gauge("smilereel_secret", "What nobody should see.", registry=registry).set(42)
    with TestClient(make_app(registry, "pässword")) as opened:
        yield opened


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "DELETE"])
def test_without_the_password_all_paths_look_alike(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, f"http://testserver{path}")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text in {"", "Log in first.\n"}


@pytest.mark.parametrize(
    "header",
    [
        *(value["Authorization"].encode() for value in (basic("metrics", "wrong"), basic("admin", "pässword"), basic("", ""))),
        b"Basic", b"Basic !!!", "Bearer pässword".encode("latin-1"), b"Basic bWV0cmljcw==", "metrics:pässword".encode("latin-1"),
    ],
)  # fmt: skip
def test_wrong_credentials(client: TestClient, header: bytes) -> None:
    assert client.get("/metrics", headers=[(b"Authorization", header)]).status_code == 401


def test_two_headers_are_none(client: TestClient) -> None:
    both = [("Authorization", basic("metrics", "pässword")["Authorization"])] * 2
    assert client.get("/metrics", headers=both).status_code == 401


def test_a_wrong_password_takes_time(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(gate, "WRONG_PASSWORD_SECONDS", 1.0)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    client.get("/metrics")
    client.get("/metrics", headers=basic("metrics", "wrong"))
    assert slept == [1.0]


def test_with_the_password(client: TestClient) -> None:
    known = basic("metrics", "pässword")
    page = client.get("/metrics", headers=known)
    assert (page.status_code, "smilereel_secret 42.0" in page.text) == (200, True)
    assert page.headers["content-type"].startswith("text/plain")
    assert client.get("/metrics", headers={**known, "Accept": "application/openmetrics-text;version=1.0.0"}).text.endswith(
        "# EOF\n"
    )
    assert client.get("/healthz", headers=known).text == "alive\n"
    assert client.get("/", headers=known).status_code == 404
    assert client.post("/metrics", headers=known).status_code == 405
