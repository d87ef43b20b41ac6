"""A lesson through the images: Valkey, PostgreSQL and the S3 store by `smilereel up`, our services of the same file as containers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from workers.chaos.lessons import render_films
from workers.up.compose import port_variables, read_document
from workers.up.credentials import make_secrets
from workers.up.interpolate import interpolate

from .containers import image_of, inside, is_guarded, launch, run, stopped, well_within
from .engine import LARGE_TEMPORARY, Engine, ImagesFault
from .table import ROOT

LESSON = "lesson-1"
WITHIN_SECONDS = 240.0
# uvicorn closes what it serves and then hands SIGTERM on.
ENDS = (0, 128 + signal.SIGTERM)
DOCUMENT = {
    "lesson_id": LESSON,
    "student": [{"uri": "film-20.mp4", "started_at": "2026-11-20T10:00:00Z"}],
    "consent": {"process": True, "reel": True},
    "subject": "anyone",
}


def run_lesson(engine: Engine, models: str, gpu_on_cpu: str) -> bool:
    """Run one lesson; whether all was as it should be. Prints what it sees.

    Args:
        engine: has the images.
        models: `stand_in` or `released`.
        gpu_on_cpu: name of the image for the service of that name.

    Raises:
        ImagesFault: a service does not start or does not get well, or the lesson does not end.
    """
    with ExitStack() as leaving:
        folder = Path(leaving.enter_context(tempfile.TemporaryDirectory(prefix="images-", dir=LARGE_TEMPORARY)))
        services, secrets = leaving.enter_context(_neighbours(folder, models))
        services["gpu-on-cpu"]["image"] = f"{gpu_on_cpu}:try"
        ours = [name for name, service in services.items() if service.get("build") and not service.get("profiles")]
        leaving.callback(_remove, engine, ours)
        if (migrated := launch(engine, "migrate", services["migrate"], secrets)).returncode:
            raise ImagesFault(f"`smilereel migrate` ended with {migrated.returncode}: {migrated.stderr.strip()[-300:]}")
        sound = True
        ours.remove("migrate")
        began = time.monotonic()
        for name in ours:
            run(engine, name, services[name], secrets)
        for name in ours:
            well_within(engine, name, 180)
            guarded = is_guarded(engine, name)
            print(
                f"{models}: {name} seen well {time.monotonic() - began:.1f} s after the start{'' if guarded else ', NOT guarded'}"
            )
            sound = sound and guarded
        sound = _through(engine, models) and sound
        for name in ours:
            took, code = stopped(engine, name)
            print(f"{models}: {name} ended in {took:.1f} s with {code}")
            sound = sound and code in ENDS
        # Stand-in models need no card, so that service would simply run.
        return (models != "released" or _without_card(engine, services["gpu"], secrets)) and sound


def _through(engine: Engine, models: str) -> bool:
    began = time.monotonic()
    inside(engine, "cpu", "smilereel", "enqueue", "/srv/recordings/lesson.json")
    while time.monotonic() - began < WITHIN_SECONDS:
        status = json.loads(inside(engine, "cpu", "smilereel", "status", LESSON))
        if status["state"] not in {"accepted", "processing"}:
            print(
                f"{models}: the lesson is {status['state']} after {time.monotonic() - began:.1f} s, reel: {bool(status['reel'])}"
            )
            return status["state"] == "done" and bool(status["reel"])
        time.sleep(0.5)
    raise ImagesFault(f"The lesson did not end within {WITHIN_SECONDS:.0f} s; it is {status['state']}.")


def _without_card(engine: Engine, service: dict[str, Any], secrets: dict[str, Any]) -> bool:
    """Whether the image for cards, where no card is, ends with a sentence; skipped if it was not built, or where a card is."""
    if shutil.which("nvidia-smi") or engine.run("podman", "image", "exists", image_of(service), check=False).returncode:
        return True
    refused = launch(engine, "gpu", service, secrets)
    last = (refused.stdout + refused.stderr).strip().splitlines()[-1:]
    print(f"without a card, gpu ends with {refused.returncode}: {''.join(last)}")
    return refused.returncode != 0 and "Traceback" not in refused.stdout + refused.stderr


@contextmanager
def _neighbours(folder: Path, models: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """What comes in foreign images, as processes; then our services and the secrets, variables replaced."""
    document = read_document(ROOT / "docker-compose.yml")
    file = folder / "docker-compose.yml"
    shutil.copy(ROOT / "docker-compose.yml", file)
    recordings = folder / "recordings"
    render_films(recordings, with_faces=models == "released")
    (recordings / "lesson.json").write_text(json.dumps(DOCUMENT))
    make_secrets([folder / "secrets" / name for name in document["secrets"]], shared=True)
    variables = _variables(folder, models)
    scale = [f"--scale={name}=0" for name, service in document["services"].items() if "build" in service and name != "gpu"]
    log = folder / "up.log"
    up = subprocess.Popen(
        [sys.executable, "-m", "workers", "up", "--file", str(file), "--log", str(log), *scale],
        env={**os.environ, **variables},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        _until_well(up, log)
        whole = interpolate({key: document[key] for key in ("services", "secrets")}, variables)
        yield whole["services"], whole["secrets"]
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(60)


def _variables(folder: Path, models: str) -> dict[str, str]:
    document = read_document(ROOT / "docker-compose.yml")
    with ExitStack() as held:
        free = {name: held.enter_context(socket.create_server(("127.0.0.1", 0))) for name in port_variables(document)}
        found = {name: str(listener.getsockname()[1]) for name, listener in free.items()}
    found |= {f"{name}_HOST": "127.0.0.1" for name in ("REDIS", "POSTGRES", "STORE")}
    found |= {"LISTEN": "127.0.0.1", "WEB_URL": f"http://127.0.0.1:{found['WEB_PORT']}", "SMILEREEL_MODELS": models}
    return found | {"RECORDINGS_FOLDER": str(folder / "recordings"), "SECRETS_FOLDER": str(folder / "secrets")}


def _until_well(up: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and up.poll() is None:
        if log.exists() and "processes run, all well" in log.read_text():
            return
        time.sleep(0.2)
    raise ImagesFault(f"The neighbours do not start: {log.read_text()[-600:] if log.exists() else 'nothing was said'}")


def _remove(engine: Engine, names: list[str]) -> None:
    for name in names:
        engine.run("podman", "rm", "--force", "--time", "1", name, check=False)
    engine.run("podman", "volume", "prune", "--force", check=False)
