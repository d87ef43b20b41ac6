"""The operator's commands called as from a shell, on a ledger of either database and with Redis away unless a test starts one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.settings import load_settings
from tests.unit.shared.conftest import Clock, bare_url, clock, emptied_url, ledger, ledger_url, postgres_server
from workers.__main__ import main

__all__ = ["Clock", "Said", "Smilereel", "bare_url", "clock", "emptied_url", "ledger", "ledger_url", "postgres_server"]


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    def complains(self, code: int, begin: str) -> None:
        """It printed one sentence that begins so, and nothing else."""
        assert (self.code, self.out) == (code, "")
        assert self.err.startswith(f"smilereel: {begin}"), self.err
        assert self.err.endswith(".\n")
        assert self.err.count("\n") == 1


Smilereel = Callable[..., Said]


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """No Redis, and no setting that an earlier test has read."""
    monkeypatch.setenv("SMILEREEL_REDIS_URL", f"redis+socket://{tmp_path}/none.sock")
    yield monkeypatch
    load_settings.cache_clear()


@pytest.fixture
def smilereel(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Smilereel:
    """Runs one command on the database at `at`, by default the one that the environment names."""

    def run(*arguments: str, at: str | None = None) -> Said:
        if at is not None:
            environment.setenv("SMILEREEL_DATABASE_URL", at)
        load_settings.cache_clear()
        capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture
def operator(smilereel: Smilereel, ledger_url: str, environment: pytest.MonkeyPatch) -> Smilereel:
    """`smilereel` on the test's ledger."""
    environment.setenv("SMILEREEL_DATABASE_URL", ledger_url)
    return smilereel
