"""Doors that stand open: servers that ask nobody for a password, files that everybody may read. Asked by the doctor."""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from sqlalchemy import NullPool, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from shared.database import open_database
from shared.errors import ServiceError
from shared.settings import PREFIX, Settings
from shared.stores.access import S3Access, bucket_and_prefix

from .findings import Finding, failure, ok, warning
from .places import everybody_reads
from .redis_server import connected

HTTP_SECONDS = 3.0
# Mounted for one container alone; on the host the folder around the file keeps others out.
MOUNTED_SECRETS = Path("/run/secrets")
_SECRET = re.compile(r"(password|secret)\w*_file$", re.IGNORECASE)


def check_redis_door(url: str) -> Iterator[Finding]:
    """Knock without user and password."""
    socket = "socket://" in url or url.startswith("unix:")
    bare = re.sub(r"://[^/@]*@", "://", url) if not socket else re.sub(r"://.*@/", ":///", url)
    try:
        with connected(bare) as client:
            client.ping()
    except (AuthenticationError, NoPermissionError):
        yield ok("doors.redis", "Redis lets nobody in without a password.")
        return
    except (RedisError, OSError, ValueError):
        return  # Its own check tells.
    if socket:
        path = Path(urlsplit(url).path)
        if _everybody_writes(path):
            yield failure("doors.redis", "Every user of this machine may open Redis' socket", "set unixsocketperm to 700.")
        else:
            yield ok("doors.redis", "Redis listens on a socket that only its user may open.")
        return
    advice = "give it a password or users (docs/redis.md)."
    yield _open("doors.redis", "Redis lets everybody in without a password", advice, urlsplit(url).hostname)


def _everybody_writes(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IWOTH) and all(above.stat().st_mode & stat.S_IXOTH for above in path.parents)
    except OSError:
        return False


def _open(check: str, sentence: str, advice: str, host: str | None) -> Finding:
    """On this machine alone it is bad; where others on the network can reach it, it is a failure."""
    if host is None or host == "localhost" or host.startswith("127.") or host == "::1":
        return warning(check, f"{sentence} (on this machine)", advice)
    return failure(check, sentence, advice)


def check_database_door(url: str) -> Iterator[Finding]:
    """Knock with a password that nobody can know."""
    try:
        wrong = make_url(url).set(password=secrets.token_urlsafe(24))
        host = str(wrong.query.get("host") or wrong.host or "")
        if not wrong.drivername.startswith("postgres"):
            return
        if not host or host.startswith("/"):
            yield ok("doors.database", "PostgreSQL is reached over a socket, where the system knows who asks.")
            return
        database = open_database(wrong.render_as_string(hide_password=False), poolclass=NullPool)
    except (ArgumentError, ServiceError, ValueError):
        return
    try:
        with database.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        if "password" in str(error).lower():  # Otherwise it is away, or refuses this host altogether.
            yield ok("doors.database", "PostgreSQL lets nobody in with a wrong password.")
    else:
        advice = "set scram-sha-256 in its pg_hba.conf."
        yield _open("doors.database", "PostgreSQL takes any password", advice, host)
    finally:
        database.close()


def check_store_door(settings: Settings) -> Iterator[Finding]:
    """Ask S3 for the bucket's list without a key; of a folder look at its rights."""
    place = bucket_and_prefix(settings.store_url)
    if place is None:
        folder = Path(urlsplit(settings.store_url).path)
        yield from _folder("doors.store", "the store's folder", folder)
        return
    try:
        address = S3Access(endpoint=settings.s3_endpoint, region=settings.s3_region, allow_http=True).address
        with urlopen(Request(f"{address}/{place[0]}?list-type=2&max-keys=1"), timeout=HTTP_SECONDS) as answer:  # noqa: S310  (http or https, checked)
            answered = answer.status == 200
    except HTTPError as error:
        error.close()
        answered = False
    except (URLError, OSError, ValueError, ServiceError):
        return  # The store's own check tells.
    if answered:
        host = urlsplit(address).hostname
        yield _open(
            "doors.store", "The bucket can be read without a key", "give S3 identities, and the bucket no public access.", host
        )
    else:
        yield ok("doors.store", "S3 shows nobody the bucket without a key.")


def check_files(settings: Settings) -> Iterator[Finding]:
    """Files that hold secrets or lessons, and who may read them."""
    faults = [*_secret_files(settings), *_web_password(settings)]
    if settings.database_url.startswith("sqlite"):
        faults += _folder("doors.ledger", "the ledger's file", Path(make_url(settings.database_url).database or "."))
    yield from faults or [ok("doors.secrets", "Nobody else may read the files with secrets.")]


def _folder(check: str, what: str, path: Path) -> list[Finding]:
    if not everybody_reads(path):
        return []
    return [warning(check, f"Every user of this machine may read {what}", "take the right away: chmod o-rwx on it.")]


def _secret_files(settings: Settings) -> Iterator[Finding]:
    named: dict[str, Path] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if _SECRET.search(name) and name != "web_password_file" and isinstance(value, Path):
            named[f"{PREFIX}{name.upper()}"] = value
    for name, text_value in os.environ.items():
        if name.startswith(PREFIX) and _SECRET.search(name) and name not in {*named, f"{PREFIX}WEB_PASSWORD_FILE"} and text_value:
            named[name] = Path(text_value)
    for name, path in sorted(named.items()):
        if not path.is_file():
            yield failure("doors.secrets", f"The file that {name} names is not there", "make it, or unset the setting.")
        elif everybody_reads(path) and not path.is_relative_to(MOUNTED_SECRETS):
            yield warning(
                "doors.secrets", f"Every user may read the secret that {name} names", "chmod 600 it, or close its folder."
            )


def _web_password(settings: Settings) -> Iterator[Finding]:
    path = settings.web_password_file.expanduser()
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if mode & 0o077:
        yield failure("doors.web", "Others may read the web page's password file", "run `chmod 600` on it.")


DOORS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    lambda settings: check_redis_door(settings.redis_url),
    lambda settings: check_database_door(settings.database_url),
    check_store_door,
    check_files,
)
