"""All checks that a role needs, one after another; one that stumbles is a finding itself. Called by `smilereel doctor`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from shared.errors import ServiceError, SmilereelError
from shared.settings import Settings

from . import roles
from .codecs import check_codecs
from .database import check_database
from .device import check_device, check_torch, n_cards
from .embedded import embedded_parts
from .extras import check_extras
from .findings import Finding, Report, Verdict, failure, ok, warning
from .fleet import check_fleet
from .odds import check_settings
from .open_doors import DOORS
from .redis_server import check_redis
from .store import check_store
from .weights import check_weights

Check = tuple[str, Callable[[], Iterable[Finding]]]


def examine(settings: Settings, role: str | None, *, embedded: bool) -> Report:
    """Look at everything that the role needs.

    Args:
        settings: of this process.
        role: one of `roles.NEEDS`; None: all of them.
        embedded: start Valkey, a ledger and a store of one's own, look at those, and stop them.
    """
    findings = list(_embedded(settings, role) if embedded else _all(settings, role, embedded=False))
    sound = all(finding.verdict is not Verdict.FAILURE for finding in findings)
    return Report(release=roles.release(), role=role, embedded=embedded, ok=sound, findings=findings)


def _embedded(settings: Settings, role: str | None) -> Iterator[Finding]:
    try:
        with embedded_parts(settings) as placed:
            yield ok("embedded.start", "Valkey, a ledger in SQLite and a store in a folder start.")
            yield from _all(placed, role, embedded=True)
        yield ok("embedded.stop", "They stop, and nothing of them is left.")
    except ServiceError as error:
        sentence, _, advice = error.message.partition("; ")
        installed = not error.message.startswith("The embedded run needs")
        yield (failure if installed else warning)("embedded.start", sentence, advice)
        yield from _without_servers(settings, role)


def _all(settings: Settings, role: str | None, *, embedded: bool) -> Iterator[Finding]:
    needs = roles.NEEDS[role] if role else frozenset().union(*roles.NEEDS.values())
    checks: list[Check] = []
    if roles.REDIS in needs:
        checks.append(("redis", lambda: check_redis(settings.redis_url, role, embedded=embedded)))
    if roles.DATABASE in needs:
        checks.append(("database", lambda: check_database(settings.database_url, role)))
    if roles.STORE in needs:
        checks.append(("store", lambda: check_store(settings, writes=role != "web")))
    for name, check in checks:
        yield from _guarded(name, check)
    yield from _without_servers(settings, role)
    if embedded:
        return  # Its doors are a folder of this user's, and nobody works there.
    for door in DOORS:
        yield from _guarded("doors", lambda door=door: door(settings))  # type: ignore[misc]
    if roles.FLEET in needs:
        yield from _guarded("fleet", lambda: check_fleet(settings))


def _without_servers(settings: Settings, role: str | None) -> Iterator[Finding]:
    needs = roles.NEEDS[role] if role else frozenset().union(*roles.NEEDS.values())
    yield from _guarded("extras", lambda: check_extras(settings, role))
    if roles.WEIGHTS in needs and settings.models == "released":
        yield from _guarded("weights", check_weights)
    if roles.DEVICE in needs:
        cards = n_cards()
        yield from _guarded("device", lambda: check_device(settings.device, cards))
        yield from _guarded("device", lambda: check_torch(settings.device, cards))
    if roles.CODECS in needs:
        yield from _guarded("codecs", lambda: _codecs(role))
    yield from _guarded("settings", lambda: _settings(settings))


def _codecs(role: str | None) -> Iterator[Finding]:
    """Where nobody said that this is a CPU worker's machine, what is not installed is told by the extras alone."""
    for finding in check_codecs():
        if role is not None or not finding.sentence.startswith("Videos cannot be read without"):
            yield finding


def _settings(settings: Settings) -> Iterator[Finding]:
    from workers.app import app

    yield from check_settings(settings, app.conf)


def _guarded(name: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except SmilereelError as error:
        sentence, _, advice = error.message.partition("; ")
        yield failure(f"{name}.check", sentence, advice)
    except Exception as error:  # noqa: BLE001  (the other checks still have something to tell)
        sentence = f"The check of {name} stumbled itself ({type(error).__name__})"
        yield failure(f"{name}.check", sentence, "report it, with what `smilereel doctor --debug` says.")
