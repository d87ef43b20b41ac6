"""The folder store alone: what is half-written stays hidden and is swept, what is done lasts, links lead nowhere."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from shared.errors import ObjectMissing, StoreError
from shared.store import FolderStore


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "with a space" / "store")


@contextmanager
def files_no_larger_than(n_bytes: int) -> Iterator[None]:
    """Lets the kernel refuse larger files, as it does on a full disk or above a quota."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def everything_in(store: FolderStore) -> set[str]:
    return {path.relative_to(store.root).as_posix() for path in store.root.rglob("*") if not path.is_dir()}


def test_a_failed_write_leaves_the_old_object_and_nothing_else(store: FolderStore) -> None:
    store.put("a/b", b"old")
    with (
        files_no_larger_than(100_000),
        pytest.raises(StoreError, match="could not write a/b: File too large; check its disk") as raised,
    ):
        store.put("a/b", b"x" * 300_000)
    assert not isinstance(raised.value, ObjectMissing)
    assert store.get("a/b") == b"old"
    assert everything_in(store) == {"a/b"}


def test_a_full_disk_noticed_when_data_is_made_to_last(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        store.put("a/b", b"new")
    assert everything_in(store) == set()


def test_data_lasts_before_its_name_and_outputs_names_last_as_well(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    lasting: list[str] = []
    visible: list[bool] = []

    def note(handle: int) -> None:
        lasting.append(Path(f"/proc/self/fd/{handle}").readlink().relative_to(store.root).as_posix())
        visible.append((store.root / "lessons/l/v/reel.gif").exists())

    monkeypatch.setattr(os, "fsync", note)
    store.put("work/l/v/a", b"x")
    assert [name.startswith("~tmp/") for name in lasting] == [True]
    lasting.clear()
    visible.clear()
    store.put("lessons/l/v/reel.gif", b"x")
    assert lasting[0].startswith("~tmp/")
    assert lasting[1:] == ["lessons/l/v", "lessons/l", "lessons", "."]
    assert visible == [False, True, True, True, True]


def test_what_dead_writers_left_is_hidden_and_swept_when_old_enough(store: FolderStore) -> None:
    store.put("work/a", b"1234")
    folder = store.root / "~tmp"
    (folder / "half").write_bytes(b"12")
    (folder / "removing" / "deep").mkdir(parents=True)
    (folder / "removing" / "deep" / "x").write_bytes(b"123")
    an_hour_ago = time.time() - 3600
    for path in (folder / "half", folder / "removing"):
        os.utime(path, (an_hour_ago, an_hour_ago))
    (folder / "being-written").write_bytes(b"1")
    assert list(store.keys("")) == ["work/a"]
    assert store.bytes_used("") == 10, "it takes space all the same"
    assert store.bytes_used("work") == 4
    assert store.sweep_temporaries(7200) == 0
    assert store.sweep_temporaries(1800) == 2
    assert everything_in(store) == {"work/a", "~tmp/being-written"}
    assert store.sweep_temporaries(0) == 1
    assert store.sweep_temporaries(0) == 0


def test_a_write_ends_in_an_error_if_its_temporary_is_swept_under_it(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _handle: store.sweep_temporaries(-60))
    with pytest.raises(StoreError, match="could not write a/b") as raised:
        store.put("a/b", b"x")
    assert not isinstance(raised.value, ObjectMissing), "a write that failed may be tried again"
    assert not store.exists("a/b")


def test_no_empty_folder_keeps_a_lessons_name(store: FolderStore) -> None:
    store.put("work/l-1/v/segment-0000/frames", b"x")
    store.put("work/l-2/v/a", b"x")
    store.delete("work/l-1/v")
    assert [path.name for path in (store.root / "work").iterdir()] == ["l-2"]
    store.delete("work/l-2/v/a")
    assert [path.name for path in store.root.iterdir()] == ["~tmp"]


def test_no_link_leads_out_of_the_store_or_about_in_it(store: FolderStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    store.put("inside/a", b"x")
    (store.root / "folder").symlink_to(outside)
    (store.root / "file").symlink_to(outside / "secret")
    (store.root / "loop").symlink_to(store.root / "loop")
    (store.root / "inside" / "round").symlink_to(store.root / "inside")
    for key in ("folder/secret", "file", "loop", "loop/a", "inside/round/a"):
        for use in (partial(store.put, key, b"x"), partial(store.get, key), partial(store.exists, key)):
            with pytest.raises(StoreError, match="symbolic link") as raised:
                use()
            assert not isinstance(raised.value, ObjectMissing)
    with pytest.raises(StoreError, match="symbolic link"):
        store.delete("folder/secret")
    for look in (store.keys, store.bytes_used):
        with pytest.raises(StoreError, match="symbolic link"):
            look("folder")
    assert list(store.keys("")) == ["inside/a"]
    assert store.bytes_used("") == 1
    for link in ("folder", "file", "loop", "inside"):
        store.delete(link)
    assert [path.name for path in store.root.iterdir()] == ["~tmp"]
    assert (outside / "secret").read_bytes() == b"secret"


def test_the_folder_itself_may_be_reached_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    store = FolderStore(tmp_path / "link" / "store")
    store.put("lessons/a", b"x")
    assert (store.get("lessons/a"), list(store.keys("lessons"))) == (b"x", ["lessons/a"])


def test_an_object_is_no_folder_and_a_folder_no_object(store: FolderStore) -> None:
    store.put("a/b", b"x")
    for key in ("a/b/c", "a"):
        with pytest.raises(StoreError, match=f"could not write {key}: "):
            store.put(key, b"x")
    store.delete("a/b/c")
    assert everything_in(store) == {"a/b"}


def test_a_store_that_cannot_be_used_is_not_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = FolderStore(tmp_path / "file" / "store")
    with pytest.raises(StoreError, match="could not write a"):
        store.put("a", b"x")
    for name in ("read", "look for", "list", "measure", "sweep", "delete"):
        broken = FolderStore(tmp_path / ("x" * 300))
        uses = {
            "read": broken.get,
            "look for": broken.exists,
            "list": broken.keys,
            "measure": broken.bytes_used,
            "delete": broken.delete,
        }
        with pytest.raises(StoreError, match=f"could not {name} .*File name too long") as raised:
            broken.sweep_temporaries(0) if name == "sweep" else uses[name]("a")
        assert not isinstance(raised.value, ObjectMissing)


def test_a_root_that_is_no_folder_is_a_store_that_is_away(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    assert not store.exists("work/a"), "not yet written to"
    (tmp_path / "store").write_bytes(b"a file in the folder's place")
    for ask in (lambda: store.get("work/a"), lambda: store.exists("work/a"), lambda: store.put("work/a", b"x")):
        with pytest.raises(StoreError) as refused:
            ask()
        assert not isinstance(refused.value, ObjectMissing), "it passes by itself, so it costs no attempt"
