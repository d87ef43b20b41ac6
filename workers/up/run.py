"""Puts a run together: variables, ports, secrets, services; runs it until Ctrl-C; takes it away. Called by the command."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from shared.errors import SettingsInvalid
from workers.local.lifeline import start_guardian, tell_guardian

from .cluster import Cluster
from .compose import Project, port_variables, read_document, read_project
from .control import is_running, listening
from .credentials import make_secrets
from .instance import Host
from .interpolate import interpolate, names_in, read_env_file
from .places import Places, make_places, root_of, translated
from .programs import provide, tidy

LOOPBACK = "127.0.0.1"
# SeaweedFS and others add 10,000 to a port for a second one.
HIGHEST_FREE_PORT = 18_999


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command was asked for."""

    file: Path
    scale: Mapping[str, int] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()
    keep: Path | None = None
    log: Path | None = None


def run(wishes: Wishes) -> int:
    """Run the file's services until SIGINT or SIGTERM; 0.

    Raises:
        SettingsInvalid: the file, its variables or what was asked for cannot be used.
        ServiceError: a service does not start.
    """
    document = read_document(wishes.file)
    root = root_of(wishes.file)
    if is_running(root / "control.sock"):
        raise SettingsInvalid("This compose file is up already: use --scale, --ps or --down, or end it first.")
    places = make_places(root, wishes.keep)
    guard = start_guardian([root])
    try:
        variables = _variables(document, wishes, places)
        project = read_project(document, variables, wishes.file.resolve().parent)
        wanted = chosen(project, wishes)
        make_secrets(project.secrets.values(), shared=False)
        provide([project.services[name] for name in wanted], places)
        _write_client(document, variables, project, places)
        with _log(wishes.log) as log:
            host = Host(places, project.secrets, partial(_say, log), partial(tell_guardian, guard), wishes.keep is None)
            try:
                asyncio.run(_until_told(Cluster(project, wanted, host), places))
            finally:
                tidy(project)
    finally:
        assert guard.stdin is not None  # noqa: S101  (opened with a pipe)
        guard.stdin.close()
        guard.wait()
        shutil.rmtree(root, ignore_errors=True)
    return 0


def _variables(document: Mapping[str, Any], wishes: Wishes, places: Places) -> dict[str, str]:
    """What the file's variables stand for: the environment, then .env, then this machine."""
    folder = wishes.file.resolve().parent
    env_file = folder / ".env"
    given = read_env_file(env_file.read_text(encoding="utf-8")) if env_file.exists() else {}
    given |= os.environ
    here = {f"{name}_HOST": LOOPBACK for name in ("REDIS", "POSTGRES", "STORE")} | {"LISTEN": LOOPBACK}
    for name, opens in port_variables(document).items():
        here[name] = _published(name, given, document) if opens else given.get(name) or str(_free_port())
    if not given.get("SECRETS_FOLDER"):
        standing = folder / "secrets"
        own = (wishes.keep.resolve() if wishes.keep is not None else places.root) / "secrets"
        here["SECRETS_FOLDER"] = str(standing if standing.is_dir() and wishes.keep is None else own)
    if not given.get("RECORDINGS_FOLDER"):
        recordings = folder / "recordings"
        here["RECORDINGS_FOLDER"] = str(recordings if recordings.is_dir() else places.root / "recordings")
        Path(here["RECORDINGS_FOLDER"]).mkdir(exist_ok=True)
    if not given.get("WEB_URL"):
        here["WEB_URL"] = f"http://{LOOPBACK}:{here.get('WEB_PORT', '8300')}"
    return given | here


def _published(name: str, given: Mapping[str, str], document: Mapping[str, Any]) -> str:
    port = given.get(name) or names_in(document["services"])[name]
    try:
        with socket.create_server((LOOPBACK, int(port))):
            return port
    except (OSError, ValueError, OverflowError):
        raise SettingsInvalid(
            f"Port {port} ({name}) is in use or is none; end what listens there, or set {name} to another."
        ) from None


def _free_port() -> int:
    """A port that nobody listens on, low enough for those who add 10,000."""
    for _ in range(1000):
        port = 10_000 + int.from_bytes(os.urandom(2)) % (HIGHEST_FREE_PORT - 10_000)
        try:
            with socket.create_server((LOOPBACK, port)):
                return port
        except OSError:
            continue
    raise SettingsInvalid("No port from 10000 to 18999 is free on this machine.")


def chosen(project: Project, wishes: Wishes) -> dict[str, int]:
    """How many instances of which service run.

    Without a card a service that wants one is run by the service that stands in for it.

    Raises:
        SettingsInvalid: --scale names no service, or too many.
    """
    scale = dict(wishes.scale)
    if unknown := set(scale) - set(project.services):
        raise SettingsInvalid(f"There is no service {min(unknown)}; there are {', '.join(sorted(project.services))}.")
    wanted: dict[str, int] = {}
    for name, service in project.services.items():
        active = not service.profiles or set(service.profiles) & set(wishes.profiles) or name in scale
        if active:
            wanted[name] = scale.get(name, service.replicas)
    for name, service in project.services.items():
        if service.without_card and name in wanted:
            if shutil.which("nvidia-smi") is None:
                count = wanted.pop(name)
                wanted[service.without_card] = scale.get(service.without_card, 0) + count
            elif service.without_card not in scale:
                wanted[service.without_card] = 0
    return {name: count for name, count in wanted.items() if count}


def _write_client(document: Mapping[str, Any], variables: Mapping[str, str], project: Project, places: Places) -> None:
    """A file with the environment of a lesson backend beside this run."""
    paths = {f"/run/secrets/{name}": path.resolve() for name, path in project.secrets.items()}
    lines = [
        f"{name}={translated(str(value), paths)}"
        for name, value in interpolate(dict(document.get("x-client") or {}), variables).items()
    ]
    (places.root / "client.env").write_text("\n".join(lines) + "\n")


class _Both:
    """Lines go to the terminal and, if one is named, to a file."""

    def __init__(self, file: TextIO | None) -> None:
        self._file = file

    def __enter__(self) -> _Both:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, line: str) -> None:
        for stream in (sys.stdout, self._file):
            if stream is not None:
                print(line, file=stream, flush=True)


def _log(path: Path | None) -> _Both:
    try:
        return _Both(path.open("a", encoding="utf-8") if path is not None else None)
    except OSError as error:
        raise SettingsInvalid(f"The log {path} cannot be written ({error.strerror}).") from None


def _say(log: _Both, name: str, line: str) -> None:
    log.write(f"{name:12} | {line}")


async def _until_told(cluster: Cluster, places: Places) -> None:
    """Start, wait for the end, stop; a second signal does not wait for anybody."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hear() -> None:
        if told.is_set():
            cluster.kill()
        told.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, hear)

    async def carry_out(order: dict[str, Any]) -> dict[str, Any]:
        for name, count in order.get("scale", {}).items():
            await cluster.scale(name, int(count))
        if order.get("down"):
            told.set()
        return {"instances": cluster.table()}

    began = time.monotonic()
    try:
        async with listening(places.control, carry_out):
            starting, ending = asyncio.create_task(cluster.start()), asyncio.create_task(told.wait())
            await asyncio.wait({starting, ending}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await starting
                _tell(cluster, places, time.monotonic() - began)
                await ending
            else:
                starting.cancel()
    finally:
        await cluster.stop()


def _tell(cluster: Cluster, places: Places, seconds: float) -> None:
    running = [each for each in cluster.instances if each.pid is not None]
    say = partial(cluster.host.say, "up")
    say(f"{len(running)} processes run, all well after {seconds:.0f} s; Ctrl-C ends them")
    for name, user in (("web", ""), ("flower", "flower"), ("metrics", "metrics")):
        service = cluster.project.services.get(name)
        if service is not None and name in cluster.wanted:
            port = service.ports[0].rsplit(":", 1)[1]
            secret = f", user {user}, password in {cluster.project.secrets[user]}" if user else ", password in its first lines"
            say(f"{name}: http://{LOOPBACK}:{port}/{secret}")
    say(f"a lesson backend: set -a; . {places.root / 'client.env'}; smilereel enqueue LESSON.json")
