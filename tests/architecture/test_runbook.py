"""The runbook names commands, options, services, settings and pages that there are, and each page has the same five parts."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from shared.settings import PREFIX, Settings
from workers.__main__ import COMMANDS, build_parser

ROOT = Path(__file__).parents[2]
RUNBOOK = ROOT / "docs" / "runbook"
PAGES = sorted(RUNBOOK.glob("*.md"))
PARTS = ["What you see", "What it means", "What to do", "How to know that it is over", "What not to do"]
WANTED = {
    "card-fails", "database-restored", "erasure", "key-rotation", "lesson-hangs", "model-release", "queue-grows", "redis-lost", "upgrade",
}  # fmt: skip
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
# At the beginning, after another command, or in one of compose's services; not PostgreSQL's user of that name.
CALL = re.compile(r"(?:^|&& |(?:--rm|exec|-T) [a-z-]+ )(smilereel [a-z].*)")
STAND_FOR = {"…": "", "NODE": "cpu@host", "PUPIL": "pupil-1", "LESSON": "lesson-1"}


def calls(page: Path) -> list[str]:
    """All calls of our own command, in blocks and in the text."""
    text = page.read_text()
    lines = [line.strip() for block in BLOCK.findall(text) for line in block.splitlines()]
    lines += re.findall(r"`(smilereel [^`\n]+)`", BLOCK.sub("", text))
    return [found.group(1) for line in lines if (found := CALL.search(line))]


def words_of(call: str) -> list[str]:
    """Its arguments, without what the shell does with them and with ids in the place of what stands for them."""
    words = shlex.split(re.split(r" #| > | \| | && ", call)[0])[1:]
    return [STAND_FOR.get(word, word) for word in words if word != "…"]


def help_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    names = [words[0], *(words[1:2] if words[0] == "worker" else [])]
    with pytest.raises(SystemExit) as leaving:
        build_parser().parse_args([*names, "--help"])
    assert leaving.value.code == 0, names
    return capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_and_option_is_there(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = calls(page)
    assert found, "a page without a command helps nobody"
    for call in found:
        words = words_of(call)
        assert not words or words[0] in COMMANDS, call
        if words:
            text = help_of(words, capsys)
            missing = [word for word in words if word.startswith("--") and not re.search(rf"{word}\b", text)]
            assert not missing, call


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_line_to_be_typed_is_understood(page: Path) -> None:
    for block in BLOCK.findall(page.read_text()):
        for line in block.splitlines():
            words = words_of(found.group(1)) if (found := CALL.search(line.strip())) else []
            if words and "--help" not in words:
                build_parser().parse_args(words)


def test_a_wrong_command_is_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\nsmilereel drain --all\ndocker compose run --rm migrate smilereel lessons --nothing  # x\n```\n")
    first, second = (words_of(call) for call in calls(page))
    assert first[0] not in COMMANDS
    assert second[1] not in help_of(second, capsys)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_services_and_settings_are_there(page: Path) -> None:
    text = page.read_text()
    for link in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), link
        headings = {
            re.sub(r"[^a-z -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in target.read_text().splitlines()
        }
        assert not anchor or anchor in headings, link
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    scaled = re.findall(r"--scale ([a-z-]+)=", text)
    plain = re.sub(r' -e [A-Z]+(="[^"]*")?', "", text)
    named = re.findall(r"docker compose (?:run|exec|restart|stop|logs)(?: -\S+(?: [0-9]+)?)* ([a-z-]+)", plain)
    assert {*scaled, *named} <= set(services)
    settings = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"SMILEREEL_[A-Z0-9_]+", text)) <= settings


def test_every_page_has_the_same_parts_and_stands_in_the_list() -> None:
    assert {page.stem for page in PAGES} == {*WANTED, "README"}
    index = (RUNBOOK / "README.md").read_text()
    for name in WANTED:
        assert f"]({name}.md)" in index
        headings = re.findall(r"^## (.+)$", (RUNBOOK / f"{name}.md").read_text(), re.MULTILINE)
        told = list(dict.fromkeys(heading.partition(":")[0] for heading in headings))
        assert told[: len(PARTS)] == PARTS, name


def test_every_alert_has_its_page() -> None:
    rules = yaml.safe_load((ROOT / "docs" / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
    for rule in rules:
        page = ROOT / rule["annotations"]["runbook"]
        assert page.is_file(), rule["alert"]
        assert rule["alert"] in page.read_text(), f"{page.name} does not say what {rule['alert']} is"
