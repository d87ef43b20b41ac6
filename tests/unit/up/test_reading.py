"""A compose file read for processes: what is understood, what is refused, where a container's paths lie, what runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.errors import SettingsInvalid
from workers.up.cluster import in_order
from workers.up.compose import Project, Service, read_document, read_project, seconds_of
from workers.up.places import make_places, root_of, translated
from workers.up.run import Wishes, chosen


def project(tmp_path: Path, text: str, **variables: str) -> Project:
    path = tmp_path / "docker-compose.yml"
    path.write_text(text)
    return read_project(read_document(path), variables, tmp_path)


def test_a_service_is_read_with_all_that_a_process_needs(tmp_path: Path) -> None:
    text = """
services:
  a:
    image: smilereel-cpu:1
    command: celery -n 'a b' ${WORD:-c}
    environment: [X=1, Y=a=b]
    secrets: [s]
    volumes: ["data:/data:ro", {type: bind, source: ./here, target: /srv}]
    tmpfs: ["/tmp:size=1m"]
    depends_on: [b]
    healthcheck: {test: ["CMD", "true"], interval: 1m30s, timeout: 2s, start_period: 500ms, retries: 4}
    stop_signal: SIGINT
    stop_grace_period: 2m
    deploy: {replicas: "3"}
  b: {image: "smilereel-cpu:1", command: ["x", "y z"], healthcheck: {disable: true}}
secrets: {s: {file: ./secret}}
"""
    read = project(tmp_path, text)
    a, b = read.services["a"], read.services["b"]
    assert (a.command, b.command) == (("celery", "-n", "a b", "c"), ("x", "y z"))
    assert a.environment == {"X": "1", "Y": "a=b"}
    assert [(mount.source, mount.target, mount.is_folder) for mount in a.mounts] == [
        ("data", "/data", False),
        (str(tmp_path / "here"), "/srv", True),
    ]
    assert a.check is not None
    assert (a.check.test, a.check.interval_seconds, a.check.start_seconds, a.check.retries) == (("true",), 90.0, 0.5, 4)
    assert (a.stop_signal, a.stop_grace_seconds, a.replicas, b.check) == ("SIGINT", 120.0, 3, None)
    assert read.secrets["s"] == tmp_path / "secret"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "services: {a: {image: x, network_mode: host}}",
            r"Service a says 'network_mode', which `smilereel up` does not understand\.",
        ),
        ("services: {a: {image: x, secrets: [s]}}", r"Service a wants the secret s, which the file does not name\."),
        ("services: {a: {image: x, stop_grace_period: soon}}", r"'soon' is no duration like 90s or 1m30s\."),
        ("services: [", r"is no YAML: .*\."),
        ("services: 3", r"names no services; --file names another\."),
        ("", r"names no services; --file names another\."),
        ("services: {a: {image: '${MUST:?say which}'}}", r"needs the variable MUST: say which\."),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SettingsInvalid, match=sentence):
        project(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"cannot be read \(No such file or directory\); --file names another\.$"):
        read_document(tmp_path / "none.yml")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("1m30s", 90), ("500ms", 0.5), ("1h", 3600), ("1.5s", 1.5)])
def test_durations(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


def test_a_containers_paths_become_this_machines_and_nothing_else_does() -> None:
    paths = {"/data": Path("/here/data"), "/tmp": Path("/here/tmp"), "/run/secrets/redis": Path("/secrets/r")}
    text = "--dir /data/x -a=/data '/tmp/a b' </run/secrets/redis >/run/secrets/redis_worker /var/data /database ./tmp -x/tmp:"
    assert translated(text, paths) == (
        "--dir /here/data/x -a=/here/data '/here/tmp/a b' </secrets/r >/run/secrets/redis_worker /var/data /database ./tmp -x/tmp:"
    )


def services(**waits: list[str]) -> list[Service]:
    return [Service(name, "x", (), depends_on=dict.fromkeys(others, "service_healthy")) for name, others in waits.items()]


def test_services_start_after_those_that_they_wait_for() -> None:
    assert [each.name for each in in_order(services(a=["b", "c"], b=["c"], c=[], d=["elsewhere"]))] == ["c", "d", "b", "a"]


def test_services_that_wait_for_each_other_are_refused() -> None:
    with pytest.raises(SettingsInvalid, match=r"wait for each other: a, b\.$"):
        in_order(services(a=["b"], b=["a"], c=[]))


def some_project() -> Project:
    listed = [
        Service("redis", "x", ()),
        Service("twin", "x", ()),
        Service("gpu", "x", (), profiles=("gpu",), without_card="twin"),
        Service("extra", "x", (), profiles=("watch",)),
    ]
    return Project({service.name: service for service in listed}, {})


def wanted(card: bool, monkeypatch: pytest.MonkeyPatch, *profiles: str, **scale: int) -> dict[str, int]:
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/nvidia-smi" if card else None)
    return chosen(some_project(), Wishes(Path("x"), scale, profiles))


@pytest.mark.parametrize(
    ("card", "profiles", "scale", "expected"),
    [
        (False, [], {}, {"redis": 1, "twin": 1}),
        (False, [], {"gpu": 3}, {"redis": 1, "twin": 3}),
        (False, ["gpu"], {}, {"redis": 1, "twin": 1}),
        (False, [], {"gpu": 2, "twin": 1}, {"redis": 1, "twin": 3}),
        (True, [], {"gpu": 3}, {"redis": 1, "gpu": 3}),
        (True, ["gpu"], {}, {"redis": 1, "gpu": 1}),
        (True, [], {"gpu": 1, "twin": 1}, {"redis": 1, "gpu": 1, "twin": 1}),
        (False, ["watch"], {"twin": 0}, {"redis": 1, "extra": 1}),
    ],
)
def test_without_a_card_its_twin_runs_in_its_place(
    monkeypatch: pytest.MonkeyPatch, card: bool, profiles: list[str], scale: dict[str, int], expected: dict[str, int]
) -> None:
    assert wanted(card, monkeypatch, *profiles, **scale) == expected


def test_a_service_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsInvalid, match=r"There is no service gpus; there are extra, gpu, redis, twin\."):
        wanted(False, monkeypatch, gpus=3)


def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(SettingsInvalid, match="belongs to somebody else"):
        make_places(tmp_path / "link", None)


def test_a_long_temporary_folder_leaves_no_room_for_sockets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("long" * 10)))
    assert len(str(root_of(tmp_path / "docker-compose.yml"))) < 50
    assert root_of(tmp_path / "a.yml") != root_of(tmp_path / "b.yml")


def test_what_is_kept_lies_elsewhere(tmp_path: Path) -> None:
    places = make_places(tmp_path / "run", tmp_path / "kept")
    service: Any = Service("a", "x", (), mounts=())
    places.make(service, "a-1", {})
    assert places.volumes == tmp_path / "kept" / "volumes"
    assert places.volumes.is_dir()
