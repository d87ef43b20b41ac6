"""New weights are released beside the old ones and rolled back, with real workers of both: no lesson is looked at with two."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from celery import Task

from shared.client import enqueue_lesson, find_reel
from shared.ledger import Ledger, LessonState, open_ledger
from shared.sender import send_lesson
from shared.settings import Settings
from shared.store import FolderStore
from tests.builders import lesson_document
from tests.ledgers import events_of, reels_of
from tests.media import write_video
from tests.processes import wait_until
from tests.services.valkey import Valkey
from tests.services.workers import a_worker
from workers import weights_names
from workers.weights_names import RELEASED, wanted_weights, weights_of, with_weights

OLD, NEW = "old.1", "new.2"
FAST: dict[str, Any] = {
    "MODELS": "stand_in",
    "SEGMENT_SECONDS": 6,
    "RECONCILE_SECONDS": 0.2,
    "LEASE_SECONDS": 3,
    "SWEEP_SECONDS": 1,
}


def test_the_release_names_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wanted_weights(Settings()) == RELEASED, "new weights: put their version into workers/weights_names.py"
    monkeypatch.setattr(weights_names, "MANIFEST", Path("/nowhere"))
    assert wanted_weights(Settings()) == RELEASED, "as in the image of the CPU room"
    assert wanted_weights(Settings(weights=NEW)) == NEW
    assert wanted_weights(Settings(models="stand_in")) == "stand_in"


@pytest.mark.slow
def test_both_rooms_reckon_the_same_version() -> None:
    from workers.gpu.loading import weights_version

    assert wanted_weights(Settings()) == weights_version()


def test_a_version_of_work_names_its_weights() -> None:
    assert weights_of(with_weights("0123456789abcdef", NEW)) == NEW
    assert weights_of("0123456789abcdef") is None, "of an older release"


@pytest.mark.parametrize(
    "payload",
    [
        {"work_version": "0123456789abcdef", "kind": "frames_decoded"},
        {"work_version": f"0123456789abcdef-{OLD}", "kind": "frames_decoded"},
        {"work_version": f"0123456789abcdef-{NEW}", "kind": "segment_skipped"},
        {"kind": "no message of ours"},
        None,
    ],
    ids=["of an older release", "ours", "skipped", "without a version", "nothing"],
)
def test_what_is_not_left_to_others(payload: object) -> None:
    from workers.gpu.other_weights import leave_others

    leave_others(Task(), payload, OLD)


class House:
    """Valkey, a folder, and workers with chosen weights."""

    def __init__(self, valkey: Valkey, folder: Path) -> None:
        self.valkey, self.folder = valkey, folder
        self.settings = Settings(
            redis_url=valkey.url, database_url=f"sqlite:///{folder}/ledger.sqlite3", store_url=f"file://{folder}/store"
        )
        self.ledger: Ledger = open_ledger(self.settings.database_url)
        self.ledger.create_schema()
        self.store = FolderStore(folder / "store")
        write_video(folder / "student.mp4", seconds=12)

    def worker(self, room: str, weights: str) -> AbstractContextManager[Popen[bytes]]:
        telling = "tests.services.telling_weights," if room == "gpu" else ""
        name = f"{room}-{weights}"
        return a_worker(
            f"{telling}workers.{room}.tasks", room, self.valkey.url, self.folder, name=name, **{**FAST, "WEIGHTS": weights}
        )

    def enqueue(self, *lesson_ids: str) -> None:
        for lesson_id in lesson_ids:
            enqueue_lesson(lesson_document(lesson_id=lesson_id, teacher=[]), settings=self.settings)

    def retry(self, lesson_id: str) -> None:
        """As `smilereel retry`."""
        assert self.ledger.reopen(lesson_id)
        assert send_lesson(self.ledger, lesson_id, self.settings)

    def all_done(self) -> bool:
        return wait_until(lambda: all(record.state is LessonState.DONE for record in self.ledger.find()), 90)

    def weights(self, lesson_id: str) -> str | None:
        return weights_of(self.ledger.require(lesson_id).work_version or "")

    def gif(self, lesson_id: str) -> bytes:
        return self.store.get(f"lessons/{lesson_id}/{self.ledger.require(lesson_id).work_version}/reel.gif")

    def address(self, lesson_id: str) -> str:
        found = find_reel(lesson_id, settings=self.settings)
        assert found is not None
        return found.address

    def waits(self, lesson_id: str) -> None:
        """Its planner wants weights that no GPU worker has: it says so, and this costs it no attempt."""

        def reason() -> str:
            return self.ledger.require(lesson_id).reason or ""

        assert wait_until(lambda: "weights" in reason(), 60)
        assert reason() == (
            f"waits: no GPU worker has the weights {NEW}; start one, or set SMILEREEL_WEIGHTS of the CPU workers to another"
        )
        assert self.ledger.require(lesson_id).attempts <= 1

    def looked_at(self) -> dict[str, set[str]]:
        """By which weights each version of each lesson was looked at."""
        found: dict[str, set[str]] = {}
        for line in (self.folder / "told").read_text().splitlines():
            _task, lesson_id, version, weights = line.split()
            found.setdefault(f"{lesson_id} {version}", set()).add(weights)
        return found


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setenv("TELLING_WEIGHTS", str(tmp_path / "told"))
    with Valkey() as valkey:
        made = House(valkey, tmp_path)
        yield made
        made.ledger.close()


@pytest.mark.redis
@pytest.mark.slow
def test_released_beside_the_old_ones_and_rolled_back(house: House) -> None:
    with ExitStack() as cards:
        cards.enter_context(house.worker("gpu", OLD))
        with house.worker("cpu", OLD):
            house.enqueue("first", "second")
            assert house.all_done(), (house.folder / f"cpu-{OLD}.log").read_text()[-3000:]
            assert {house.weights(lesson_id) for lesson_id in ("first", "second")} == {OLD}
            first_version, first_gif = house.ledger.require("first").work_version, house.gif("first")
            house.enqueue("half")
        house.retry("first")
        with house.worker("cpu", NEW):
            house.waits("first")
            assert str(first_version) in house.address("first"), "the old reel is there until there is a new one"
            cards.enter_context(house.worker("gpu", NEW))
            house.enqueue("third")
            assert house.all_done()
            assert {house.weights(lesson_id) for lesson_id in ("first", "half", "third")} == {NEW}
            assert house.weights("second") == OLD, "nothing is done again by itself"
            assert f"-{NEW}/" in house.address("first")
        house.retry("first")
        with house.worker("cpu", OLD):
            assert house.all_done()
            assert house.ledger.require("first").work_version == first_version
            assert house.gif("first") == first_gif
            assert wait_until(lambda: len({key.split("/")[2] for key in house.store.keys("lessons/first")}) == 1, 20)
    for work, had in house.looked_at().items():
        assert had == {weights_of(work)}, work
    assert events_of(house.ledger, "first") == [(1, "done"), (2, "done"), (3, "done")]
    assert [len(reels_of(house.ledger, lesson_id)) for lesson_id in ("first", "second", "half")] == [1, 1, 1]
    logs = "".join(path.read_text() for path in house.folder.glob("gpu-*.log"))
    assert f"is left to a worker with the weights {NEW}" in logs or f"is left to a worker with the weights {OLD}" in logs
