"""Redis or Valkey: reachable, the right user, nothing evicted, kept on disk, room left. Asked by the doctor and by `preflight.py`."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, BusyLoadingError, NoPermissionError, ReadOnlyError, RedisError
from redis.retry import Retry

from shared.catalogue import CPU_QUEUE, GPU_QUEUE

from .clocks import judge_clock
from .findings import Finding, away, failure, ok, warning
from .roles import WORKERS

WAIT_SECONDS = 1.5
# Users with rights came with 6; what came before 7 is not tested.
OLDEST, OLDEST_TESTED = (6, 0), (7, 0)
FULL_SHARE = 0.8
QUEUES = {"cpu": CPU_QUEUE, "gpu": GPU_QUEUE}


def plain_url(url: str) -> str:
    """The address as redis-py writes it: Celery calls a unix socket `redis+socket://`."""
    return re.sub(r"^redis\+socket://", "unix://", url).replace("?virtual_host=", "?db=")


@contextmanager
def connected(url: str, **options: Any) -> Iterator[Redis]:
    """A client that asks once and waits a moment at most; no connection is left."""
    options = {"socket_timeout": WAIT_SECONDS, "socket_connect_timeout": WAIT_SECONDS, **options}
    client = Redis.from_url(plain_url(url), retry=Retry(NoBackoff(), 0), **options)
    try:
        yield client
    finally:
        client.close()
        client.connection_pool.disconnect()


def check_redis(url: str, role: str | None, *, embedded: bool = False) -> Iterator[Finding]:
    """Look at it as the role's user.

    Args:
        url: as in the settings.
        role: whose; None: nobody's in particular.
        embedded: it belongs to a run on this machine, which needs no disk.
    """
    try:
        with connected(url) as client:
            client.ping()
            yield ok("redis.connection", "Redis answers.")
            yield from _rights(client, role)
            yield from _server(client, embedded=embedded)
            yield from _clock(client)
    except (RedisError, OSError, ValueError) as error:
        yield _connection(error)


def _connection(error: Exception) -> Finding:
    check, text = "redis.connection", str(error)
    if isinstance(error, NoPermissionError):
        return failure("redis.rights", "Redis' user may not even say PING", "give it the rights of docs/redis.md.")
    if isinstance(error, AuthenticationError):
        return failure(
            check,
            "Redis refuses the user or the password",
            "correct SMILEREEL_REDIS_URL, or the file that SMILEREEL_REDIS_PASSWORD_FILE names.",
        )
    if isinstance(error, ValueError):
        return failure(check, "SMILEREEL_REDIS_URL is no address", "write it redis://user@host:6379/0.")
    if "CERTIFICATE_VERIFY_FAILED" in text or "certificate verify failed" in text:
        advice = "see that ssl_ca_certs in SMILEREEL_REDIS_URL names its authority, and that it names the host."
        return failure(check, "Redis' certificate is not to be trusted", advice)
    if isinstance(error, BusyLoadingError):
        return away(check, "Redis still reads its data from disk", "wait until it has.")
    return away(
        check, f"Redis does not answer ({type(error).__name__})", "see that it runs and that the network lets it through."
    )


def _rights(client: Redis, role: str | None) -> Iterator[Finding]:
    """What Celery does all the time, done to nothing: no message is touched."""
    if role not in WORKERS:
        return
    try:
        client.llen(QUEUES[str(role)])
        client.zrem("unacked_index", "smilereel-doctor")
        client.hdel("unacked", "smilereel-doctor")
    except NoPermissionError:
        yield failure("redis.rights", "Redis' user may not do what workers do", "give it the rights of docs/redis.md.")
    except ReadOnlyError:
        yield failure("redis.rights", "This Redis is a replica and takes no writes", "name the primary in SMILEREEL_REDIS_URL.")
    else:
        yield ok("redis.rights", "Redis' user may do what workers do.")


def _server(client: Redis, *, embedded: bool) -> Iterator[Finding]:
    try:
        info: Mapping[str, Any] = client.info()
    except NoPermissionError:
        return  # A user for less than a worker's work.
    yield _version(info)
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        advice = "set maxmemory-policy to noeviction."
        yield failure("redis.eviction", f"Redis throws keys away when it is full ({policy}), and a key may be a task", advice)
    else:
        yield ok("redis.eviction", "Redis throws nothing away when it is full.")
    yield _persistence(info, embedded=embedded)
    yield _room(info)


def _version(info: Mapping[str, Any]) -> Finding:
    name = "Valkey" if "valkey_version" in info else "Redis"
    text = str(info.get("valkey_version") or info.get("redis_version") or "0")
    found = tuple(int(part) for part in re.findall(r"\d+", text)[:2])
    if found < OLDEST:
        return failure("redis.version", f"{name} {text} knows no users with rights", "install Redis 7 or Valkey 8, or newer.")
    if found < OLDEST_TESTED:
        return warning("redis.version", f"{name} {text} is older than what is tested", "install Redis 7 or Valkey 8, or newer.")
    return ok("redis.version", f"It is {name} {text}.")


def _persistence(info: Mapping[str, Any], *, embedded: bool) -> Finding:
    check = "redis.persistence"
    if info.get("aof_last_write_status", "ok") != "ok":
        return away(check, "Redis cannot write its log to disk", "look at its disk.")
    if info.get("aof_enabled"):
        return ok(check, "Redis keeps what it holds on disk (AOF).")
    if embedded:
        return ok(check, "Redis keeps nothing on disk, as in every embedded run: the ledger has it all.")
    return warning(
        check, "Redis keeps nothing on disk: after a restart every open lesson is sent again", "set appendonly to yes."
    )


def _room(info: Mapping[str, Any]) -> Finding:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    megabytes = f"{used / 2**20:.0f} MB"
    if not most:
        return ok("redis.room", f"Redis uses {megabytes} and has no limit of its own.")
    sentence = f"Redis uses {megabytes} of {most / 2**20:.0f} MB"
    if used >= most:
        return away("redis.room", f"{sentence} and takes no more messages", "raise maxmemory, or wait until queues are shorter.")
    if used >= FULL_SHARE * most:
        return warning("redis.room", sentence, "raise maxmemory, or add workers so that queues get shorter.")
    return ok("redis.room", f"{sentence}.")


def _clock(client: Redis) -> Iterator[Finding]:
    before = time.time()
    try:
        seconds, microseconds = client.time()
    except NoPermissionError:
        return
    yield judge_clock("redis", seconds + microseconds / 1e6, before, time.time())
