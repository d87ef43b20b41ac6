"""The command line's own manners; what the commands do is tested with the real parts in tests/pipeline."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from pydantic import TypeAdapter

from shared.answers import Erasure, Job
from shared.errors import SettingsInvalid
from shared.messages import SegmentPlanned
from shared.progress import LessonStatus
from shared.settings import Settings, describe, load_settings
from shared.states import LessonState
from tests.builders import a_segment, lesson_document
from workers.__main__ import COMMANDS, main


@pytest.fixture(autouse=True)
def _fresh_settings() -> None:
    load_settings.cache_clear()


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["--help"])
    assert leaving.value.code == 0
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["run"], ["run", "--out"]])
def test_a_wrong_call_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(arguments)
    assert leaving.value.code == 2
    assert "usage: smilereel" in capsys.readouterr().err


def test_schema_prints_the_lessons_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    jsonschema.validate(lesson_document(), json.loads(capsys.readouterr().out))


@pytest.mark.parametrize(
    ("document", "example"),
    [
        ("job", Job("lesson-1", LessonState.ACCEPTED, created=True, sent=False)),
        ("status", LessonStatus("lesson-1", LessonState.DONE, "publish_lesson", 100, 0, None)),
        ("erasure", Erasure("lesson", "lesson-1", ("lesson-1",), datetime(2026, 11, 20, tzinfo=UTC), True, ())),
        ("messages", SegmentPlanned(lesson_id="lesson-1", work_version="v1", segment=a_segment())),
    ],
)
def test_schema_prints_what_is_answered_and_sent(document: str, example: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", document]) == 0
    schema = json.loads(capsys.readouterr().out)
    written = TypeAdapter(type(example)).dump_python(example, mode="json")
    jsonschema.validate(written, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**written, "lesson_id": 7, "lesson_ids": 7}, schema)


def test_settings_tell_value_source_and_meaning(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SMILEREEL_REEL_SIDE", "256")
    assert main(["settings", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["SMILEREEL_REEL_SIDE"]["value"] == "256"
    assert told["SMILEREEL_REEL_SIDE"]["source"] == "environment"
    assert told["SMILEREEL_REEL_FRAMES"]["source"] == "default"
    assert set(told) == {f"SMILEREEL_{name}".upper() for name in Settings.model_fields}
    assert all(setting["about"] for setting in told.values())
    assert main(["settings"]) == 0
    assert "SMILEREEL_REEL_SIDE" in capsys.readouterr().out


def test_passwords_are_not_printed() -> None:
    rows = describe(Settings(redis_url="redis://:hidden@host:6379/0", database_url="postgresql://u:hidden@db/x"))
    assert "hidden" not in str(rows)
    assert "host:6379" in str(rows)


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SMILEREEL_REEL_FRAMES", "many")
    with pytest.raises(SettingsInvalid, match="SMILEREEL_REEL_FRAMES"):
        load_settings()
    assert main(["settings"]) == 2
    assert capsys.readouterr().err.startswith("smilereel: The setting SMILEREEL_REEL_FRAMES cannot be used")


def test_an_error_is_one_sentence_and_debug_shows_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", str(tmp_path / "gone.json"), "--out", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert main([*arguments, "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.delitem(sys.modules, "workers.local.progress", raising=False)
    monkeypatch.delitem(sys.modules, "workers.commands.outcome", raising=False)
    assert main(["run", "--student", "a.mp4", "--out", "out"]) == 1
    assert "needs tqdm, which is not installed: pip install 'smilereel[all]'" in capsys.readouterr().err


def test_an_unforeseen_fault_is_ours(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> None:
        raise RuntimeError("disk on fire")

    monkeypatch.setattr("shared.settings.load_settings", broken)
    assert main(["settings"]) == 1
    assert (
        capsys.readouterr().err
        == "smilereel: smilereel failed: RuntimeError: disk on fire; run again with --debug to see where.\n"
    )
