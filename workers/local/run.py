"""The main job on one machine: a lesson in, its outputs in a folder. Called by the commands `run` and `demo`, and by tests."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from sqlalchemy import URL

from shared.client import enqueue_lesson
from shared.duties import RECONCILER
from shared.errors import InputError, OutputRefused, ServiceError, WorkerLost
from shared.ledger import Ledger, LessonRecord, LessonState, open_ledger
from shared.lesson import Lesson
from shared.records import StageProgress
from shared.settings import Settings, load_settings
from shared.store import Store, lesson_output_key, lesson_work_key, output_key, store_of
from workers import interruption

from .runtime import EmbeddedRuntime
from .source import OUTPUT_NAMES, check_inputs

STATE_FOLDER = ".smilereel"
POLL_SECONDS = 0.15


class Watcher(Protocol):
    """Gets to see how far the lesson is."""

    def update(self, record: LessonRecord, progress: dict[str, StageProgress]) -> None:
        """Called several times a second."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """How the lesson ended; the lesson went on without `skipped_segments`."""

    state: LessonState
    reason: str | None
    out: Path
    computed: bool
    skipped_segments: int = 0


def run_lesson(
    lesson: Lesson,
    out: Path,
    *,
    lesson_file: Path | None = None,
    watcher: Watcher | None = None,
    settings: Settings | None = None,
) -> RunResult:
    """Process the lesson with the embedded parts and leave its outputs in `out`.

    Ledger and store lie in `out/.smilereel`; a second run into the same folder goes on where the first stopped.

    Raises:
        InputError: the lesson, its recordings or `out` are at fault; nothing is left half-made.
        ServiceError: a part of ours failed.
    """
    check_inputs(lesson, out, lesson_file)
    with _state_folder(out) as state_folder:
        settings = _embedded(settings or load_settings(), state_folder)
        ledger, store = open_ledger(settings.database_url), store_of(settings)
        try:
            ledger.create_schema()
            ledger.accept(lesson)
            computed = _is_open(ledger, lesson, settings)
            if computed:
                with EmbeddedRuntime(settings, state_folder / "log", state_folder) as runtime:
                    _process(runtime, ledger, lesson, watcher)
            record = ledger.require(lesson.lesson_id)
            stages = ledger.runs.progress(lesson.lesson_id, record.work_version or "")
            if record.state in {LessonState.DONE, LessonState.NO_REEL}:
                # The workers delete it too, but were stopped as soon as the ledger knew the end; so does what older settings left.
                store.delete(lesson_work_key(lesson.lesson_id))
                _sweep_superseded(store, record)
        finally:
            ledger.close()
        _raise_fault(record)
        _copy_outputs(store, record, out)
    skipped = sum(stage.skipped for stage in stages.values())
    return RunResult(record.state, record.reason, out, computed, skipped)


def _embedded(settings: Settings, state_folder: Path) -> Settings:
    database = URL.create("sqlite", database=str(state_folder / "ledger.sqlite3")).render_as_string()
    store = f"file://{quote(str(state_folder / 'store'))}"
    return settings.model_copy(update={"database_url": database, "store_url": store, "media_root": Path("/"), "webhook_url": ""})


@contextmanager
def _state_folder(out: Path) -> Iterator[Path]:
    """`out/.smilereel`, locked for this run; if the input turns out to be at fault, what this run made is taken away again."""
    out = out.absolute()
    made = [folder for folder in (out / STATE_FOLDER, out, *out.parents) if not folder.exists()]
    state_folder = out / STATE_FOLDER
    try:
        (state_folder / "log").mkdir(parents=True, exist_ok=True)
        lock = (state_folder / "lock").open("w")
    except OSError as error:
        raise OutputRefused(f"The output folder {out} cannot be written: {error.strerror}; choose another --out.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OutputRefused(f"Another run is working in {out}; wait for it or choose another --out.") from error
        try:
            yield state_folder
        except InputError:
            _take_away(made)
            raise


def _take_away(made: list[Path]) -> None:
    for folder in made:
        if folder.name == STATE_FOLDER:
            shutil.rmtree(folder, ignore_errors=True)
        elif folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _is_open(ledger: Ledger, lesson: Lesson, settings: Settings) -> bool:
    """Whether there is something to do; a lesson that ended with other files or settings, or in a fault, is opened again."""
    from workers.cpu.measure import version_of
    from workers.cpu.rules import deciding_settings, source_rules

    record = ledger.require(lesson.lesson_id)
    if not record.state.final:
        return True
    version = version_of(lesson, source_rules(settings), deciding_settings(settings))
    if record.state in {LessonState.DONE, LessonState.NO_REEL} and record.work_version == version:
        return False
    return ledger.reopen(lesson.lesson_id)


def _process(runtime: EmbeddedRuntime, ledger: Ledger, lesson: Lesson, watcher: Watcher | None) -> None:
    # An earlier run that was stopped here neither works on it any more nor counts; its Valkey is gone.
    ledger.start_afresh(lesson.lesson_id)
    ledger.duties.drop(RECONCILER)
    if not enqueue_lesson(lesson, settings=runtime.settings).sent:
        raise ServiceError(f"Lesson {lesson.lesson_id} could not be sent to the embedded Valkey; start the command again.")
    while True:
        interruption.check()
        record = ledger.require(lesson.lesson_id)
        if watcher is not None:
            watcher.update(record, ledger.runs.progress(lesson.lesson_id, record.work_version or ""))
        if record.state.final:
            return
        runtime.check()
        time.sleep(POLL_SECONDS)


def _sweep_superseded(store: Store, record: LessonRecord) -> None:
    """Outputs of other settings or files; they may hold smile scores that the present settings do not allow."""
    current = output_key(record.lesson_id, record.work_version or "", "")
    for key in list(store.keys(lesson_output_key(record.lesson_id))):
        if not key.startswith(current):
            store.delete(key)


def _raise_fault(record: LessonRecord) -> None:
    reason = record.reason or f"Lesson {record.lesson_id} ended as {record.state}."
    if record.state is LessonState.REFUSED:
        raise InputError(reason)
    if record.state is LessonState.QUARANTINED:
        raise ServiceError(reason)
    if not record.state.final:
        raise WorkerLost(f"Lesson {record.lesson_id} was left unfinished; start the command again.")


def _copy_outputs(store: Store, record: LessonRecord, out: Path) -> None:
    """Whole files or none; what an earlier run left and this one has not is removed."""
    try:
        for name in OUTPUT_NAMES:
            key = output_key(record.lesson_id, record.work_version or "", name)
            target = out / name
            if not store.exists(key):
                target.unlink(missing_ok=True)
                continue
            temporary = out / f".{name}.{os.getpid()}.tmp"
            temporary.write_bytes(store.get(key))
            temporary.replace(target)
    except OSError as error:
        raise OutputRefused(f"The outputs cannot be written to {out}: {error.strerror}; choose another --out.") from error
