"""The S3 store alone: a service that is down, hangs, refuses or lacks the bucket, and what must not be told of it."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from shared.errors import ObjectMissing, StoreError
from shared.store import S3Access, Store, open_store
from tests.processes import wait_until
from tests.services.s3 import S3Server, s3_server

pytestmark = pytest.mark.s3

Uses = dict[str, Callable[[], Any]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def store(server: S3Server) -> Store:
    return open_store(f"s3://{server.bucket}", s3=server.access)


def uses_of(store: Store) -> Uses:
    return {
        "write": lambda: store.put("a/new", b"x" * 100_000),
        "read": lambda: store.get("a/b"),
        "look for": lambda: store.exists("a/b"),
        "list": lambda: list(store.keys("a")),
        "measure": lambda: store.bytes_used("a"),
        "delete": lambda: store.delete("a/none"),
    }


def failure_of(use: Callable[[], Any]) -> tuple[StoreError, float]:
    """How it failed, and after how many seconds."""
    started = time.monotonic()
    with pytest.raises(StoreError) as raised:
        use()
    assert not isinstance(raised.value, ObjectMissing)
    return raised.value, time.monotonic() - started


def failures_of(store: Store) -> dict[str, tuple[StoreError, float]]:
    """All uses at once, so that their waiting does not add up."""
    uses = uses_of(store)
    with ThreadPoolExecutor(len(uses)) as pool:
        return dict(zip(uses, pool.map(failure_of, uses.values()), strict=True))


def test_a_service_that_hangs_is_given_up_and_used_again_once_it_goes_on(server: S3Server, store: Store) -> None:
    store.put("a/b", b"kept")
    server.hold()
    try:
        failures = failures_of(store)
    finally:
        server.release()
    for verb, (error, seconds) in failures.items():
        assert f"could not {verb} a" in error.message
        assert "does not answer in time" in error.message
        assert seconds < 15
    assert store.get("a/b") == b"kept"
    store.put("a/b", b"new")
    assert store.get("a/b") == b"new"


def test_a_service_that_was_killed_fails_at_once_and_is_used_again_once_it_is_back(server: S3Server, store: Store) -> None:
    store.put("a/b", b"kept")
    server.kill()
    failures = failures_of(store)
    server.start()
    for error, seconds in failures.values():
        assert "cannot be reached" in error.message
        assert seconds < 10
    assert wait_until(lambda: reads(store), seconds=30), "the service may take a moment to find its disk"
    store.put("a/b", b"new")
    assert store.get("a/b") == b"new"


def reads(store: Store) -> bool:
    try:
        return store.get("a/b") == b"kept"
    except StoreError as error:
        if isinstance(error, ObjectMissing):
            raise
        return False


def test_an_address_from_which_nothing_comes_back_is_given_up() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        address = deaf.getsockname()
        with socket.create_connection(address), socket.socket() as second:  # its queue is full: the kernel drops what comes
            second.setblocking(False)
            second.connect_ex(address)
            access = S3Access(f"http://127.0.0.1:{address[1]}", access_key_id="k", secret_access_key="s", allow_http=True)
            error, seconds = failure_of(lambda: open_store("s3://bucket", s3=access).get("a"))
    assert "cannot be reached" in error.message
    assert 1.5 < seconds < 10


def test_more_objects_than_one_page_holds_are_listed_measured_and_deleted(store: Store) -> None:
    names = [f"many/a/{number:04d}" for number in range(1_050)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: store.put(name, b"12"), [*names, "many/ab"]))
    assert list(store.keys("many/a")) == names
    assert store.bytes_used("many") == 2_102
    store.delete("many/a")
    assert list(store.keys("many")) == ["many/ab"]


def test_a_missing_bucket_is_a_fault_of_the_store_and_no_missing_object(server: S3Server) -> None:
    # The reader's key, since the service makes a missing bucket for the other one.
    access = server.access_of(server.reader_access_key, server.reader_secret_key)
    elsewhere = open_store("s3://not-there", s3=access)
    uses = uses_of(elsewhere)
    for verb in ("read", "look for", "list", "measure"):
        error, _seconds = failure_of(uses[verb])
        assert error.message == (
            f"The store could not {verb} {'a/b' if verb in {'read', 'look for'} else 'a'}: the bucket is not there; "
            "make it, or correct SMILEREEL_STORE_URL."
        )


def test_a_key_without_the_right_to_write_is_refused_in_a_sentence(server: S3Server, store: Store) -> None:
    store.put("a/b", b"kept")
    reading = open_store(f"s3://{server.bucket}", s3=server.access_of(server.reader_access_key, server.reader_secret_key))
    assert reading.get("a/b") == b"kept"
    for use, answer in ((lambda: reading.put("a/b", b"x"), "403 AccessDenied"), (lambda: reading.delete("a/b"), "AccessDenied")):
        error, _seconds = failure_of(use)
        assert f"a/b: S3 answered {answer}; check the key, its rights and this machine's clock." in error.message
    assert store.get("a/b") == b"kept"


def test_no_key_and_no_address_is_told(server: S3Server, caplog: pytest.LogCaptureFixture) -> None:
    access = server.access_of(server.access_key, "wrong-and-hidden")
    assert "hidden" not in repr(access)
    assert server.access_key not in repr(access)
    store = open_store(f"s3://{server.bucket}/hidden", s3=access)
    told = [repr(store), str(store)]
    for use in uses_of(store).values():
        error, _seconds = failure_of(use)
        assert "S3 answered 403" in error.message
        with caplog.at_level(logging.ERROR):
            logging.getLogger("test").error("failed", exc_info=error)
        told.append(error.message)
    told.append("\n".join(caplog.handler.format(record) for record in caplog.records))
    assert "The store could not write a/new" in told[-1]
    for text in told:
        for hidden in ("hidden", server.access_key + "=", server.endpoint, "Signature=", "Credential="):
            assert hidden not in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ACCESS_KEY_ID", "other"),
        ("AWS_SESSION_TOKEN", "other"),
        ("AWS_SKIP_SIGNATURE", "true"),
        ("AWS_REGION", "other-1"),
        ("AWS_BUCKET", "other"),
    ],
)
def test_variables_of_other_programs_change_nothing(
    server: S3Server, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    store = open_store(f"s3://{server.bucket}/environment", s3=server.access)
    store.put("a", b"x")
    assert list(store.keys("")) == ["a"]


def test_without_a_key_of_its_own_the_machines_is_taken(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret_key)
    store = open_store(f"s3://{server.bucket}/machine", s3=S3Access(endpoint=server.endpoint, allow_http=True))
    store.put("a", b"x")
    assert store.get("a") == b"x"


FORKED = """
import os, signal, sys
from shared.errors import StoreError
from shared.store import S3Access, open_store
endpoint, access_key, secret_key, bucket = sys.argv[1:]
access = S3Access(endpoint=endpoint, access_key_id=access_key, secret_access_key=secret_key, allow_http=True)
store = open_store(f"s3://{bucket}/forked", s3=access)
def child(use, ending):
    process_id = os.fork()
    if process_id:
        return os.waitpid(process_id, 0)[1]
    signal.alarm(20)
    try:
        use().put("a", b"x")
    except StoreError as error:
        os._exit(5 if "forked" in str(error) else 6)
    os._exit(0)
print(child(lambda: store, 0) >> 8)
store.put("a", b"x")
print(child(lambda: store, 5) >> 8, child(lambda: open_store(f"s3://{bucket}/forked", s3=access), 5) >> 8)
"""


def test_a_fork_after_the_first_use_is_told_instead_of_hanging(server: S3Server) -> None:
    arguments = [server.endpoint, server.access_key, server.secret_key, server.bucket]
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED, *arguments], capture_output=True, timeout=60, text=True, check=False
    )
    assert (ran.stdout.split(), ran.stderr) == (["0", "5", "5"], "")


def test_obstore_is_imported_for_s3_alone(tmp_path: Path) -> None:
    script = (
        "import sys; import shared.client; from shared.store import open_store; "
        f"open_store('file://{tmp_path}').keys('a'); "
        "print([name for name in ('obstore', 'numpy', 'torch', 'cv2') if name in sys.modules]); "
        "open_store('s3://bucket'); print('obstore' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, text=True, check=True)
    assert ran.stdout.splitlines() == ["[]", "True"]
