"""A store in a bucket of an S3 service, over obstore; imported only when an `s3://` URL is opened (extra `s3`)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar

from obstore import sign
from obstore.exceptions import BaseError
from obstore.store import S3Store as Bucket

from ..errors import ObjectMissing, StoreError
from .access import S3Access
from .rules import checked_key, checked_prefix, is_key

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"(?:<Code>|\(code: )([A-Za-z]{1,60})[<)]")  # the second form: one object of a deletion of many
# A request is tried again only if the first tries failed within this time: worst case this plus one request's timeout.
_RETRY = {"max_retries": 3, "retry_timeout": timedelta(seconds=5), "backoff": {"max_backoff": timedelta(seconds=2)}}

# S3 takes 1000, but a small service may need longer for these than a request may take.
_DELETED_AT_ONCE = 200


class S3Store:
    """Objects of a bucket, below a prefix. Every write is one request, so that nothing half-written is ever there."""

    # obstore's threads do not survive a fork, and a call in the child would wait for them for ever.
    _used_in_process: ClassVar[int] = 0

    def __init__(self, bucket: str, prefix: str, access: S3Access) -> None:
        config: dict[str, Any] = {}
        if access.access_key_id:
            # Given as a provider, they stand alone: AWS_SESSION_TOKEN and AWS_SKIP_SIGNATURE would spoil plain ones.
            config["credential_provider"] = lambda: {
                "access_key_id": access.access_key_id,
                "secret_access_key": access.secret_access_key,
                "expires_at": None,
            }
            config["skip_signature"] = False
        self._bucket = Bucket(
            bucket,
            prefix=prefix or None,
            endpoint=access.address,
            aws_endpoint_url_s3=access.address,  # goes before `endpoint`, and so would its variable
            region=access.region,
            client_options={
                "allow_http": access.allow_http,
                "connect_timeout": timedelta(seconds=access.connect_timeout_seconds),
                "timeout": timedelta(seconds=access.timeout_seconds),
            },
            retry_config=_RETRY,  # type: ignore[arg-type]
            **config,
        )

    def put(self, key: str, data: bytes) -> None:
        checked_key(key)
        with self._told("write", key):
            self._bucket.put(key, data, use_multipart=False)

    def get(self, key: str) -> bytes:
        checked_key(key)
        with self._told("read", key):
            return bytes(self._bucket.get(key).bytes())

    def exists(self, key: str) -> bool:
        checked_key(key)
        with self._told("look for", key):
            try:
                self._bucket.head(key)
                return True
            except FileNotFoundError:
                pass
        # The answer to a HEAD has no body: only a GET tells a missing object from a missing bucket.
        try:
            with self._told("look for", key):
                self._bucket.get(key)
        except ObjectMissing:
            return False
        return True

    def address(self, key: str, seconds: float) -> str:
        checked_key(key)
        with self._told("sign", key):
            return str(sign(self._bucket, "GET", key, timedelta(seconds=seconds)))

    def delete(self, prefix: str) -> None:
        checked_key(prefix)
        with self._told("delete", prefix):
            paths = [prefix, *(path for path, _size in self._below(prefix))]
            for begin in range(0, len(paths), _DELETED_AT_ONCE):
                self._bucket.delete(paths[begin : begin + _DELETED_AT_ONCE])

    def keys(self, prefix: str) -> Iterator[str]:
        checked_prefix(prefix)
        with self._told("list", prefix or "its bucket"):
            return iter(sorted(path for path, _size in self._below(prefix) if is_key(path)))

    def bytes_used(self, prefix: str) -> int:
        checked_prefix(prefix)
        with self._told("measure", prefix or "its bucket"):
            return sum(size for _path, size in self._below(prefix))

    def sweep_temporaries(self, older_than_seconds: float) -> int:  # noqa: ARG002
        """None: a write is one request, there are no multipart uploads to abort."""
        return 0

    def _below(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Path and size of all objects below a prefix, page by page; obstore ends the prefix with a slash."""
        for page in self._bucket.list(prefix=prefix or None):
            for meta in page:
                yield meta["path"], meta["size"]

    @contextmanager
    def _told(self, verb: str, what: str) -> Iterator[None]:
        """Turn obstore's failures into one sentence; its own texts hold addresses and what the service answered."""
        if S3Store._used_in_process not in {0, os.getpid()}:
            raise StoreError(
                f"The store could not {verb} {what}: S3 was used before this process was forked; open it after the fork."
            )
        S3Store._used_in_process = os.getpid()
        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            raise _store_error(verb, what, error) from None


def _store_error(verb: str, what: str, error: Exception) -> StoreError:
    told = str(error)
    status, code = (found.group(1) if found else "" for found in (_STATUS.search(told), _CODE.search(told)))
    begin = f"The store could not {verb} {what}"
    answer = " ".join(filter(None, ("S3 answered", status, code)))
    if code == "NoSuchBucket" or (status == "404" and not isinstance(error, FileNotFoundError)):
        return StoreError(f"{begin}: the bucket is not there; make it, or correct SMILEREEL_STORE_URL.")
    if isinstance(error, FileNotFoundError):
        return ObjectMissing(f"{begin}: no such object; it was never written or is deleted.")
    if status in {"401", "403"} or code == "AccessDenied":
        return StoreError(f"{begin}: {answer}; check the key, its rights and this machine's clock.")
    if status or code:
        return StoreError(f"{begin}: {answer}; look at the S3 service.")
    return StoreError(f"{begin}: S3 cannot be reached or does not answer in time; look at the service and the network.")
