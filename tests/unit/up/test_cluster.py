"""Services as processes of a test: which are started again, which are given up, and that nothing fails silently."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from shared.errors import ServiceError, SettingsInvalid
from workers.up.cluster import Cluster
from workers.up.compose import Check, Project, Service
from workers.up.instance import Host, State
from workers.up.places import make_places

SLEEPS = ("sleep", "1000")


def played(tmp_path: Path, services: list[Service], play: Callable[[Cluster], Awaitable[None]]) -> list[str]:
    """What was said while services were started and played with; all are stopped afterwards."""
    said: list[str] = []
    host = Host(make_places(tmp_path / "run", None), {}, lambda name, line: said.append(f"{name}: {line}"), lambda _: None, True)
    project = Project({service.name: service for service in services}, {})

    async def run() -> None:
        cluster = Cluster(project, {service.name: service.replicas for service in services}, host)
        try:
            await cluster.start()
            await play(cluster)
        finally:
            await cluster.stop()
        assert [each.pid for each in cluster.instances] == [None] * len(cluster.instances)

    asyncio.run(run())
    return said


async def nothing(_: Cluster) -> None:
    """Only start and stop."""


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(200):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come true")


def ours(name: str, *command: str, **more: object) -> Service:
    return Service(name, "smilereel-test:1", command, **more)  # type: ignore[arg-type]


def test_what_others_wait_for_comes_first(tmp_path: Path) -> None:
    once = ours("once", "sh", "-c", "sleep 0.3; echo made")
    after = ours("after", "sh", "-c", "echo begun; exec sleep 1000", restart="always", depends_on={"once": "x"})
    said = played(tmp_path, [after, once], nothing)
    assert said.index("once-1: made") < said.index("after-1: begun")


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"^no-such-program of a-1 cannot be run \(No such file or directory\)\.$"):
        played(tmp_path, [ours("a", "no-such-program")], nothing)


def test_one_that_is_added_later_and_cannot_be_run_is_told_of(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexec sleep 1000\n")
    program.chmod(0o755)

    async def play(cluster: Cluster) -> None:
        program.unlink()
        await cluster.scale("a", 2)
        await until(lambda: cluster.instances[1].state is State.FAILED)

    said = played(tmp_path, [ours("a", str(program), restart="on-failure")], play)
    assert f"a-2: cannot be started: {program} of a-2 cannot be run (No such file or directory)." in said


def test_one_that_never_gets_well_ends_the_start_with_its_last_words(tmp_path: Path) -> None:
    sick = ours("sick", "sh", "-c", "echo no shelter; exit 3", restart="always", check=Check(("false",), 1, 1, 0, 3))
    with pytest.raises(ServiceError, match=r"^sick-1 does not start \(3\): no shelter$"):
        played(tmp_path, [sick], nothing)


@pytest.mark.parametrize(("rule", "code", "starts"), [("on-failure", 0, 1), ("on-failure", 1, 2), ("always", 0, 2), ("no", 1, 1)])
def test_who_comes_back(tmp_path: Path, rule: str, code: int, starts: int) -> None:
    """It runs well once, then ends with the code; the second time it stays."""
    script = f"test -e {tmp_path}/again && exec sleep 1000; touch {tmp_path}/again; sleep 0.4; exit {code}"

    async def play(cluster: Cluster) -> None:
        one = cluster.instances[0]
        await until(lambda: one.starts == starts and (one.state is not State.HEALTHY or starts == 2) and one.code == code)

    played(tmp_path, [ours("a", "sh", "-c", script, restart=rule, check=Check(("true",), 1, 1, 0, 3))], play)


def test_one_that_stops_answering_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "well").touch()
    check = Check(("test", "-e", str(tmp_path / "well")), 0.05, 1, 0, 2)

    async def play(cluster: Cluster) -> None:
        (tmp_path / "well").unlink()
        await until(lambda: cluster.instances[0].state is State.UNHEALTHY)

    assert "a-1: is not well: its check failed 2 times" in played(
        tmp_path, [ours("a", *SLEEPS, restart="always", check=check)], play
    )


def test_one_that_does_not_end_in_its_grace_is_killed(tmp_path: Path) -> None:
    deaf = ours(
        "deaf", "sh", "-c", "trap '' TERM; echo deaf; while true; do sleep 0.1; done", restart="always", stop_grace_seconds=0.3
    )

    async def play(cluster: Cluster) -> None:
        await until(lambda: "deaf" in cluster.instances[0].last_lines)

    assert "deaf-1: did not end within 0 s and is killed" in played(tmp_path, [deaf], play)


@pytest.mark.parametrize(
    ("name", "count", "sentence"), [("a", 65, "a cannot run 65 times"), ("b", 1, "There is no service b; there are a")]
)
def test_orders_that_cannot_be_carried_out(tmp_path: Path, name: str, count: int, sentence: str) -> None:
    async def play(cluster: Cluster) -> None:
        await cluster.scale(name, count)

    with pytest.raises(SettingsInvalid, match=sentence):
        played(tmp_path, [ours("a", *SLEEPS, restart="always")], play)
