"""A service of docker-compose.yml as a container of podman: the file's own words in, a running container out."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any

from .engine import Engine, ImagesFault

# Printed inside: who runs it, what it may do, where it may write.
_PROBE = (
    'id -u; grep -E "^(CapEff|NoNewPrivs):" /proc/self/status | cut -f2; '
    "for place in / /opt/smilereel/lib /tmp; do touch $place/probe 2>/dev/null && echo writes $place; done; true"
)
GUARDED = ["10001", "0000000000000000", "1", "writes /tmp"]


def options_of(service: Mapping[str, Any], secrets: Mapping[str, Any]) -> list[str]:
    """podman's options for a service whose variables are replaced; the host's network, since its neighbours are processes there."""
    options = ["--network", "host"]
    options += [f"--{name.replace('_', '-')}" for name in ("init", "read_only") if service.get(name)]
    options += [f"--tmpfs={each}" for each in service.get("tmpfs", [])]
    options += [f"--security-opt={each.split(':')[0]}" for each in service.get("security_opt", [])]
    options += [f"--cap-drop={each}" for each in service.get("cap_drop", [])]
    options += [f"--env={name}={value}" for name, value in (service.get("environment") or {}).items()]
    options += [f"--volume={secrets[name]['file']}:/run/secrets/{name}:ro" for name in service.get("secrets", [])]
    for each in service.get("volumes", []):
        options.append(f"--volume={each if isinstance(each, str) else each['source'] + ':' + each['target'] + ':ro'}")
    limits = service["deploy"]["resources"]["limits"]
    options += [f"--memory={limits['memory']}", f"--pids-limit={limits['pids']}"]
    check = service.get("healthcheck") or {}
    # Nobody asks by itself: podman leaves that to systemd, which need not run here.
    options += ["--health-interval=disable"]
    options += [f"--health-cmd={json.dumps(check['test'])}"] if "test" in check else []
    return options


def image_of(service: Mapping[str, Any]) -> str:
    """The name under which the builder left the service's image."""
    return f"localhost/{str(service['image']).split(':', 1)[0]}:try"


def run(engine: Engine, name: str, service: Mapping[str, Any], secrets: Mapping[str, Any]) -> None:
    """Start a service and leave it running.

    Raises:
        ImagesFault: it does not start.
    """
    words = shlex.split(service["command"])
    engine.run("podman", "run", "--detach", "--name", name, *options_of(service, secrets), image_of(service), *words)


def launch(engine: Engine, name: str, service: Mapping[str, Any], secrets: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
    """Run a service to its end, whatever that is.

    Raises:
        ImagesFault: it still runs after three minutes.
    """
    words = ["--name", name, *options_of(service, secrets), image_of(service), *shlex.split(service["command"])]
    try:
        return engine.run("podman", "run", *words, check=False, seconds=180)
    finally:
        engine.run("podman", "rm", "--force", "--time", "1", name, check=False)


def command_faults(engine: Engine, image: str, loads: str) -> Iterator[str]:
    """What is wrong with what the image can run.

    Its command line must name all commands and refuse in a sentence what no image has; `loads`, modules, must be importable.
    """
    tries = ((("smilereel", "--help"), 0), (("smilereel", "train", "smile"), 1), (("python", "-c", f"import {loads}"), 0))
    options = [
        "--no-healthcheck",
        "--network",
        "none",
        "--read-only",
        "--tmpfs=/tmp",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
    ]
    for words, code in tries:
        done = engine.run("podman", "run", "--rm", *options, image, *words, check=False, seconds=180)
        said = (done.stdout + done.stderr).strip()
        if done.returncode != code or "Traceback" in said or (code and len(said.splitlines()) != 1):
            yield f"`{' '.join(words)}` ends with {done.returncode}: {said.splitlines()[-1] if said else 'nothing was said'}"


def well_within(engine: Engine, name: str, seconds: float) -> None:
    """Wait until the service's own health check passes.

    Raises:
        ImagesFault: it ended, or did not get well in time; says what the service said last.
    """
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if engine.run("podman", "healthcheck", "run", name, check=False).returncode == 0:
            return
        if engine.run("podman", "inspect", "--format", "{{.State.Running}}", name, check=False).stdout.strip() == "false":
            break
        time.sleep(0.5)
    said = engine.run("podman", "logs", "--tail", "3", name, check=False)
    waited = time.monotonic() - began
    raise ImagesFault(f"{name} is not well after {waited:.0f} s; it says: {(said.stdout + said.stderr).strip()[-600:]}")


def is_guarded(engine: Engine, name: str) -> bool:
    """Whether what runs inside is the user that it should be, with no rights, and can write into memory alone."""
    return inside(engine, name, "sh", "-c", _PROBE).split("\n")[:-1] == GUARDED


def inside(engine: Engine, name: str, *words: str) -> str:
    """What a command inside a running container prints.

    Raises:
        ImagesFault: it fails.
    """
    return engine.run("podman", "exec", name, *words).stdout


def stopped(engine: Engine, name: str, seconds: int = 60) -> tuple[float, int]:
    """Ask a container to end as compose does; seconds that it took, and its exit code."""
    began = time.monotonic()
    engine.run("podman", "stop", "--time", str(seconds), name, check=False)
    took = time.monotonic() - began
    code = engine.run("podman", "inspect", "--format", "{{.State.ExitCode}}", name).stdout.strip()
    engine.run("podman", "rm", "--force", name)
    return took, int(code)
