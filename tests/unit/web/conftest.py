"""The page called without a server: a furnished ledger and store, and browsers that keep their cookies."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from shared.ledger import Ledger, open_ledger
from shared.settings import Settings
from tests.unit.web.house import furnish, settings_in
from workers.web import password as password_module
from workers.web.app import make_app, make_site
from workers.web.options import WebOptions, web_options
from workers.web.sessions import Sessions
from workers.web.site import Site

# Whichever client library Starlette's test client builds on.
Answer = Any
BASE = "http://127.0.0.1:8300"


class Clock:
    """The sessions' time."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


class Browser:
    """A browser that follows no redirect by itself."""

    def __init__(self, client: TestClient, password: str) -> None:
        self.client, self.password = client, password

    def get(self, path: str, **more: Any) -> Answer:
        return self.client.get(path, **more)

    def post(self, path: str, form: dict[str, str], **more: Any) -> Answer:
        return self.client.post(path, data=form, **more)

    def token(self, path: str = "/connection") -> str:
        """The CSRF token of a page."""
        return token_of(self.get(path))

    def do(self, path: str, **form: str) -> Answer:
        """Send a form of a page of ours."""
        return self.post(path, {"csrf": self.token(), **form})

    def log_in(self, user: str = "Vera", password: str | None = None, wanted: str = "", **more: Any) -> Answer:
        form = {"csrf": self.token("/login"), "next": wanted, "user": user, "password": password or self.password}
        return self.post("/login", form, **more)


def token_of(answer: Answer) -> str:
    match = re.search(r'name="csrf" value="([^"]+)"', answer.text)
    assert match, answer.text
    return match[1]


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password_module, "LOG2_N", 10)
    monkeypatch.setattr(password_module, "COST", ["scrypt", "10", "8", "1"])


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; each test gets a copy."""
    folder = tmp_path_factory.mktemp("furnished")
    furnish(settings_in(folder))
    return folder


@pytest.fixture
def settings(tmp_path: Path, furnished: Path) -> Settings:
    shutil.copytree(furnished, tmp_path, dirs_exist_ok=True)
    return settings_in(tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def site(settings: Settings, clock: Clock) -> Site:
    return a_site(settings, clock)


def a_site(settings: Settings, clock: Clock, options: WebOptions | None = None) -> Site:
    sessions = Sessions(idle_seconds=3600, most_seconds=12 * 3600, clock=clock)
    return make_site(settings, options or web_options(), sessions=sessions)


NewBrowser = Callable[..., Browser]


@pytest.fixture
def password(site: Site) -> str:
    return site.password.make()


@pytest.fixture
def stranger(site: Site, password: str) -> Iterator[NewBrowser]:
    """Makes browsers in which nobody is logged in."""
    with ExitStack() as stack:

        def make(of: Site = site, base: str = BASE, address: str = "127.0.0.1") -> Browser:
            client = TestClient(make_app(of), base_url=base, follow_redirects=False, client=(address, 50_000))
            return Browser(stack.enter_context(client), password)

        yield make


@pytest.fixture
def vera(stranger: NewBrowser) -> Browser:
    """Somebody who is logged in."""
    browser = stranger()
    assert browser.log_in().status_code == 303
    return browser


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    opened = open_ledger(settings.database_url)
    yield opened
    opened.close()
