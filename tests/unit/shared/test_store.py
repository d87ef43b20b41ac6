"""What a store promises, on both kinds: a folder, and a bucket of a real S3 service."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from shared.errors import ObjectMissing, SettingsInvalid, StoreError
from shared.settings import Settings
from shared.store import FolderStore, S3Access, Store, open_store, store_of
from shared.stores.rules import is_key
from tests.services.s3 import S3Server, s3_server

NO_KEYS = [
    "",
    "/etc/passwd",
    "../up",
    "a/../../b",
    "a//b",
    "a/",
    "a b",
    "a\0b",
    ".",
    "a/.",
    "a\n",
    "a~",
    "é",
    "a" * 256,
    "a/" * 400,
]

NewStore = Callable[[], Store]
any_store = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.s3)])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> NewStore:
    """Opens empty stores of one kind."""
    if request.param == "folder":
        return lambda: open_store(f"file://{tmp_path}/with%20space/{uuid4().hex}")
    server: S3Server = request.getfixturevalue("server")
    return lambda: open_store(f"s3://{server.bucket}/tests/{uuid4().hex}", s3=server.access)


@pytest.fixture
def store(new_store: NewStore) -> Store:
    return new_store()


def test_what_was_put_is_read_listed_and_deleted(store: Store) -> None:
    store.put("work/l-1/v/a.json", b"one")
    store.put("work/l-1/v/a.json", b"two")
    store.put("work/l-1/w/b", b"")
    store.put("lessons/l-1/v/@x=1+2:3", bytes(9_000_000))
    assert store.get("work/l-1/v/a.json") == b"two"
    assert store.get("lessons/l-1/v/@x=1+2:3") == bytes(9_000_000)
    assert list(store.keys("work")) == ["work/l-1/v/a.json", "work/l-1/w/b"]
    assert list(store.keys("")) == ["lessons/l-1/v/@x=1+2:3", "work/l-1/v/a.json", "work/l-1/w/b"]
    store.delete("work/l-1/v")
    assert not store.exists("work/l-1/v/a.json")
    assert store.exists("work/l-1/w/b")
    store.delete("work/l-1/v")


def test_what_is_not_there_is_told_apart_from_a_store_that_fails(store: Store) -> None:
    assert not store.exists("a/b")
    assert (list(store.keys("a")), store.bytes_used("a"), store.bytes_used("")) == ([], 0, 0)
    store.put("a/b", b"x")
    for key in ("nothing/here", "a", "a/b/c", "a/c"):
        assert not store.exists(key)
        with pytest.raises(ObjectMissing, match=rf"^The store could not read {key}: no such object; [a-z ]+\.$"):
            store.get(key)


def test_a_prefix_ends_where_a_part_of_the_key_ends(store: Store) -> None:
    for key in ("work/a/1", "work/ab/1", "work/a-b/1", "work/a.b", "work/c"):
        store.put(key, b"12")
    assert list(store.keys("work/a")) == ["work/a/1"]
    assert list(store.keys("work")) == ["work/a-b/1", "work/a.b", "work/a/1", "work/ab/1", "work/c"]
    assert list(store.keys("work/c")) == [], "an object does not lie below itself"
    assert (store.bytes_used("work/a"), store.bytes_used("work/c"), store.bytes_used("work")) == (2, 0, 10)
    store.delete("work/a")
    store.delete("work/c")
    assert list(store.keys("")) == ["work/a-b/1", "work/a.b", "work/ab/1"]


@pytest.mark.parametrize("key", NO_KEYS)
def test_no_key_leads_out_of_the_store(store: Store, key: str) -> None:
    for use in (lambda: store.put(key, b"x"), lambda: store.get(key), lambda: store.exists(key), lambda: store.delete(key)):
        with pytest.raises(StoreError, match="no key of the store"):
            use()
    if key:
        for look in (store.keys, store.bytes_used):
            with pytest.raises(StoreError, match="no key of the store"):
                look(key)


@any_store
@given(key=st.one_of(st.text(), st.from_regex(r"[A-Za-z0-9._:@=+/~%\-]{1,12}", fullmatch=True)), data=st.binary(max_size=64))
def test_any_text_is_a_key_that_works_or_is_refused(new_store: NewStore, key: str, data: bytes) -> None:
    store = new_store()
    if is_key(key):
        store.put(key, data)
        assert (store.get(key), list(store.keys(""))) == (data, [key])
    else:
        with pytest.raises(StoreError, match="no key of the store"):
            store.put(key, data)
        assert list(store.keys("")) == []


parts = st.sampled_from(["a", "b", "ab", "a.b"])
objects = st.tuples(parts, parts, parts).map("/".join)
prefixes = st.lists(parts, min_size=1, max_size=3).map("/".join)
steps = st.one_of(
    st.tuples(st.just("put"), objects, st.binary(max_size=20)), st.tuples(st.just("delete"), prefixes, st.just(b""))
)


@any_store
@given(history=st.lists(steps, max_size=12), prefix=prefixes)
def test_a_store_holds_what_a_dictionary_would(new_store: NewStore, history: list[tuple[str, str, bytes]], prefix: str) -> None:
    store, model = new_store(), dict[str, bytes]()
    for step, key, data in history:
        if step == "put":
            store.put(key, data)
            model[key] = data
        else:
            store.delete(key)
            model = {name: held for name, held in model.items() if name != key and not name.startswith(f"{key}/")}
    below = sorted(key for key in model if key.startswith(f"{prefix}/"))
    assert list(store.keys(prefix)) == below
    assert store.bytes_used(prefix) == sum(len(model[key]) for key in below)
    assert {key: store.get(key) for key in store.keys("")} == model


def test_readers_see_whole_objects_while_they_are_replaced(store: Store) -> None:
    store.put("work/a", b"0" * 200_000)
    ended = threading.Event()

    def write(letter: bytes) -> None:
        while not ended.is_set():
            store.put("work/a", letter * 200_000)

    with ThreadPoolExecutor(2) as writers:
        writing = [writers.submit(write, letter) for letter in (b"1", b"2")]
        try:
            seen = [store.get("work/a") for _ in range(60)]
        finally:
            ended.set()
    for each in writing:
        each.result()
    assert {(len(data), len(set(data))) for data in seen} == {(200_000, 1)}


def test_a_prefix_is_deleted_and_listed_while_others_write_and_delete_there(store: Store) -> None:
    def write(name: str) -> None:
        for _ in range(60):
            store.put(f"work/l-1/{name}/{uuid4().hex}/x", b"x")

    def delete() -> None:
        for _ in range(30):
            store.delete("work/l-1")
            assert store.bytes_used("work") >= 0
            assert all(is_key(key) for key in store.keys("work"))

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(write, "a"), pool.submit(delete), pool.submit(write, "b"), pool.submit(delete)]
    for each in running:
        each.result()
    store.delete("work/l-1")
    assert list(store.keys("")) == []
    assert store.bytes_used("") == 0


def test_nothing_is_swept_where_nobody_died(store: Store) -> None:
    assert store.sweep_temporaries(0) == 0
    store.put("lessons/a", b"x")
    assert store.sweep_temporaries(0) == 0
    assert store.get("lessons/a") == b"x"


@pytest.mark.parametrize(
    "url",
    [
        "relative/path",
        "file://host/path",
        "file:relative",
        "file:///a%00b",
        "s3://",
        "s3://b",
        "s3://UPPER/x",
        "s3://name:hidden@bucket/x",
        "s3://bucket:80/x",
        "s3://bucket/a/../b",
        "s3://bucket/a//b",
        "s3://bucket/a?versions",
        "s3://bucket/a#b",
        "s3://[",
        "http://bucket",
        "",
        "s3://bucket/" + "a" * 201,
    ],
)
def test_a_url_that_names_no_store_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"^SMILEREEL_STORE_URL must look like file:///folder or s3://bucket/prefix\.$"):
        open_store(url)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"endpoint": "http://127.0.0.1:1"}, "SMILEREEL_S3_ALLOW_HTTP"),
        ({"endpoint": "https://name:hidden@host"}, "SMILEREEL_S3_ENDPOINT"),
        ({"endpoint": "host:9000"}, "SMILEREEL_S3_ENDPOINT"),
        ({"endpoint": "https://"}, "SMILEREEL_S3_ENDPOINT"),
        ({"endpoint": "https://host:99999"}, "SMILEREEL_S3_ENDPOINT"),
        ({"endpoint": "https://host/?hidden"}, "SMILEREEL_S3_ENDPOINT"),
        ({"access_key_id": "x"}, "SMILEREEL_S3_SECRET_ACCESS_KEY"),
        ({"secret_access_key": "hidden"}, "SMILEREEL_S3_ACCESS_KEY_ID"),
        ({"region": "EU north"}, "SMILEREEL_S3_REGION"),
        ({"timeout_seconds": 0.0}, "timeouts"),
    ],
)
def test_an_access_that_cannot_work_is_refused_in_a_sentence(given: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsInvalid, match=said) as raised:
        S3Access(**given)  # type: ignore[arg-type]
    assert "hidden" not in str(raised.value)


@pytest.mark.s3
def test_the_settings_name_a_store(server: S3Server, tmp_path: Path) -> None:
    opened = store_of(Settings(store_url=f"file://{tmp_path}/with%20space"))
    assert isinstance(opened, FolderStore)
    assert opened.root == tmp_path / "with space"
    secret = SecretStr(server.secret_key)
    bucket = store_of(
        Settings(
            store_url=f"s3://{server.bucket}/",
            s3_endpoint=server.endpoint,
            s3_region="eu-x-1",
            s3_access_key_id=server.access_key,
            s3_secret_access_key=secret,
            s3_allow_http=True,
        )
    )
    bucket.put("settings/a", b"x")
    assert open_store(f"s3://{server.bucket}/settings", s3=server.access).get("a") == b"x"


def fetched(address: str) -> bytes | int:
    """What a browser without any key gets: the object, or the status of the refusal."""
    try:
        with urlopen(address, timeout=5) as answer:  # test: our own server or a file
            body: bytes = answer.read()
            return body
    except HTTPError as error:
        with error:
            return error.code


def test_an_address_for_those_who_may_not_read_the_store(store: Store) -> None:
    store.put("lessons/lesson-1/v1/reel.gif", b"GIF89a")
    address = store.address("lessons/lesson-1/v1/reel.gif", 60)
    assert fetched(address) == b"GIF89a"
    with pytest.raises(StoreError):
        store.address("../secret", 60)


@pytest.mark.s3
def test_a_signed_address_ends_and_cannot_be_forged(server: S3Server) -> None:
    store = open_store(f"s3://{server.bucket}/signed", s3=server.access)
    store.put("lesson-1/reel.gif", b"GIF89a")
    store.put("lesson-2/reel.gif", b"another child")
    address = store.address("lesson-1/reel.gif", 1)
    assert fetched(address.replace("lesson-1", "lesson-2")) == 403
    assert fetched(address.replace("X-Amz-Expires=1&", "X-Amz-Expires=9999&")) == 403
    assert fetched(address.split("?")[0]) == 403
    time.sleep(2.1)
    assert fetched(address) == 403
