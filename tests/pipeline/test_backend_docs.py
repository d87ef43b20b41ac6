"""What stands in docs/backend.md, run as it stands there: against a real ledger, workers or not."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.client import lesson_status
from shared.settings import Settings, load_settings
from tests.builders import lesson_document

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "backend.md"


def code(name: str) -> str:
    block = re.search(rf"```python {name}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert block is not None
    return block[1]


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A ledger of the test's own, and no Redis."""
    monkeypatch.setenv("SMILEREEL_DATABASE_URL", f"sqlite:///{tmp_path}/ledger.sqlite3")
    monkeypatch.setenv("SMILEREEL_STORE_URL", f"file://{tmp_path}/store")
    monkeypatch.setenv("SMILEREEL_REDIS_URL", "redis://127.0.0.1:1/0")
    load_settings.cache_clear()
    yield monkeypatch
    load_settings.cache_clear()


def run(source: str, **names: Any) -> dict[str, Any]:
    exec(compile(source, str(DOCUMENT), "exec"), names)
    return names


def test_the_calls(environment: Any, capsys: pytest.CaptureFixture[str]) -> None:
    source = code("calls").replace('reprocess("lesson-4711")', 'print("reprocessed", reprocess("lesson-4711").state)')
    run(source)
    told = capsys.readouterr().out.splitlines()
    assert told == ["True False", "accepted None 0 0 None", "reprocessed accepted"]
    assert lesson_status("lesson-4711") is None, "erased at the end"


def test_every_call_of_the_table_is_there() -> None:
    from shared import client

    named = set(re.findall(r"^\| `(\w+)\(", DOCUMENT.read_text(), re.MULTILINE)) | {"erase_pupil"}
    assert named == {name for name in client.__all__ if name.islower()}


def test_the_outbox(environment: Any, tmp_path: Path) -> None:
    run(code("calls"))  # makes the tables
    url = f"sqlite:///{tmp_path}/ledger.sqlite3"
    names = run("from sqlalchemy import create_engine, text")
    with names["create_engine"](url).begin() as connection:
        connection.execute(names["text"]("CREATE TABLE booking (lesson_id TEXT)"))
    run(code("outbox"), DATABASE_URL=url, LESSON=lesson_document())
    assert lesson_status("lesson-1", settings=Settings(database_url=url)) is not None


def test_fastapi(environment: Any) -> None:
    from fastapi.testclient import TestClient

    with TestClient(run(code("fastapi"))["app"]) as client:
        assert client.get("/lessons/lesson-1").status_code == 404
        answer = client.post("/lessons", json=lesson_document())
        assert (answer.status_code, answer.json()) == (202, {"lesson_id": "lesson-1", "state": "accepted", "created": True})
        assert client.post("/lessons", json=lesson_document(pupil_id="p")).status_code == 422
        assert client.post("/lessons", json=lesson_document(consent={})).status_code == 422
        assert client.get("/lessons/lesson-1").json() == {"state": "accepted", "percent": 0, "reason": None, "reel": None}
        environment.setenv("SMILEREEL_DATABASE_URL", "sqlite:////nowhere/ledger.sqlite3")
        load_settings.cache_clear()
        assert client.post("/lessons", json=lesson_document()).status_code == 503


def test_django(environment: Any, tmp_path: Path) -> None:
    """In a process of its own: Django is set up once."""
    (tmp_path / "views.py").write_text(code("django"))
    script = f"""
import json
from django.conf import settings
settings.configure(ROOT_URLCONF="views", ALLOWED_HOSTS=["*"], SECRET_KEY="x", USE_TZ=True)
import django
django.setup()
from django.test import Client
client, document = Client(), {json.dumps(lesson_document()).replace("true", "True")}
assert client.get("/lessons/lesson-1").status_code == 404
answer = client.post("/lessons", json.dumps(document), content_type="application/json")
assert (answer.status_code, answer.json()["created"]) == (202, True), answer.content
assert client.post("/lessons", "no JSON", content_type="application/json").status_code == 422
assert client.post("/lessons", b"\\xff", content_type="application/json").status_code == 422
assert client.get("/lessons/lesson-1").json() == {{"state": "accepted", "percent": 0, "reel": None}}
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_backend_with_a_package_named_shared(environment: Any, tmp_path: Path) -> None:
    """Ours lies where a wheel would put it; the backend's own comes first."""
    site, backend = tmp_path / "site", tmp_path / "backend"
    (site / "smilereel-0.1.0.dist-info").mkdir(parents=True)
    (site / "smilereel-0.1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: smilereel\nVersion: 0.1.0\n")
    shutil.copytree(ROOT / "shared", site / "shared", ignore=shutil.ignore_patterns("__pycache__"))
    (backend / "shared").mkdir(parents=True)
    (backend / "shared" / "__init__.py").write_text("OURS = True\n")
    script = f"""{code("alias")}
import shared
assert shared.OURS
assert enqueue_lesson({lesson_document()!r}).created
assert not any(name.startswith("shared.") for name in sys.modules), "nothing of ours went under the backend's name"
"""
    (backend / "main.py").write_text(script)
    paths = {"PYTHONPATH": str(site), "PYTHONSAFEPATH": ""}
    done = subprocess.run(
        [sys.executable, "main.py"], cwd=backend, env={**os.environ, **paths}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
