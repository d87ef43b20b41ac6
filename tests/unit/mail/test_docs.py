"""What docs/email.md says to copy works as it stands there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import shared.client

from .builders import a_reel, parts_of, pictures

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "email.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The page's code in this language."""
    return re.findall(rf"```{re.escape(language)}\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture
def _a_reel_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "reel.gif").write_bytes(pictures().gif)
    (tmp_path / "poster.jpg").write_bytes(pictures().poster_jpeg)
    addresses = {"address": (tmp_path / "reel.gif").as_uri(), "poster_address": (tmp_path / "poster.jpg").as_uri()}
    monkeypatch.setattr(shared.client, "find_reel", lambda lesson_id, **_: a_reel(lesson_id=lesson_id, **addresses))


def test_jinja(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared.client, "find_reel", lambda lesson_id, **_: a_reel(lesson_id=lesson_id))
    names: dict[str, Any] = {}
    exec(blocks("python")[0], names)
    assert 'alt="Аня на уроке: 9 улыбок"' in names["html"]


@pytest.mark.usefixtures("_a_reel_is_there")
def test_the_whole_message() -> None:
    names: dict[str, Any] = {}
    exec(blocks("python")[2], names)
    assert parts_of(names["message"])[-1] == "image/gif"


def test_django() -> None:
    script = """
import json, sys
import django
from django.conf import settings
import shared.client
from tests.unit.mail.builders import a_reel
shared.client.find_reel = lambda lesson_id, **_: a_reel(lesson_id=lesson_id)
told = json.load(sys.stdin)
names = {}
exec(told["settings"], names)
backend = {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
settings.configure(INSTALLED_APPS=names["INSTALLED_APPS"], TEMPLATES=[backend])
django.setup()
from django.template import engines
print(ascii(engines["django"].from_string(told["template"]).render({"lesson_id": "lesson-1", "pupil": "Аня"})))
"""
    told = json.dumps({"settings": blocks("python")[1], "template": blocks("html+django")[0]})
    ran = subprocess.run(
        [sys.executable, "-c", script], input=told, capture_output=True, text=True, cwd=ROOT, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert ascii("Аня на уроке: 9 улыбок")[1:-1] in ran.stdout
