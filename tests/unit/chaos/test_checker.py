"""The checker finds every defect that is planted, and nothing in a clean run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from PIL import Image

from workers.chaos.checker import Verdict, judge
from workers.chaos.evidence import Evidence, LessonFacts, Receipt
from workers.chaos.plan import Film

VERSION = "v1"
FILMS: dict[str, Film] = {"good": "reel", "short": "short", "bad": "poison"}


def a_gif(path: Path, n_frames: int = 3) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = [Image.new("RGB", (64, 64), (60 * number, 20, 90)) for number in range(n_frames)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:])


@dataclass
class Case:
    """A run in which everything is as it has to be; tests spoil it."""

    evidence: Evidence

    @property
    def store(self) -> Path:
        return self.evidence.store

    def outputs(self, lesson_id: str) -> Path:
        return self.store / "lessons" / lesson_id / VERSION

    def change(self, **fields: object) -> None:
        self.evidence = replace(self.evidence, **fields)  # type: ignore[arg-type]

    def change_lesson(self, lesson_id: str, **fields: object) -> None:
        rows = [replace(row, **fields) if row.lesson_id == lesson_id else row for row in self.evidence.lessons]  # type: ignore[arg-type]
        self.change(lessons=rows)

    def verdict(self) -> Verdict:
        return judge(self.evidence, FILMS)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    store = tmp_path / "store"
    states = {"good": "done", "short": "no_reel", "bad": "quarantined"}
    made = Case(
        Evidence(
            receipts=[Receipt(lesson_id, created) for lesson_id in states for created in (True, False)],
            lessons=[LessonFacts(lesson_id, state, None, VERSION, 1) for lesson_id, state in states.items()],
            reels=[("good", VERSION, 3)],
            events=[(f"event-{lesson_id}", lesson_id, 1, state) for lesson_id, state in states.items()],
            store=store,
        )
    )
    a_gif(made.outputs("good") / "reel.gif")
    for lesson_id, names in {
        "good": ("poster.jpg", "contact-sheet.jpg", "reel.json", "lesson.json", "seconds.csv"),
        "short": ("lesson.json", "seconds.csv"),
    }.items():
        made.outputs(lesson_id).mkdir(parents=True, exist_ok=True)
        for name in names:
            (made.outputs(lesson_id) / name).write_text("{}")
    return made


def test_a_clean_run_has_no_findings(case: Case) -> None:
    verdict = case.verdict()
    assert verdict == Verdict(accepted=3, done=1, no_reel=1, quarantined=1)
    assert verdict.clean


def no_row(case: Case) -> None:
    case.change(lessons=[row for row in case.evidence.lessons if row.lesson_id != "good"], reels=[])


def not_ended(case: Case) -> None:
    case.change_lesson("good", state="processing")


def never_begun(case: Case) -> None:
    case.change_lesson("good", state="accepted")


def quarantined(case: Case) -> None:
    case.change_lesson("good", state="quarantined")


def refused(case: Case) -> None:
    case.change_lesson("short", state="refused")


def reel_denied(case: Case) -> None:
    case.change_lesson("good", state="no_reel")


def no_event(case: Case) -> None:
    case.change(events=[event for event in case.evidence.events if event[1] != "good"])


def event_of_another_end(case: Case) -> None:
    case.change(events=[(event[0], event[1], 1, "no_reel") for event in case.evidence.events])


def no_reel_row(case: Case) -> None:
    case.change(reels=[])


def reel_of_another_version(case: Case) -> None:
    case.change(reels=[("good", "v0", 3)])


def gif_missing(case: Case) -> None:
    (case.outputs("good") / "reel.gif").unlink()


def gif_cut_off(case: Case) -> None:
    gif = case.outputs("good") / "reel.gif"
    gif.write_bytes(gif.read_bytes()[:-60])


def gif_empty(case: Case) -> None:
    (case.outputs("good") / "reel.gif").write_bytes(b"")


def gif_with_too_few_frames(case: Case) -> None:
    a_gif(case.outputs("good") / "reel.gif", 2)


def record_missing(case: Case) -> None:
    (case.outputs("short") / "lesson.json").unlink()


def record_cut_off(case: Case) -> None:
    (case.outputs("good") / "lesson.json").write_text('{"lesson_id": "go')


def segment_left_out(case: Case) -> None:
    (case.outputs("good") / "lesson.json").write_text(
        '{"skipped": [{"from_second": 0, "to_second": 5, "reason": "crop_faces failed"}]}'
    )


def whole_store_gone(case: Case) -> None:
    shutil.rmtree(case.store)


@pytest.mark.parametrize(
    "spoil",
    [
        *(no_row, not_ended, never_begun, quarantined, refused, reel_denied, no_event, event_of_another_end, no_reel_row),
        *(reel_of_another_version, gif_missing, gif_cut_off, gif_empty, gif_with_too_few_frames, record_missing, record_cut_off),
        *(segment_left_out, whole_store_gone),
    ],
)
def test_what_is_lost_is_found(case: Case, spoil: Callable[[Case], None]) -> None:
    spoil(case)
    verdict = case.verdict()
    assert verdict.lost
    assert not verdict.clean


def test_a_poison_lesson_may_not_pass_for_done(case: Case) -> None:
    case.change_lesson("bad", state="done")
    assert case.verdict().lost == ["bad: ended as done in place of quarantined (None)"]


def test_a_lesson_that_nobody_was_promised_is_not_lost(case: Case) -> None:
    case.change(receipts=[receipt for receipt in case.evidence.receipts if receipt.lesson_id != "good"])
    case.change_lesson("good", state="processing")
    assert not case.verdict().lost


def two_reel_rows(case: Case) -> None:
    case.change(reels=[*case.evidence.reels, ("good", VERSION, 3)])


def reels_of_two_versions(case: Case) -> None:
    case.change(reels=[*case.evidence.reels, ("good", "v0", 3)])


def two_gifs(case: Case) -> None:
    a_gif(case.store / "lessons" / "good" / "v0" / "reel.gif")


def two_rows(case: Case) -> None:
    case.change(lessons=[*case.evidence.lessons, case.evidence.lessons[0]])


def two_event_ids(case: Case) -> None:
    case.change(events=[*case.evidence.events, ("event-other", "good", 1, "done")])


def created_twice(case: Case) -> None:
    case.change(receipts=[*case.evidence.receipts, Receipt("good", created=True)])


def ended_twice(case: Case) -> None:
    case.change_lesson("good", round=2)


@pytest.mark.parametrize(
    "spoil", [two_reel_rows, reels_of_two_versions, two_gifs, two_rows, two_event_ids, created_twice, ended_twice]
)
def test_what_was_done_twice_is_found(case: Case, spoil: Callable[[Case], None]) -> None:
    spoil(case)
    assert case.verdict().double


def test_the_same_event_told_again_is_not_double(case: Case) -> None:
    case.change(events=[*case.evidence.events, case.evidence.events[0]])
    assert not case.verdict().double


@pytest.mark.parametrize(
    "name",
    [
        "~tmp/0123abcd",
        "work/good/v1/plan.json",
        "work/nobody/v1/plan.json",
        "lessons/good/v0/seconds.csv",
        "lessons/good/v1/reel.gif.part",
        "lessons/short/v1/poster.jpg",
        "lessons/bad/v1/lesson.json",
        "lessons/nobody/v1/lesson.json",
        "stray",
    ],
)
def test_a_file_that_no_row_owns_is_found(case: Case, name: str) -> None:
    path = case.store / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    assert case.verdict().orphans == [name]


def test_a_key_that_nobody_owns_is_found(case: Case) -> None:
    case.change(keys=["celery-task-meta-1"])
    assert case.verdict().orphans == ["key celery-task-meta-1"]
