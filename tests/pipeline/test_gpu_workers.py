"""GPU workers join, leave, are drained, die and fail in the middle of real work; no lesson is lost by it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.client import enqueue_lesson
from shared.ledger import Ledger, open_ledger
from shared.settings import Settings, load_settings
from tests.builders import lesson_document
from tests.media import write_video
from tests.processes import wait_until
from tests.services.failing_card import BROKEN
from tests.services.valkey import Valkey
from tests.services.workers import a_worker
from workers.__main__ import main
from workers.chaos.parts import command_line
from workers.local.guardian import descendants
from workers.roster import Roster, WorkerEntry

pytestmark = [pytest.mark.redis, pytest.mark.slow]

WISHES = {
    "MODELS": "stand_in",
    "STAND_IN_FRAME_SECONDS": 0.05,
    "SEGMENT_SECONDS": 6,
    "LEASE_SECONDS": 3,
    "RECONCILE_SECONDS": 0.2,
    "DECODE_THREADS": 1,
    "REEL_SIDE": 64,
    "REEL_FRAMES": 3,
}
GPU = "workers.gpu.tasks"
SENTENCE = "The graphics card has failed (CUDA error: an illegal memory access was encountered); look at the card"
# Six lessons of twelve frames keep one worker busy for so long that all of this happens meanwhile.
SLOW = {"STAND_IN_FRAME_SECONDS": 0.12}


@dataclass
class House:
    """Valkey, a ledger, a CPU worker, and whatever a test starts beside them."""

    valkey: Valkey
    folder: Path
    ledger: Ledger
    stack: ExitStack

    def hand_in(self, *names: str) -> None:
        settings = Settings(redis_url=self.valkey.url, database_url=f"sqlite:///{self.folder}/ledger.sqlite3")
        for name in names:
            enqueue_lesson(lesson_document(lesson_id=name, teacher=[], subject="anyone"), settings=settings)

    def start(self, module: str, room: str, name: str, **wishes: object):  # type: ignore[no-untyped-def]
        return self.stack.enter_context(a_worker(module, room, self.valkey.url, self.folder, name=name, **{**WISHES, **wishes}))

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def workers(self) -> dict[str, WorkerEntry]:
        with self.valkey.client() as client:
            return {entry.node.split("@")[0]: entry for entry in Roster(client).workers()}

    def states(self) -> set[str]:
        return {str(record.state) for record in self.ledger.find()}


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    write_video(tmp_path / "student.mp4", seconds=12)
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite3")
    ledger.create_schema()
    with Valkey() as valkey, ExitStack() as stack:
        monkeypatch.setenv("SMILEREEL_REDIS_URL", valkey.url)
        load_settings.cache_clear()
        yield House(valkey, tmp_path, ledger, stack)
    load_settings.cache_clear()
    ledger.close()


def test_one_joins_one_is_drained_one_is_killed(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    house.start("workers.cpu.tasks", "cpu", "cpu")
    first = house.start(GPU, "gpu", "first", **SLOW)
    names = [f"lesson-{n}" for n in range(6)]
    house.hand_in(*names)
    assert wait_until(lambda: bool(house.workers().get("first", WorkerEntry("", "", "")).doing), 60), house.log("first")
    second = house.start(GPU, "gpu", "second", **SLOW)
    assert wait_until(lambda: "second" in house.workers(), 60), house.log("second")
    node = house.workers()["first"].node
    assert smilereel("worker", "drain", node, "--wait", "30") == 0, house.log("first")
    assert f"{node}: takes nothing more" in capsys.readouterr().out
    assert first.wait(10) == 0
    assert "first" not in house.workers()
    assert "processing" in house.states(), "the rest is left to the second"
    assert wait_until(lambda: bool(house.workers()["second"].doing), 30)
    os.killpg(second.pid, signal.SIGKILL)
    third = house.start(GPU, "gpu", "third")
    assert wait_until(lambda: "third" in house.workers(), 60), house.log("third")
    assert wait_until(lambda: house.states() == {"done"}, 120), (house.log("cpu")[-3000:], house.log("third")[-2000:])
    assert third.poll() is None
    assert len(house.ledger.find()) == len(names)
    for name in names:
        stages = house.ledger.runs.progress(name, house.ledger.require(name).work_version or "")
        assert not any(stage.skipped for stage in stages.values())


def smilereel(*words: str) -> int:
    return main(list(words))


def test_drained_to_stay_it_takes_nothing_until_it_is_resumed(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    alive = house.folder / "alive"
    house.start("workers.cpu.tasks", "cpu", "cpu")
    gpu = house.start(GPU, "gpu", "gpu", ALIVE_FILE=alive)
    assert wait_until(lambda: house.workers().keys() == {"cpu", "gpu"}, 60)
    assert smilereel("worker", "drain", "--all", "--room", "gpu", "--stay", "--wait", "20") == 0
    house.hand_in("lesson-1")
    assert wait_until(lambda: waiting(house) == 2, 30), "both segments wait for a GPU worker"
    time.sleep(1.0)
    assert waiting(house) == 2
    assert house.workers()["gpu"].draining
    capsys.readouterr()
    assert smilereel("worker", "list", "--json") == 0
    told = {entry["room"]: entry for entry in map(json.loads, capsys.readouterr().out.splitlines())}
    assert (told["gpu"]["draining"], told["cpu"]["draining"]) == (True, False)
    assert (told["gpu"]["device"], told["gpu"]["weights"]) == ("cpu", "stand_in")
    assert told["gpu"]["warm_seconds"] >= 0.05, "it has looked at a frame"
    assert smilereel("worker", "list") == 0
    assert "drained" in capsys.readouterr().out
    # Without Redis it falls silent; with it it is back, without a start, and still drained.
    house.valkey.kill()
    time.sleep(1.0)
    before = alive.stat().st_mtime
    time.sleep(3.0)
    assert alive.stat().st_mtime == before
    house.valkey.start()
    assert wait_until(lambda: alive.stat().st_mtime > before and "gpu" in house.workers(), 30), house.log("gpu")[-3000:]
    assert wait_until(lambda: waiting(house) == 2, 30), "the messages were lost, and sent again"
    assert house.workers()["gpu"].draining
    assert smilereel("worker", "resume", house.workers()["gpu"].node) == 0
    assert wait_until(lambda: house.states() == {"done"}, 60), house.log("gpu")[-3000:]
    assert gpu.poll() is None


def waiting(house: House) -> int:
    with house.valkey.client() as client:
        return int(client.llen("gpu"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("drain", "gpu@nowhere"), "No worker 'gpu@nowhere' was heard of within the last minute"),
        (("drain",), "Name workers as `smilereel worker list` shows them"),
        (("drain", "gpu@nowhere", "--all"), "Name workers as"),
        (("resume", "--room", "gpu"), "Name workers as"),
    ],
)
def test_workers_that_are_not_there(house: House, words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert smilereel("worker", *words) == 2
    assert says in capsys.readouterr().err
    assert smilereel("worker", "list") == 0
    house.valkey.kill()
    assert smilereel("worker", "list") == 1
    assert "Redis cannot be used (ConnectionError)" in capsys.readouterr().err


def test_a_card_that_fails_leaves_by_itself_and_its_segment_is_done_elsewhere(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = house.folder / "broken"
    monkeypatch.setenv(BROKEN, str(broken))
    house.start("workers.cpu.tasks", "cpu", "cpu")
    ill = house.start("tests.services.failing_card", "gpu", "ill")
    idle = house.start("tests.services.failing_card", "gpu", "idle")
    assert wait_until(lambda: {"ill", "idle"} <= house.workers().keys(), 60), house.log("ill")
    assert smilereel("worker", "drain", house.workers()["idle"].node, "--stay", "--wait", "20") == 0
    broken.touch()
    house.hand_in("lesson-1")
    # Where a child dies, for whatever reason, another one has to warm up in its place.
    for child in descendants(idle.pid):
        if "semaphore_tracker" not in command_line(child):
            os.kill(child, signal.SIGKILL)
    # Started again it does not get past its warm-up.
    again = house.start("tests.services.failing_card", "gpu", "again")
    assert [worker.wait(60) for worker in (ill, idle, again)] == [1, 1, 1]
    for name in ("ill", "idle", "again"):
        assert house.log(name).count(SENTENCE) == house.log(name).count("CRITICAL") == 1
    assert " ready." not in house.log("again")
    assert house.workers().keys() == {"cpu"}
    assert house.states() == {"processing"}
    assert waiting(house) == 2, "nothing was taken along"
    stages = house.ledger.runs.progress("lesson-1", house.ledger.require("lesson-1").work_version or "")
    assert stages["detect_faces"].attempts == 0, "no attempt was counted"
    house.start(GPU, "gpu", "sound")
    assert wait_until(lambda: house.states() == {"done"}, 60), house.log("sound")[-3000:]
    assert house.ledger.require("lesson-1").attempts == 0
