"""What keeps `smilereel flower` from starting: one sentence each, exit code 1, nothing listens."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from shared.settings import load_settings
from tests.services.flower import free_port, password_file
from workers.__main__ import main


@pytest.fixture(autouse=True)
def _fresh_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    load_settings.cache_clear()
    monkeypatch.delenv("SMILEREEL_FLOWER_DB", raising=False)
    monkeypatch.delenv("SMILEREEL_FLOWER_PASSWORD_FILE", raising=False)


def complaint(capsys: pytest.CaptureFixture[str], *options: str, code: int = 1) -> str:
    """What it says when it does not start."""
    assert main(["flower", "--port", str(free_port()), *options]) == code
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


def test_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    assert "name it in SMILEREEL_FLOWER_PASSWORD_FILE" in complaint(capsys)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "cannot be read (No such file"),
        ("", "holds no secret"),
        ("fifteen-letters", "shorter than 16"),
        ("with a space in the middle", "may hold letters"),
        ("passwörter-sind-lang", "may hold letters"),
        ("a-long-first-line\nand another", "may hold letters"),
    ],
)
def test_a_password_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str | None, expected: str
) -> None:
    path = tmp_path / "missing" if text is None else password_file(tmp_path, text)
    monkeypatch.setenv("SMILEREEL_FLOWER_PASSWORD_FILE", str(path))
    told = complaint(capsys)
    assert expected in told
    assert str(path) in told
    assert not text or text not in told


@pytest.mark.parametrize(
    ("mode", "folder", "expected"), [(0o644, 0o755, "read"), (0o666, 0o700, "changed"), (0o620, 0o700, "changed")]
)
def test_a_password_that_others_get_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mode: int, folder: int, expected: str
) -> None:
    path = password_file(tmp_path)
    path.chmod(mode)
    real = Path.stat

    def stat(self: Path, **options: bool) -> object:
        # The test's own folders are closed further up.
        found = real(self, **options)
        return found if self == path else type("Mode", (), {"st_mode": 0o040000 | folder})()

    monkeypatch.setattr(Path, "stat", stat)
    monkeypatch.setenv("SMILEREEL_FLOWER_PASSWORD_FILE", str(path))
    assert f"can be {expected} by others: run `chmod 600`" in complaint(capsys)


def test_a_port_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SMILEREEL_FLOWER_PASSWORD_FILE", str(password_file(tmp_path)))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        told = complaint(capsys, "--port", str(taken.getsockname()[1]), code=2)
    assert "Address already in use" in told
    assert "give another port" in told


def test_a_history_that_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SMILEREEL_FLOWER_PASSWORD_FILE", str(password_file(tmp_path)))
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    assert "cannot be kept in" in complaint(capsys, "--db", str(tmp_path / "missing" / "history"))
    assert "cannot be written to" in complaint(capsys, "--db", str(tmp_path))
    assert "could not be trusted" in complaint(capsys, "--db", str(tmp_path / "open" / "history"))


@pytest.mark.parametrize(
    "options",
    [
        ["--port", "0"],
        ["--port", "x"],
        ["--max-tasks", "1"],
        ["--url-prefix", ""],
        ["--url-prefix", "/a b"],
        ["--url-prefix", "//evil.example"],
    ],
)
def test_a_wrong_call(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["flower", *options])
    assert leaving.value.code == 2
    assert options[0] in capsys.readouterr().err


def test_the_check_says_that_nobody_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SMILEREEL_FLOWER_PASSWORD_FILE", str(password_file(tmp_path)))
    assert "does not answer" in complaint(capsys, "--check")
