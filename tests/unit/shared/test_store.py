"""The folder store: whole objects or none, and no way out of its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import SettingsInvalid, StoreError
from shared.store import FolderStore, open_store


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "with a space" / "store")


def test_what_was_put_is_read_listed_and_deleted(store: FolderStore) -> None:
    store.put("work/l-1/v/a.json", b"one")
    store.put("work/l-1/v/a.json", b"two")
    store.put("work/l-1/w/b", b"")
    assert store.get("work/l-1/v/a.json") == b"two"
    assert list(store.keys("work")) == ["work/l-1/v/a.json", "work/l-1/w/b"]
    store.delete("work/l-1/v")
    assert not store.exists("work/l-1/v/a.json")
    assert store.exists("work/l-1/w/b")
    store.delete("work/l-1/v")


def test_a_missing_object_is_a_store_error(store: FolderStore) -> None:
    with pytest.raises(StoreError, match="could not read nothing/here"):
        store.get("nothing/here")


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../up", "a/../../b", "a//b", "a/", "a b", "a\0b", "."])
def test_no_key_leads_out_of_the_folder(store: FolderStore, key: str) -> None:
    with pytest.raises(StoreError, match="no key"):
        store.put(key, b"x")


def test_a_failed_write_leaves_nothing(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("a/b", b"old")

    def full(_path: Path, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError, match="No space left"):
        store.put("a/b", b"new")
    monkeypatch.undo()
    assert store.get("a/b") == b"old"
    assert [path.name for path in (store.root / "a").iterdir()] == ["b"]


def test_urls(tmp_path: Path) -> None:
    opened = open_store(f"file://{tmp_path}/with%20space")
    assert isinstance(opened, FolderStore)
    assert opened.root == tmp_path / "with space"
    for url in ("s3://bucket", "relative/path", "file://host/path"):
        with pytest.raises(SettingsInvalid, match="SMILEREEL_STORE_URL"):
            open_store(url)
