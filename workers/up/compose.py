"""A compose file's services as values: what of it means something to processes is read, what does not is named, the rest is refused."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.errors import SettingsInvalid

from .interpolate import interpolate, names_in

# Of containers alone: isolation, limits, images. A process of this machine has the machine's.
_FOR_CONTAINERS = {
    "build",
    "cap_drop",
    "expose",
    "init",
    "logging",
    "networks",
    "read_only",
    "security_opt",
    "shm_size",
    "user",
}
_KNOWN = {
    "command",
    "depends_on",
    "deploy",
    "entrypoint",
    "environment",
    "healthcheck",
    "image",
    "ports",
    "profiles",
    "restart",
    "secrets",
    "stop_grace_period",
    "stop_signal",
    "tmpfs",
    "volumes",
    "x-without-card",
}
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Check:
    """How a service is asked whether it is well; the shell's 0 is yes."""

    test: tuple[str, ...]
    interval_seconds: float
    timeout_seconds: float
    start_seconds: float
    retries: int


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume by its name, or a folder of this machine, and the path that the service knows it by."""

    source: str
    target: str
    is_folder: bool = False


@dataclass(frozen=True, slots=True)
class Service:
    """One service of the file, its variables replaced."""

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    tmpfs: tuple[str, ...] = ()
    # service -> condition
    depends_on: Mapping[str, str] = field(default_factory=dict)
    check: Check | None = None
    restart: str = "no"
    stop_signal: str = "SIGTERM"
    stop_grace_seconds: float = 10.0
    replicas: int = 1
    profiles: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    without_card: str | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """The file: its services by name, and the path of each secret."""

    services: Mapping[str, Service]
    secrets: Mapping[str, Path]


def read_document(path: Path) -> dict[str, Any]:
    """The file as it stands, variables and all.

    Raises:
        SettingsInvalid: it cannot be read, or holds no services.
    """
    try:
        import yaml
    except ModuleNotFoundError:
        raise SettingsInvalid("`smilereel up` needs PyYAML: install smilereel with the extra 'up'.") from None
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsInvalid(f"{path} cannot be read ({error.strerror}); --file names another.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"{path} is no YAML: {' '.join(str(error).split())[:200]}.") from None
    if not isinstance(document, dict) or not isinstance(document.get("services"), dict):
        raise SettingsInvalid(f"{path} names no services; --file names another.")
    return document


def port_variables(document: Mapping[str, Any]) -> dict[str, bool]:
    """Each variable whose name ends with _PORT, and whether the port opens to this host."""
    published: set[str] = set()
    for service in document["services"].values():
        published |= set(names_in(service.get("ports", [])))
    return {name: name in published for name in names_in(document["services"]) if name.endswith("_PORT")}


def read_project(document: Mapping[str, Any], variables: Mapping[str, str], folder: Path) -> Project:
    """The services with their variables replaced.

    Args:
        document: by `read_document`.
        variables: what `${NAME}` stands for.
        folder: relative paths count from it.

    Raises:
        SettingsInvalid: a variable is missing, or the file says something that is not understood here.
    """
    whole = interpolate({key: document.get(key) or {} for key in ("services", "secrets")}, variables)
    secrets = {name: folder / str(where["file"]) for name, where in whole["secrets"].items()}
    services = {name: _service(name, text, folder) for name, text in whole["services"].items()}
    for service in services.values():
        if unknown := {*service.secrets} - {*secrets}:
            raise SettingsInvalid(f"Service {service.name} wants the secret {min(unknown)}, which the file does not name.")
    return Project(services, secrets)


def _service(name: str, text: Mapping[str, Any], folder: Path) -> Service:
    if strange := set(text) - _KNOWN - _FOR_CONTAINERS:
        raise SettingsInvalid(f"Service {name} says {min(strange)!r}, which `smilereel up` does not understand.")
    environment = text.get("environment") or {}
    if isinstance(environment, list):
        environment = dict(line.split("=", 1) for line in environment)
    depends = text.get("depends_on") or {}
    if isinstance(depends, list):
        depends = {other: {"condition": "service_started"} for other in depends}
    return Service(
        name=name,
        image=str(text["image"]),
        command=_words(text.get("entrypoint")) + _words(text.get("command")),
        environment={key: str(value) for key, value in environment.items()},
        secrets=tuple(text.get("secrets") or ()),
        mounts=tuple(_mount(mount, folder) for mount in text.get("volumes") or ()),
        tmpfs=tuple(str(each).split(":", 1)[0] for each in text.get("tmpfs") or ()),
        depends_on={other: str(how.get("condition", "service_started")) for other, how in depends.items()},
        check=_check(text.get("healthcheck") or {}),
        restart=str(text.get("restart", "no")),
        stop_signal=str(text.get("stop_signal", "SIGTERM")),
        stop_grace_seconds=seconds_of(str(text.get("stop_grace_period", "10s"))),
        replicas=int((text.get("deploy") or {}).get("replicas", 1)),
        profiles=tuple(text.get("profiles") or ()),
        ports=tuple(str(each) for each in text.get("ports") or ()),
        without_card=text.get("x-without-card"),
    )


def _words(command: str | list[str] | None) -> tuple[str, ...]:
    return tuple(shlex.split(command)) if isinstance(command, str) else tuple(str(word) for word in command or ())


def _mount(text: str | Mapping[str, Any], folder: Path) -> Mount:
    if isinstance(text, str):
        source, target, *_ = text.split(":")
        return Mount(source, target)
    if text.get("type") == "bind":
        return Mount(str((folder / str(text["source"])).resolve()), str(text["target"]), is_folder=True)
    return Mount(str(text["source"]), str(text["target"]))


def _check(text: Mapping[str, Any]) -> Check | None:
    if not text or text.get("disable"):
        return None
    test = text["test"]
    if isinstance(test, str):
        test = ["CMD-SHELL", test]
    kind, *words = test
    return Check(
        test=("sh", "-c", *words) if kind == "CMD-SHELL" else tuple(words),
        interval_seconds=seconds_of(str(text.get("interval", "30s"))),
        timeout_seconds=seconds_of(str(text.get("timeout", "30s"))),
        start_seconds=seconds_of(str(text.get("start_period", "0s"))),
        retries=int(text.get("retries", 3)),
    )


def seconds_of(text: str) -> float:
    """Seconds of a compose duration like `1m30s`.

    Raises:
        SettingsInvalid: it is none.
    """
    if not re.fullmatch(r"(\d+(?:\.\d+)?(?:ms|s|m|h))+", text):
        raise SettingsInvalid(f"{text!r} is no duration like 90s or 1m30s.")
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text))
