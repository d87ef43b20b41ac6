"""The analysts' notebook `docs/analysis.py`, run as a whole on two made weeks of lessons; `tests/pipeline` runs it on the demo's."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from shared.ledger import open_ledger
from tests.analysts import fill

NOTEBOOK = Path(__file__).parents[2] / "docs" / "analysis.py"


def analyse(url: str, out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(NOTEBOOK), "--out", str(out), *arguments]
    environment = {**os.environ, "SMILEREEL_DATABASE_URL": url, "PYTHONPATH": str(NOTEBOOK.parents[1])}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def table(said: str, title: str) -> list[list[str]]:
    """The cells below a title, without the column names."""
    block = said.split(f"\n{title}\n", 1)[1].split("\n\n", 1)[0]
    return [line.split() for line in block.splitlines()[1:]]


def test_the_notebook_on_two_weeks(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.sqlite3"
    ledger = open_ledger(url)
    ledger.create_schema()
    fill(ledger)
    ledger.close()
    done = analyse(url, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert sorted(table(done.stdout, "Disconnects by side")) == [["student", "3", "72.00"], ["teacher", "2", "50.00"]]
    assert ["done", "3"] in table(done.stdout, "Lessons by state")
    assert ["parent_shoulder", "1.50"] in table(done.stdout, "Minutes of all lessons")
    # As the second example query, with the adult who sat there alone (c-2).
    assert table(done.stdout, "Smiles by third of the lesson") == [
        ["1", "0.30", "240"],
        ["2", "0.38", "204"],
        ["3", "0.42", "258"],
    ]
    for name in ("presence.svg", "course.svg"):
        assert ET.parse(tmp_path / "out" / name).getroot().tag.endswith("svg")


def test_the_notebook_on_a_time_without_lessons(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.sqlite3"
    ledger = open_ledger(url)
    ledger.create_schema()
    ledger.close()
    done = analyse(url, tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr == "No lesson between 2026-11-01 and 2026-12-01 was processed with consent for analytics.\n"
