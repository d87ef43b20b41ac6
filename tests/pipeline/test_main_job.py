"""The main job on real parts: the demo's lesson through real workers on a real Valkey, looked at from outside."""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from shared.catalogue import LESSON_TASKS, SEGMENT_TASKS
from shared.errors import LessonConflict, OutputRefused
from shared.ledger import LessonState
from shared.messages import MAX_MESSAGE_BYTES
from shared.store import open_store
from tests.unit.test_analysis import analyse, table
from tests.wire import Wire
from workers.demo import DEMO_TRUTH, render_demo_lesson
from workers.local.run import RunResult, run_lesson
from workers.local.source import read_lesson_file

pytestmark = [pytest.mark.redis, pytest.mark.slow]


@dataclass
class DemoRun:
    """One run of the demo's lesson, shared by the tests below."""

    lesson_file: Path
    out: Path
    result: RunResult
    wire: Wire

    @property
    def record(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.out / "lesson.json").read_text())
        return document

    @property
    def seconds(self) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO((self.out / "seconds.csv").read_text())))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    folder = tmp_path_factory.mktemp("the demo")
    lesson_file = render_demo_lesson(folder)
    with tempfile.TemporaryDirectory(prefix="sr-") as short, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", short)
        patch.setenv("CELERY_BROKER_URL", "redis://127.0.0.1:1/0")
        with Wire(Path(short)) as wire:
            result = run_lesson(read_lesson_file(lesson_file), folder / "out", lesson_file=lesson_file)
        assert not list(Path(short).iterdir())
    return DemoRun(lesson_file, folder / "out", result, wire)


def test_a_reel_of_nine_frames_comes_out(demo: DemoRun) -> None:
    assert demo.result.state is LessonState.DONE
    with Image.open(demo.out / "reel.gif") as gif:
        assert gif.n_frames == 9  # type: ignore[attr-defined]
        assert gif.size == (demo.record["reel"]["width"], demo.record["reel"]["height"])
    assert (demo.out / "reel.gif").stat().st_size == demo.record["reel"]["bytes"] <= 1_000_000
    for name in ("poster.jpg", "contact-sheet.jpg"):
        with Image.open(demo.out / name) as picture:
            assert picture.format == "JPEG"


def test_bounds_and_disconnects_are_the_true_ones(demo: DemoRun) -> None:
    def seconds_off(text: str, truth: datetime) -> float:
        return abs((datetime.fromisoformat(text) - truth).total_seconds())

    assert seconds_off(demo.record["starts_at"], DEMO_TRUTH.starts_at) < 1.5
    assert seconds_off(demo.record["ends_at"], DEMO_TRUTH.ends_at) < 1.5
    assert len(demo.record["disconnects"]["student"]) == len(DEMO_TRUTH.student_disconnects)
    assert demo.record["disconnects"]["teacher"] == []


def test_every_moment_is_a_smile_of_the_pupil(demo: DemoRun) -> None:
    assert len(demo.record["moments"]) == 9
    for moment in demo.record["moments"]:
        assert DEMO_TRUTH.event_at(moment["pts_seconds"]) in {"smile", "lamp", "dark", "change"}, moment


def test_seconds_tell_who_was_there(demo: DemoRun) -> None:
    assert len(demo.seconds) == round(DEMO_TRUTH.seconds)
    for row in demo.seconds:
        event = DEMO_TRUTH.event_at(int(row["second"]) + 0.5)
        if event == "off":
            assert (row["student_on"], row["faces"], row["p_child"]) == ("0", "", ""), row
        elif event == "empty":
            assert (row["student_on"], row["faces"], row["p_child"]) == ("1", "0", ""), row
    smiling = [row for row in demo.seconds if DEMO_TRUTH.event_at(int(row["second"]) + 0.5) == "smile"]
    assert sum(row["faces"] == "1" for row in smiling) >= 0.95 * len(smiling)


def test_no_message_holds_pixels_or_exceeds_64_kilobytes(demo: DemoRun) -> None:
    commands = demo.wire.commands
    assert len(commands) > 100
    assert max(len(command) for command in commands) < MAX_MESSAGE_BYTES
    everything = "\n".join(commands)
    for task in (*SEGMENT_TASKS, *LESSON_TASKS):
        assert task in everything, f"{task} was not seen on the wire"
    # JPEG, PNG, zip and npz begin like this, also when they are written as base64 or as MONITOR escapes them.
    for pixels in ("JFIF", "/9j/", "iVBORw0KGgo", "PK\\x03\\x04", "NUMPY", "UEsDB"):
        assert pixels not in everything
    assert str(demo.lesson_file.parent) not in everything, "a path was on the wire"
    assert not re.search(r"s1\.mp4|student.*\.mp4", everything)


def test_smile_scores_are_written_nowhere_and_deleted(demo: DemoRun) -> None:
    assert all(moment["p_smile"] is None for moment in demo.record["moments"])
    assert all(row["p_smile"] == "" for row in demo.seconds)
    store = open_store(f"file://{str(demo.out / '.smilereel' / 'store').replace(' ', '%20')}")
    left = list(store.keys("lessons")) + list(store.keys("work"))
    assert {key.rsplit("/", 1)[1] for key in left} == {
        "reel.gif", "poster.jpg", "contact-sheet.jpg", "reel.json", "lesson.json", "seconds.csv",
    }  # fmt: skip
    assert not [key for key in left if re.search(rb'"p_smile":\s*[0-9]', store.get(key))]


def test_stages_tell_what_they_took(demo: DemoRun) -> None:
    stages = {stage["name"]: stage for stage in demo.record["stages"]}
    assert stages["decode_segment"]["items"] == stages["detect_faces"]["items"] >= 110
    assert all(stage["seconds"] > 0 for stage in stages.values())
    assert demo.record["skipped"] == []


def test_a_second_run_goes_on_where_the_first_stopped(demo: DemoRun) -> None:
    (demo.out / "reel.gif").unlink()
    started = time.monotonic()
    again = run_lesson(read_lesson_file(demo.lesson_file), demo.out)
    assert (again.state, again.computed) == (LessonState.DONE, False)
    assert time.monotonic() - started < 3
    assert (demo.out / "reel.gif").exists()


def test_other_content_under_the_same_id_is_refused(demo: DemoRun) -> None:
    document = json.loads(demo.lesson_file.read_text())
    document["subject"] = "child"
    other = demo.lesson_file.with_name("other.json")
    other.write_text(json.dumps(document))
    with pytest.raises(LessonConflict, match="other content"):
        run_lesson(read_lesson_file(other), demo.out)


def test_two_runs_into_one_folder_never_meet(demo: DemoRun) -> None:
    import fcntl

    with (demo.out / ".smilereel" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(OutputRefused, match="Another run is working"):
            run_lesson(read_lesson_file(demo.lesson_file), demo.out)


def test_the_analysts_notebook_on_the_demos_ledger(demo: DemoRun, tmp_path: Path) -> None:
    done = analyse(f"sqlite:///{demo.out}/.smilereel/ledger.sqlite3", tmp_path / "analysis")
    assert done.returncode == 0, done.stderr
    assert table(done.stdout, "Lessons by state") == [["done", "1"]]
    ((side, times, seconds),) = table(done.stdout, "Disconnects by side")
    (start, end) = DEMO_TRUTH.student_disconnects[0]
    assert (side, times) == ("student", "1")
    assert float(seconds) == pytest.approx(end - start, abs=0.5)
    minutes = {who: float(minutes) for who, minutes in table(done.stdout, "Minutes of all lessons")}
    assert minutes["seen"] == pytest.approx((DEMO_TRUTH.seconds - (end - start)) / 60, abs=0.1)
    assert minutes["nobody"] >= 6 / 60, "the chair is empty for six seconds"
    assert "No smile scores were kept: mood analytics are off." in done.stdout
    for name in ("presence.svg", "course.svg"):
        assert ET.parse(tmp_path / "analysis" / name).getroot().tag.endswith("svg")
