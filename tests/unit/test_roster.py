"""The roster in a real Valkey: who is in it, who is not any more, and what cannot be read."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from redis import Redis

from tests.services.valkey import Valkey
from workers.roster import ROSTER_KEY, STALE_SECONDS, Roster, WorkerEntry, connect

pytestmark = pytest.mark.redis


@pytest.fixture
def redis() -> Iterator[Redis]:
    with Valkey() as valkey, connect(f"{valkey.url}?virtual_host=0") as client:
        yield client


def test_who_was_heard_of_is_in_it_and_who_was_not_is_not(redis: Redis) -> None:
    roster = Roster(redis)
    now = roster.now()
    here = WorkerEntry("gpu@b", "gpu", "1.0", device="cpu", weights="w", seen_at=now, doing=("detect_faces lesson-1",))
    other = WorkerEntry("cpu@a", "cpu", "1.0", concurrency=2, seen_at=now - STALE_SECONDS + 5)
    gone = WorkerEntry("gpu@c", "gpu", "1.0", seen_at=now - STALE_SECONDS - 1)
    for entry in (here, other, gone):
        roster.write(entry)
    assert roster.workers() == [other, here]
    roster.remove_stale()
    assert set(redis.hkeys(ROSTER_KEY)) == {b"gpu@b", b"cpu@a"}
    roster.remove(["gpu@b"])
    assert roster.workers() == [other]
    assert 0 < redis.ttl(ROSTER_KEY) <= 2 * STALE_SECONDS, "no key stays for ever"


def test_a_newer_release_may_tell_more_and_what_is_no_entry_is_left_out(redis: Redis) -> None:
    roster = Roster(redis)
    told = {"node": "gpu@n", "room": "gpu", "release": "9.9", "seen_at": roster.now(), "added_later": [1]}
    redis.hset(ROSTER_KEY, mapping={"gpu@n": json.dumps(told), "x": "no JSON", "y": "[]", "z": '{"node": "z"}'})
    assert [entry.node for entry in roster.workers()] == ["gpu@n"]
    roster.remove_stale()
    assert redis.hkeys(ROSTER_KEY) == [b"gpu@n"]
