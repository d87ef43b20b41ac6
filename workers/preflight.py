"""What a process looks at before it starts: what is wrong ends it with one sentence, what is merely away is waited for.

Loaded by `app.py` for workers; beat and the commands that serve call `require`. The checks are the doctor's.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery.signals import celeryd_init

from shared.errors import ServiceError, SettingsInvalid
from shared.settings import Settings, load_settings

if TYPE_CHECKING:
    from workers.doctor.findings import Finding

log = logging.getLogger(__name__)


class NotReady(ServiceError):
    """Something that the process needs is wrong, so it does not start."""


def require(role: str, settings: Settings | None = None) -> None:
    """Look at what the role needs, in well under a second where everything answers.

    Args:
        role: cpu, gpu, beat, web, metrics or flower.
        settings: of this process; by default those of its environment.

    Raises:
        NotReady: says in one sentence what is wrong and what to do. A part that is away is only warned of.
    """
    settings = settings or load_settings()
    for finding in _findings(role, settings):
        if finding.refuses:
            raise NotReady(_as_sentence(finding.told))
        if finding.verdict == "failure" or (finding.verdict == "warning" and finding.subject == "fleet"):
            log.warning("%s", _as_sentence(finding.told))


def settings_for(program: str) -> Settings:
    """The settings, for a module that is imported by programs of others, which would show a traceback where they are wrong.

    Args:
        program: what was called, as in `sys.argv[0]`.

    Raises:
        SettingsInvalid: names the setting, wherever our own command line can tell it.
        SystemExit: Celery's command line was called; the sentence was told.
    """
    try:
        return load_settings()
    except SettingsInvalid as error:
        if not _is_celery(program):
            raise
        _complain(error.message)
        raise SystemExit(1) from None


@celeryd_init.connect  # type: ignore[untyped-decorator]
def before_worker(options: dict[str, Any] | None = None, **_: object) -> None:
    """Called by Celery before a worker says or starts anything. What Celery raises itself it only logs, but not an exit."""
    try:
        for role in roles_of((options or {}).get("queues")):
            require(role)
    except ServiceError as error:
        _complain(error.message)
        raise SystemExit(1) from None


def roles_of(queues: str | Iterable[str] | None) -> list[str]:
    """Whose work the queues of `celery worker -Q` carry; without any, both rooms'."""
    names = queues.split(",") if isinstance(queues, str) else list(queues or ("cpu", "gpu"))
    return sorted({room for name in names if (room := name.strip().partition(".")[0]) in {"cpu", "gpu"}})


def _findings(role: str, settings: Settings) -> Iterator[Finding]:
    """What takes no network first."""
    from workers.doctor import roles

    needs = roles.NEEDS[role]
    if roles.WEIGHTS in needs and settings.models == "released":
        from workers.doctor.device import check_device, n_cards
        from workers.doctor.weights import check_weights

        yield from check_weights()
        yield from check_device(settings.device, n_cards() if settings.device == "cuda" else None)
    if roles.REDIS in needs:
        from workers.doctor.redis_server import check_redis

        yield from check_redis(settings.redis_url, role)
    if roles.DATABASE in needs:
        from workers.doctor.database import check_database

        yield from check_database(settings.database_url, role)
    if roles.STORE in needs:
        from workers.doctor.store import check_store_elsewhere

        yield from check_store_elsewhere(settings, writes=role in roles.WORKERS)
    if roles.FLEET in needs:
        from workers.doctor.fleet import check_releases, running

        yield from check_releases(running(settings.redis_url), roles.release())


def _is_celery(program: str) -> bool:
    path = Path(program)
    return path.name == "celery" or (path.name == "__main__.py" and path.parent.name == "celery")


def _as_sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _complain(message: str) -> None:
    print(f"smilereel: {message}", file=sys.stderr, flush=True)  # noqa: T201
