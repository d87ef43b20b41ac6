"""A rolling upgrade and its rollback: old workers run and start beside new ones on the next release's tables, or say why they do not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import text

from shared import schema
from shared.catalogue import CPU_QUEUE, GPU_QUEUE
from shared.client import enqueue_lesson
from shared.database import Database, open_database
from shared.errors import SchemaMissing
from shared.ledger import Ledger, LessonState, open_ledger
from shared.records import Disconnect, FrameFaces, Outcome, Readings, SegmentFaces, ShoulderRange, Skipped
from shared.reel import NoReelReason, Reel
from shared.settings import Settings
from tests.builders import STARTS_AT, a_frame, a_plan, a_reading, lesson_document
from tests.ledgers import events_of, reels_of
from tests.media import write_video
from tests.processes import wait_until
from tests.services.postgres import fresh_database
from tests.services.valkey import Valkey
from tests.services.workers import a_worker
from tests.unit.commands.conftest import Smilereel, bare_url, environment, smilereel
from tests.unit.shared.conftest import bare_server_url, postgres_server

__all__ = ["bare_server_url", "bare_url", "environment", "fresh_database", "postgres_server", "smilereel"]

MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("lesson", sa.Column("shelf", sa.String(16), nullable=False, server_default="old"))
    op.create_table("shelf", sa.Column("name", sa.String(16), primary_key=True))
    releases = sa.table("schema_release", sa.column("version"), sa.column("works_with"))
    op.bulk_insert(releases, [{"version": "0005", "works_with": "WORKS_WITH"}])
"""
GAP = Disconnect(from_=STARTS_AT, to=STARTS_AT)
SKIPPED = Skipped(side="student", recording=0, reason="r")
FAST: dict[str, Any] = {"MODELS": "stand_in", "SEGMENT_SECONDS": 6, "RECONCILE_SECONDS": 0.2, "LEASE_SECONDS": 3}


@contextmanager
def next_release(folder: Path, works_with: str) -> Iterator[None]:
    """Inside, this process is the release after this one, with one migration more."""
    migrations = folder / "migrations"
    shutil.copytree(schema.MIGRATIONS, migrations, ignore=shutil.ignore_patterns("__pycache__"))
    (migrations / "versions" / "r0005_next.py").write_text(MIGRATION.replace("WORKS_WITH", works_with))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", migrations)
        patch.setattr(schema, "SCHEMA_HEAD", "0005")
        yield


def migrated(url: str, folder: Path, *, works_with: str) -> Database:
    """The database after the next release's `smilereel migrate`."""
    database = open_database(url)
    schema.ensure_schema(database)
    with next_release(folder, works_with):
        assert schema.upgrade(database) == "0004"
    return database


def test_this_release_works_with_tables_that_say_so(
    bare_url: str, tmp_path: Path, smilereel: Smilereel, caplog: pytest.LogCaptureFixture
) -> None:
    database = migrated(bare_url, tmp_path, works_with="0004")
    schema.check(database)
    assert "of version 0005, newer than this release's 0004, which can work with them" in caplog.text
    schema.ensure_schema(database)
    assert schema.upgrade(database) == "0005"
    database.close()
    assert smilereel("migrate", at=bare_url).out == "The ledger's tables are up to date, of version 0005.\n"
    assert smilereel("migrate", "--check", at=bare_url).code == 0
    ledger = open_ledger(bare_url)
    ledger.prepare()
    assert ledger.count() == {}
    ledger.close()


def with_more(value: Any, key: str = "") -> Any:
    """The same as a later release might write it, with a key more in every object that is one of ours."""
    if isinstance(value, list):
        return [with_more(each) for each in value]
    if not isinstance(value, dict):
        return value
    more = {name: with_more(each, name) for name, each in value.items()}
    return more if key == "disconnects" else {**more, "added_later": {"a": 1}}


@pytest.mark.parametrize(
    "record",
    [
        a_plan().model_copy(update={"disconnects": {"student": [GAP], "teacher": []}, "skipped": [SKIPPED]}),
        SegmentFaces(frames=[FrameFaces(frame=a_frame(1), boxes=[], scores=[], p_parent_shoulder=0)], shoulder_threshold=0.5),
        Readings(frames=[a_reading(1)], skipped=[], shoulder_ranges=[ShoulderRange(start_second=0, end_second=1)]),
        Outcome(moments=[], reason=NoReelReason.TOO_SHORT),
        Reel(frames=9, width=320, height=320, bytes=3),
    ],
    ids=lambda record: type(record).__name__,
)
def test_what_a_newer_worker_left_in_the_store_is_read(record: BaseModel) -> None:
    later = with_more(record.model_dump(mode="json", by_alias=True))
    assert type(record).model_validate(later) == record


@pytest.mark.parametrize("said", ["0005", None])
def test_tables_that_do_not_say_so_are_refused(bare_url: str, tmp_path: Path, smilereel: Smilereel, said: str | None) -> None:
    database = migrated(bare_url, tmp_path, works_with=said or "0004")
    if said is None:
        with database.engine.begin() as connection:
            connection.execute(text("DELETE FROM schema_release WHERE version = '0005'"))
    for refuse in (schema.check, schema.ensure_schema, schema.upgrade):
        with pytest.raises(SchemaMissing):
            refuse(database)
    database.close()
    for command in (["migrate"], ["lessons"], ["restored"]):
        smilereel(*command, at=bare_url).complains(
            1, "The ledger's tables are of version 0005, newer than this release knows (0004); install a newer smilereel"
        )


@pytest.mark.redis
@pytest.mark.slow
@pytest.mark.postgresql
def test_a_worker_that_cannot_work_with_the_tables_says_so_and_does_not_start(bare_server_url: str, tmp_path: Path) -> None:
    migrated(bare_server_url, tmp_path, works_with="0005").close()
    with (
        Valkey() as valkey,
        a_worker("workers.cpu.tasks", CPU_QUEUE, valkey.url, tmp_path, DATABASE_URL=bare_server_url) as worker,
    ):
        assert worker.wait(60) == 1
    said = (tmp_path / "cpu.log").read_text().strip()
    assert said.splitlines()[-1] == (
        "smilereel: The ledger's tables are of version 0005, newer than this release knows (0004); install a newer smilereel."
    )
    assert "Traceback" not in said


@pytest.mark.redis
@pytest.mark.slow
@pytest.mark.postgresql
def test_old_and_new_workers_side_by_side_and_back_again(bare_server_url: str, tmp_path: Path) -> None:
    write_video(tmp_path / "student.mp4", seconds=12)
    with Valkey() as valkey:
        settings = Settings(redis_url=valkey.url, database_url=bare_server_url, store_url=f"file://{tmp_path}/store")
        common: dict[str, Any] = {**FAST, "DATABASE_URL": bare_server_url}
        ledger = open_ledger(bare_server_url)
        ledger.create_schema()

        def cpu_worker(release: str, *modules: str) -> Any:
            (tmp_path / release).mkdir(exist_ok=True)
            places: dict[str, Any] = {"STORE_URL": settings.store_url, "MEDIA_ROOT": tmp_path}
            return a_worker(
                ",".join([*modules, "workers.cpu.tasks"]), CPU_QUEUE, valkey.url, tmp_path / release, **common, **places
            )

        with a_worker("workers.gpu.tasks", GPU_QUEUE, valkey.url, tmp_path, **common):
            with cpu_worker("old"):
                ends(ledger, settings, "before")
                migrated(bare_server_url, tmp_path, works_with="0004").close()
                ends(ledger, settings, "running-on")
            with cpu_worker("old-again"), cpu_worker("next", "tests.services.next_release"):
                ends(ledger, settings, *(f"beside-{number}" for number in range(4)))
                assert "newer than this release's 0004" in (tmp_path / "old-again" / "cpu.log").read_text()
                for release in ("old-again", "next"):
                    log = (tmp_path / release / "cpu.log").read_text()
                    assert wait_until(lambda log=log: "ready" in log, 30)  # type: ignore[misc]
            with cpu_worker("rolled-back"):
                ends(ledger, settings, "rolled-back")
        ledger.close()


def ends(ledger: Ledger, settings: Settings, *lesson_ids: str) -> None:
    """These lessons are handed in, and each ends once with one reel."""
    for lesson_id in lesson_ids:
        enqueue_lesson(lesson_document(lesson_id=lesson_id, teacher=[]), settings=settings)
    assert wait_until(lambda: all(ledger.require(lesson_id).state.final for lesson_id in lesson_ids), 90)
    for lesson_id in lesson_ids:
        assert ledger.require(lesson_id).state is LessonState.DONE
        assert events_of(ledger, lesson_id) == [(1, "done")]
        assert len(reels_of(ledger, lesson_id)) == 1
