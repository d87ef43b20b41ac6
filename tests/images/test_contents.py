"""The checks of an image's inside against folders that are made wrong on purpose; no engine, no image."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from .contents import PROJECT, faults_of, packages_in, wanted
from .table import IMAGES
from .weighing import parts_of

GPU = next(image for image in IMAGES if image.name == "smilereel-gpu-on-cpu")
MEGABYTE = 1_000_000


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """The code that the image is built from, in small."""
    folder = tmp_path / "context"
    _write(folder / "shared/lesson.py", "")
    _write(folder / "workers/gpu/tasks.py", "")
    _write(folder / "workers/cpu/tasks.py", "")
    _write(folder / "workers/gpu/weights/smile.safetensors", "weights")
    digest = sha256(b"weights").hexdigest()
    _write(folder / "workers/gpu/weights/manifest.json", json.dumps({"smile": {"file": "smile.safetensors", "sha256": digest}}))
    return folder


@pytest.fixture
def root(tmp_path: Path, context: Path) -> Path:
    """A sound image's files."""
    packages = tmp_path / "root/opt/smilereel/lib/python3.11/site-packages"
    for name in ("shared/lesson.py", "workers/gpu/tasks.py", "workers/gpu/weights/smile.safetensors"):
        _write(packages / name, (context / name).read_text())
    _write(packages / "workers/gpu/weights/manifest.json", (context / "workers/gpu/weights/manifest.json").read_text())
    for name in wanted(GPU.extras):
        _install(packages, name)
    return tmp_path / "root"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _install(packages: Path, name: str) -> None:
    _write(packages / f"{name.replace('-', '_')}-1.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")


def _config() -> dict[str, Any]:
    labels = {"version": PROJECT["version"], "licenses": PROJECT["license"], "title": "a", "description": "b"}
    return {
        "User": "10001:10001",
        "Healthcheck": {"Test": ["CMD", "true"]},
        "Cmd": ["celery"],
        "Labels": {f"org.opencontainers.image.{name}": value for name, value in labels.items()},
        "Env": ["PATH=/opt/smilereel/bin"],
    }


def test_a_sound_image_has_no_fault(context: Path, root: Path) -> None:
    assert faults_of(GPU, context, root, _config(), 1000 * MEGABYTE) == []


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"User": ""}, "it runs as root"),
        ({"Healthcheck": None}, "it has no health check"),
        ({"Cmd": None}, "it starts nothing by itself"),
        ({"Env": ["UV_INDEX_URL=https://name:word@example.org"]}, "its environment holds UV_INDEX_URL"),
        ({"Env": ["SMILEREEL_REDIS_PASSWORD=word"]}, "its environment holds SMILEREEL_REDIS_PASSWORD"),
        ({"Labels": {}}, "it lacks a title or a description"),
    ],
)
def test_a_wrong_configuration_is_a_fault(context: Path, root: Path, changed: dict[str, Any], fault: str) -> None:
    assert fault in faults_of(GPU, context, root, {**_config(), **changed}, MEGABYTE)


def _break(name: str) -> Callable[[Path], None]:
    return lambda packages: (packages / name).unlink()


def _plant(name: str, text: str = "x") -> Callable[[Path], None]:
    return lambda packages: _write(packages / name, text)


PRIVATE_KEY = f"-----BEGIN {'PRIVATE'} KEY-----\n{'A' * 64}\n"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (_break("workers/gpu/tasks.py"), "workers/gpu/tasks.py is missing"),
        (_plant("workers/cpu/tasks.py"), "workers/cpu/tasks.py has come along"),
        (_plant("workers/training/run.py"), "workers/training/run.py has come along"),
        (lambda packages: shutil.rmtree(packages / "torch-1.dist-info"), "torch is missing"),
        (lambda packages: _install(packages, "av"), "av has come along"),
        (_plant("workers/gpu/weights/smile.safetensors", "others"), "the weights of smile do not have the manifest's SHA-256"),
        (_plant("../../../../../root/.cache/uv/wheel"), "/root/.cache is not empty"),
        (_plant("../../../../../run/secrets/redis", "word"), "/run/secrets is not empty"),
        (_plant("../../../bin/uv"), "/opt/smilereel/bin/uv has stayed"),
        (_plant("pip.conf"), "/opt/smilereel/lib/python3.11/site-packages/pip.conf has come along"),
        (_plant("tls/server.pem", PRIVATE_KEY), "/opt/smilereel/lib/python3.11/site-packages/tls/server.pem holds a private key"),
        (
            lambda packages: (packages / "shared/lesson.py").chmod(0o666),
            "/opt/smilereel/lib/python3.11/site-packages/shared/lesson.py is writable to its user",
        ),
    ],
)
def test_wrong_files_are_a_fault(context: Path, root: Path, change: Callable[[Path], None], fault: str) -> None:
    change(packages_in(root))
    assert fault in faults_of(GPU, context, root, _config(), MEGABYTE)


def test_an_image_over_its_budget_is_a_fault(context: Path, root: Path) -> None:
    faults = faults_of(GPU, context, root, _config(), (GPU.budget_mb + 1) * MEGABYTE)
    assert faults == [f"it weighs {GPU.budget_mb + 1} MB, over its budget of {GPU.budget_mb} MB"]


def test_parts_add_up_to_the_image(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/lib.so").write_bytes(bytes(20 * MEGABYTE))
    (tmp_path / "six.py").write_bytes(bytes(2 * MEGABYTE))
    (tmp_path / "workers").mkdir()
    (tmp_path / "workers/weights").write_bytes(bytes(3 * MEGABYTE))
    parts = parts_of(tmp_path, 125 * MEGABYTE)
    assert parts == {"base and the rest": 100, "torch": 20, "smilereel": 3, "other packages": 2}
    assert list(parts) == ["base and the rest", "torch", "smilereel", "other packages"]
