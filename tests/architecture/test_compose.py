"""docker-compose.yml against the compose schema, the queues' names, the settings and `.env.example`; no engine is needed."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from shared import catalogue
from shared.settings import Settings
from workers.app import SEGMENT_SECONDS, TASK_SECONDS
from workers.up.compose import Service, port_variables, read_document, read_project
from workers.up.interpolate import names_in

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = read_document(ROOT / "docker-compose.yml")
RAW: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVICES = read_project(COMPOSE, {"RECORDINGS_FOLDER": "recordings"}, ROOT).services
# service -> room
WORKERS = {"cpu": "cpu", "gpu-on-cpu": "gpu", "gpu": "gpu"}
LONGEST_TASK_SECONDS = {"cpu": TASK_SECONDS, "gpu": SEGMENT_SECONDS}
DOORS = {"web", "flower", "metrics", "grafana"}
WATCHERS = {"prometheus", "grafana"}
OURS = {*WORKERS, *DOORS, "beat", "migrate"} - WATCHERS
every_service = pytest.mark.parametrize("name", sorted(RAW))
every_worker = pytest.mark.parametrize(("name", "room"), sorted(WORKERS.items()))


def compose_schema() -> dict[str, Any]:
    """The official compose-spec schema, which the package check-jsonschema ships; read as a file, its code is not run."""
    spec = find_spec("check_jsonschema")
    assert spec is not None, "the compose schema is missing: the dev group must bring check-jsonschema"
    assert spec.submodule_search_locations is not None
    package = Path(next(iter(spec.submodule_search_locations)))
    schema: dict[str, Any] = json.loads((package / "builtin_schemas" / "vendor" / "compose-spec.json").read_text())
    return schema


def option(service: Service, flag: str) -> str:
    return service.command[service.command.index(flag) + 1]


def test_compose_file_passes_the_schema() -> None:
    faults = [error.message for error in Draft202012Validator(compose_schema()).iter_errors(COMPOSE)]
    assert faults == []


def test_the_schema_does_refuse_what_is_wrong() -> None:
    broken = {"services": {"cpu": {"image": "x", "helthcheck": {}}}}
    assert not Draft202012Validator(compose_schema()).is_valid(broken)


def test_every_service_is_known_here() -> None:
    assert set(RAW) == {*OURS, *WATCHERS, "redis", "postgres", "store"}


@every_service
def test_service_is_guarded(name: str) -> None:
    service = RAW[name]
    assert service["init"] is True
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "container_name" not in service, "a fixed name cannot be scaled"
    assert "privileged" not in service
    assert service["restart"] == {"migrate": "no"}.get(name, "on-failure" if name in WORKERS else "unless-stopped")
    assert service["stop_grace_period"]
    assert service["logging"]["options"].keys() >= {"max-size", "max-file"}
    assert service["deploy"]["resources"]["limits"].keys() >= {"memory", "pids"}
    if name != "migrate":
        assert service["healthcheck"].keys() >= {"test", "interval", "timeout", "start_period", "retries"}


@every_service
def test_only_pages_have_doors_and_they_open_to_this_host(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].ports)
    assert bool(SERVICES[name].ports) == (name in DOORS)
    assert RAW[name]["networks"] == (["private", "desk"] if name in DOORS else ["private"])
    assert COMPOSE["networks"]["private"]["internal"] is True


@every_service
def test_passwords_come_from_files_and_each_service_sees_its_own(name: str) -> None:
    service = SERVICES[name]
    assert not [value for value in service.environment.values() if re.search(r"://[^/]*:[^/@]*@", value)]
    named = {value for value in service.environment.values() if value.startswith("/run/secrets/")}
    assert named <= {f"/run/secrets/{secret}" for secret in service.secrets}
    text = json.dumps(RAW[name])
    if name == "prometheus":
        text = (ROOT / "docs" / "prometheus" / "prometheus.yml").read_text()
    assert all(f"/run/secrets/{secret}" in text for secret in service.secrets), "a secret that the service does not need"
    assert "redis_operator" not in service.secrets or name == "redis"


def test_the_redis_users_are_those_that_the_documentation_explains() -> None:
    documented = re.search(r"```acl\n(.*?)```", (ROOT / "docs" / "redis.md").read_text(), re.DOTALL)
    assert documented is not None
    rules = {line.split()[1]: line.split(maxsplit=4)[4] for line in documented[1].splitlines() if " >" in line}
    script = SERVICES["redis"].command[-1]
    composed = dict(re.findall(r'echo "user (\w+) on #\S+ \S+ (.*)"', script))
    assert composed == rules


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_variable_of_ours_is_a_setting(name: str) -> None:
    settings = {f"SMILEREEL_{field.upper()}" for field in Settings.model_fields}
    ours = {variable for variable in SERVICES[name].environment if variable.startswith("SMILEREEL_")}
    assert ours <= settings


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_setting_that_env_may_change_has_the_same_default_there(name: str) -> None:
    defaults = Settings.model_fields
    for variable, asked in RAW[name]["environment"].items():
        if variable.startswith("SMILEREEL_") and f"${{{variable}:-" in str(asked):
            field = defaults[variable.removeprefix("SMILEREEL_").lower()]
            given = SERVICES[name].environment[variable]
            assert field.annotation is not None
            assert TypeAdapter(field.annotation).validate_python(given) == field.default, variable


@every_worker
def test_worker_takes_its_rooms_queues_with_its_rooms_tasks_alone(name: str, room: str) -> None:
    service = SERVICES[name]
    assert service.command[:4] == ("celery", "-A", "workers.app", "worker")
    assert option(service, "-Q") == ",".join(catalogue.ROOM_QUEUES[room])
    assert option(service, "-I") == f"workers.{room}.tasks"
    assert option(service, "-n") == f"{room}@%h"
    assert RAW[name]["build"]["dockerfile"] == f"Dockerfile.{room}"
    # A CUDA context does not survive a fork.
    assert ("spawn" in service.command) == (room == "gpu")


@every_worker
def test_a_worker_is_given_time_for_the_longest_task_and_a_drained_one_stays_away(name: str, room: str) -> None:
    service = SERVICES[name]
    grace = float(service.environment["SMILEREEL_SHUTDOWN_GRACE_SECONDS"])
    assert LONGEST_TASK_SECONDS[room] <= grace < service.stop_grace_seconds
    assert service.restart == "on-failure"


@pytest.mark.parametrize("name", [*WORKERS, "beat"])
def test_health_is_a_file_that_the_process_itself_touches(name: str) -> None:
    alive = SERVICES[name].environment["SMILEREEL_ALIVE_FILE"]
    check = SERVICES[name].check
    assert check is not None
    assert alive in check.test[-1]


@pytest.mark.parametrize("name", sorted(OURS - {"migrate"}))
def test_ours_wait_until_what_they_need_is_well(name: str) -> None:
    needed = {"redis": "service_healthy"}
    if name != "flower":
        needed |= {"store": "service_healthy", "migrate": "service_completed_successfully"}
    assert SERVICES[name].depends_on == needed
    # On a host that only lends its card none of them is there.
    assert all(how["required"] is False for how in RAW[name]["depends_on"].values())


def test_a_card_is_asked_for_behind_its_profile_only() -> None:
    asking = {name for name, service in RAW.items() if "reservations" in service["deploy"]["resources"]}
    assert asking == {"gpu"}
    assert {name for name, service in SERVICES.items() if "gpu" in service.profiles} == asking
    assert {name for name, service in SERVICES.items() if service.profiles} == {*asking, *WATCHERS}
    assert SERVICES["gpu"].without_card == "gpu-on-cpu"


def test_a_host_that_only_lends_its_card_runs_nothing_else() -> None:
    variables = {"RECORDINGS_FOLDER": "x", "CORE": "0", "GPU_ON_CPU": "0", "REDIS_HOST": "10.0.0.1"}
    lent = read_project(COMPOSE, variables, ROOT).services
    assert {name for name, service in lent.items() if service.replicas} == {"gpu", *WATCHERS}
    assert "@10.0.0.1:6379/" in lent["gpu"].environment["SMILEREEL_REDIS_URL"]


def test_every_variable_is_explained() -> None:
    asked = {name for name in names_in({key: COMPOSE[key] for key in ("services", "secrets")}) if name != "LISTEN"}
    offered = set(re.findall(r"^#? ?(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert asked == offered


def test_ports_that_open_are_told_from_those_that_do_not() -> None:
    opening = {name for name, opens in port_variables(COMPOSE).items() if opens}
    assert opening == {"WEB_PORT", "FLOWER_PORT", "METRICS_PORT", "GRAFANA_PORT"}


@pytest.mark.parametrize("name", ["redis", "postgres", "store", *sorted(WATCHERS)])
def test_images_of_others_are_named_by_an_exact_tag(name: str) -> None:
    assert re.search(r":v?\d+\.\d+(\.\d+)?(-\w+)?$", SERVICES[name].image)
