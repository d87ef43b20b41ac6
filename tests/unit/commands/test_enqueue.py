"""`smilereel enqueue`: a lesson from a file, fresh or in bulk, with Redis away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.ledger import Ledger
from tests.builders import lesson_document
from tests.unit.commands.conftest import Smilereel


@pytest.mark.parametrize("bulk", [False, True])
def test_a_lesson_is_handed_in(tmp_path: Path, ledger: Ledger, operator: Smilereel, bulk: bool) -> None:
    file = tmp_path / "lesson.json"
    file.write_text(json.dumps(lesson_document()))
    said = operator("enqueue", str(file), *(["--bulk"] if bulk else []))
    assert (said.code, json.loads(said.out)) == (
        0,
        {"lesson_id": "lesson-1", "state": "accepted", "created": True, "sent": False},
    )
    assert ledger.require("lesson-1").bulk is bulk


def test_a_file_that_is_not_there(tmp_path: Path, operator: Smilereel) -> None:
    operator("enqueue", str(tmp_path / "no.json"), "--bulk").complains(2, f"{tmp_path}/no.json cannot be read")
