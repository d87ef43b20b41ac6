"""`smilereel report`: a page of a lesson in the ledger or of a run's folder, and one sentence where there can be none."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.ledger import Ledger, LessonState
from shared.lesson import Consent
from shared.store import open_store, output_key
from tests.builders import a_lesson
from tests.ledgers import put_into
from tests.unit.commands.conftest import Smilereel
from tests.unit.report.lessons import a_document, a_reel, the_seconds

ALL = {"process": True, "reel": True, "analytics": True}


@pytest.fixture
def store_folder(tmp_path: Path, environment: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "store"
    environment.setenv("SMILEREEL_STORE_URL", folder.as_uri())
    return folder


def publish(ledger: Ledger, store_folder: Path, **consent: bool) -> None:
    """A lesson that is done, with its outputs; what the family agrees to is what is named."""
    ledger.accept(a_lesson(consent={**ALL, **consent}))
    assert ledger.admit("lesson-1", 0, places=1000, lease_seconds=60)
    ledger.planned("lesson-1", "v1", 2, {"n_seconds": 120})
    assert ledger.finish("lesson-1", LessonState.DONE, None)
    store = open_store(store_folder.as_uri())
    files = {"lesson.json": a_document(smiles=True), "seconds.csv": the_seconds(smiles=True), "reel.gif": a_reel()}
    for name, data in files.items():
        store.put(output_key("lesson-1", "v1", name), data)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """What `smilereel run --out` leaves."""
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "lesson.json").write_bytes(a_document(smiles=True))
    (folder / "seconds.csv").write_bytes(the_seconds(smiles=True))
    (folder / "reel.gif").write_bytes(a_reel())
    return folder


def test_a_lesson_of_the_ledger(ledger: Ledger, store_folder: Path, operator: Smilereel, tmp_path: Path) -> None:
    publish(ledger, store_folder)
    out = tmp_path / "page.html"
    said = operator("report", "lesson-1", "--out", str(out))
    assert (said.code, said.err) == (0, "")
    page = out.read_text(encoding="utf-8")
    assert said.out == f"{out}: {-(-out.stat().st_size // 1000)} kB, to be opened in a browser\n"
    assert page.count("<img ") == 9
    assert "P(parent by shoulder)" in page
    assert "P(smile" not in page
    assert sorted(path.name for path in tmp_path.iterdir() if ".tmp" in path.name) == []


def test_what_the_family_does_not_agree_to_is_not_shown(
    ledger: Ledger, store_folder: Path, operator: Smilereel, tmp_path: Path, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("SMILEREEL_MOOD_ANALYTICS", "true")
    publish(ledger, store_folder, reel=False, analytics=False)
    assert operator("report", "lesson-1", "--out", str(tmp_path / "page.html")).code == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<img " not in page
    assert "no per-second data" in page
    assert "P(smile" not in page


def test_a_folder_of_a_run_needs_no_ledger(run_folder: Path, smilereel: Smilereel, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'none.sqlite3'}"
    said = smilereel("report", str(run_folder), "--out", str(tmp_path / "page.html"), at=database)
    assert (said.code, said.err) == (0, "")
    assert not (tmp_path / "none.sqlite3").exists()


def test_smiles_are_shown_where_mood_analytics_is_on(
    run_folder: Path, smilereel: Smilereel, tmp_path: Path, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("SMILEREEL_MOOD_ANALYTICS", "true")
    assert smilereel("report", str(run_folder), "--out", str(tmp_path / "page.html")).code == 0
    assert "P(smile), smoothed" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_an_unknown_lesson(ledger: Ledger, store_folder: Path, operator: Smilereel, tmp_path: Path) -> None:
    operator("report", "lesson-2", "--out", str(tmp_path / "page.html")).complains(2, "The ledger knows no lesson lesson-2")
    assert not (tmp_path / "page.html").exists()


def test_an_erased_lesson(ledger: Ledger, store_folder: Path, operator: Smilereel) -> None:
    publish(ledger, store_folder)
    ledger.rights.erase("lesson-1", "test")
    operator("report", "lesson-1").complains(2, "Lesson lesson-1 was erased")


def test_a_lesson_whose_family_withdrew(ledger: Ledger, store_folder: Path, operator: Smilereel) -> None:
    publish(ledger, store_folder)
    ledger.rights.change_consent("lesson-1", Consent(), "test")
    operator("report", "lesson-1").complains(2, "Nothing of lesson lesson-1 may be shown")


@pytest.mark.parametrize("state", [LessonState.ACCEPTED, LessonState.PROCESSING])
def test_a_lesson_that_has_not_ended(state: LessonState, ledger: Ledger, store_folder: Path, operator: Smilereel) -> None:
    put_into(ledger, state)
    operator("report", "lesson-1").complains(2, f"Lesson lesson-1 is {state} and has not ended yet")


@pytest.mark.parametrize("state", [LessonState.REFUSED, LessonState.QUARANTINED])
def test_a_lesson_that_ended_without_outputs(state: LessonState, ledger: Ledger, store_folder: Path, operator: Smilereel) -> None:
    put_into(ledger, state)
    operator("report", "lesson-1").complains(2, f"Lesson lesson-1 ended as {state} and has no outputs to show")


def test_a_lesson_whose_outputs_were_purged(ledger: Ledger, store_folder: Path, operator: Smilereel) -> None:
    put_into(ledger, LessonState.DONE)
    operator("report", "lesson-1").complains(2, "The outputs of lesson lesson-1 are no longer kept")


@pytest.mark.parametrize("lesson", ["no/such/folder", "../lesson-1", "'; drop table lesson;--", "<script>", "", "a" * 200])
def test_what_is_neither_an_id_nor_a_folder(lesson: str, ledger: Ledger, store_folder: Path, operator: Smilereel) -> None:
    said = operator("report", lesson)
    assert (said.code, said.out) == (2, "")
    assert said.err.count("\n") == 1
    assert "neither a folder nor a lesson's id" in said.err


def test_a_folder_that_no_run_made(smilereel: Smilereel, tmp_path: Path) -> None:
    smilereel("report", str(tmp_path)).complains(2, f"The folder {tmp_path} holds no lesson.json")


def test_a_damaged_folder(run_folder: Path, smilereel: Smilereel) -> None:
    (run_folder / "seconds.csv").write_text("second\n")
    smilereel("report", str(run_folder)).complains(2, "The file seconds.csv has no column 'student_on'")


@pytest.mark.parametrize("out", ["missing/page.html", "a-folder", "x" * 300, "nul\0"])
def test_a_page_that_cannot_be_written(out: str, run_folder: Path, smilereel: Smilereel, tmp_path: Path) -> None:
    (tmp_path / "a-folder").mkdir()
    said = smilereel("report", str(run_folder), "--out", str(tmp_path / out))
    said.complains(2, f"The page cannot be written to {tmp_path / out}: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-folder", "out"]


def test_a_missing_extra_says_what_to_install(run_folder: Path, smilereel: Smilereel, environment: pytest.MonkeyPatch) -> None:
    import sys

    environment.setitem(sys.modules, "vl_convert", None)
    said = smilereel("report", str(run_folder), "--out", str(run_folder / "page.html"))
    assert said.code == 1
    assert "`smilereel report` needs vl_convert, which is not installed: pip install" in said.err
