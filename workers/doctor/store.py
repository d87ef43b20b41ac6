"""The store: written, read, listed and deleted once, with a key that no lesson has. Asked by the doctor and `preflight.py`.

As a program it prints its findings as lines of JSON: a process that forks others must not touch S3's client itself.
"""

from __future__ import annotations

import errno
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from shared.errors import ObjectMissing, ServiceError, SettingsInvalid, StoreError
from shared.settings import Settings, load_settings
from shared.store import WORK, FolderStore, Store, store_of

from .findings import Finding, away, failure, ok, warning
from .places import NETWORK, file_system_of

# The sweeper takes it away, should this process be killed in between.
PROBE = f"{WORK}/smilereel-doctor"
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
# Answers of S3 that stay as they are until somebody mends something: everything of the 400s but "too slow" and "too many".
S3_REFUSES = re.compile(r"S3 answered (4(?!08|29)\d\d|AccessDenied)|bucket is not there")
LOW_BYTES, LOW_SHARE = 2 * 2**30, 0.05
OTHER_PROCESS_SECONDS = 40.0


def check_store(settings: Settings, *, writes: bool = True) -> Iterator[Finding]:
    """Use it once in each way.

    Args:
        settings: name the store.
        writes: also write and delete; otherwise only list.
    """
    kind = "bucket" if settings.store_url.startswith("s3:") else "folder"
    try:
        store = store_of(settings)
        was_there = not isinstance(store, FolderStore) or store.root.exists()
        if writes:
            _use(store)
        else:
            next(store.keys(PROBE), None)
    except SettingsInvalid as error:
        yield failure("store.access", error.message, "")
    except ModuleNotFoundError:
        yield failure("store.access", "A store on S3 needs obstore", "install smilereel with the extra 's3'.")
    except StoreError as error:
        yield _judged(error)
    else:
        done = "written, read, listed and deleted" if writes else "read"
        yield ok("store.access", f"The store's {kind} can be {done}.")
        if not was_there and writes:
            advice = "if it should be a mounted disk, mount it there."
            yield warning("store.place", "The store's folder was not there and has been made", advice)
        if isinstance(store, FolderStore) and store.root.exists():
            yield from _disk(store.root)


def check_store_elsewhere(settings: Settings, *, writes: bool = True) -> Iterator[Finding]:
    """The same where this process will fork others; S3 is asked by a process of its own, with this one's environment."""
    if not settings.store_url.startswith("s3:"):
        yield from check_store(settings, writes=writes)
        return
    command = [sys.executable, "-m", "workers.doctor.store", *([] if writes else ["--read"])]
    try:
        # In this folder: a secret's file may be named relative to it.
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=OTHER_PROCESS_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        yield away("store.access", f"The store could not be looked at ({type(error).__name__})", "run `smilereel doctor`.")
        return
    for line in said.stdout.splitlines():
        yield Finding.model_validate_json(line)


def _use(store: Store) -> None:
    """Write, read, list, delete.

    Raises:
        StoreError: one of them does not work.
    """
    for tries_left in (1, 0):
        key = f"{PROBE}-{uuid4().hex}/probe"
        data = uuid4().bytes
        store.put(key, data)
        try:
            same = store.get(key) == data and list(store.keys(key.rpartition("/")[0])) == [key]
        except ObjectMissing:
            same = False
        store.delete(key)
        if same:
            return
        if not tries_left:  # A sweep may have come in between once.
            raise StoreError("The store does not give back what was written into it; look at its disk or service.")


def _judged(error: StoreError) -> Finding:
    sentence, _, advice = error.message.partition("; ")
    sentence = re.sub(rf"{PROBE}\S*[a-z0-9]", "a probe", sentence)
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno in FORBIDDEN:
        return failure("store.access", sentence, "give this user the right to write there, or correct SMILEREEL_STORE_URL.")
    if S3_REFUSES.search(error.message):
        return failure("store.access", sentence, advice)
    return away("store.access", sentence, advice)


def _disk(root: Path) -> Iterator[Finding]:
    disk = shutil.disk_usage(root)
    sentence = f"{disk.free / 2**30:.1f} GB are free on the store's disk"
    if disk.free < max(LOW_BYTES, LOW_SHARE * disk.total):
        yield warning("store.room", sentence, "make room, or set SMILEREEL_STORE_MAX_BYTES so that work waits in time.")
    else:
        yield ok("store.room", f"{sentence}.")
    system = file_system_of(root)
    if system in NETWORK:
        advice = "see that every worker mounts the same folder, or use an S3 store."
        yield warning("store.place", f"The store lies on a network file system ({system})", advice)


def main() -> None:
    """Print what was found, one JSON object a line."""
    try:
        for finding in check_store(load_settings(), writes="--read" not in sys.argv):
            print(finding.model_dump_json())  # noqa: T201
    except ServiceError as error:
        print(failure("store.access", error.message, "").model_dump_json())  # noqa: T201


if __name__ == "__main__":
    main()
