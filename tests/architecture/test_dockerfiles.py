"""Both Dockerfiles against each other, the compose file, pyproject.toml and the code; no engine is needed (tests/images has one)."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path
from typing import Any

import grimp
import pytest
import yaml
from packaging.requirements import Requirement

from tests.images.contents import PROJECT, normalised, own_modules, wanted
from tests.images.table import BASE_TAG, IMAGES, LEFT_OUT, ROOT, USER, Image
from workers.__main__ import COMMANDS
from workers.__main__ import LEFT_OUT as TOLD_AS_LEFT_OUT

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
BY_NAME = {image.name: image for image in IMAGES}
every_image = pytest.mark.parametrize("image", IMAGES, ids=[image.name for image in IMAGES])
every_file = pytest.mark.parametrize("dockerfile", sorted({image.dockerfile for image in IMAGES}))
# The two GPU images differ in their torch alone.
DISTINCT = [image for image in IMAGES if not image.build_args]
# The service whose command and check its image has as well, so that it runs without the compose file.
ALONE = {"smilereel-cpu": "cpu", "smilereel-desk": "metrics", "smilereel-gpu": "gpu", "smilereel-gpu-on-cpu": "gpu-on-cpu"}

# Asked for in vain, these give a sentence: only the service `migrate` changes tables, and its image has what that takes.
SAID_IN_A_SENTENCE = {"cpu": set[str](), "gpu": {"alembic"}, "desk": set[str]()}


def text_of(dockerfile: str) -> str:
    """The file with its continued lines joined and its comments gone."""
    lines = [line for line in (ROOT / dockerfile).read_text().splitlines() if not line.startswith("#")]
    return "\n".join(lines).replace("\\\n", " ")


def stages_of(dockerfile: str) -> dict[str, tuple[str, str]]:
    """Stage -> what it begins from, and its text."""
    parts = re.split(r"^FROM (\S+) AS ([\w-]+)$", text_of(dockerfile), flags=re.MULTILINE)[1:]
    return {name: (base, body) for base, name, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True)}


def whole(image: Image) -> str:
    """What goes into an image: its target, the stages that it begins from, and the one whose files it copies."""
    stages = stages_of(image.dockerfile)
    text, left = "", [image.target]
    while left:
        base, body = stages[left.pop()]
        text = f"{body}\n{text}"
        left += [name for name in (base, *re.findall(r"--from=([\w-]+)", body)) if name in stages]
    return text


def defaults(text: str) -> str:
    """A compose value with `${NAME:-default}` as its default and `$$` as the shell sees it."""
    listening = text.replace("${LISTEN:-0.0.0.0}", "0.0.0.0")
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", listening).replace("$$", "$")


@every_file
def test_base_is_one_exact_tag_and_its_python_is_the_tests_own(dockerfile: str) -> None:
    text = text_of(dockerfile)
    assert re.findall(r"^ARG BASE=(\S+)$", text, re.MULTILINE) == [f"python:{BASE_TAG}"]
    stages = stages_of(dockerfile)
    assert {base for base, _ in stages.values()} - set(stages) == {"${BASE}"}
    version = [int(part) for part in BASE_TAG.split("-")[0].split(".")]
    assert len(version) == 3
    assert version[:2] == [3, 11], "mypy, ruff and CI run on 3.11: the images have what was tested"


@every_image
def test_image_installs_its_own_extras_from_a_builder_that_stays_behind(image: Image) -> None:
    text = whole(image)
    assert set(re.findall(r"--extra[ =](\w+)", text)) == set(image.extras)
    assert text.count("--mount=type=cache") == text.count("pip install"), "each install keeps its cache outside the image"
    last = stages_of(image.dockerfile)[image.target][1]
    assert "pip install" not in last
    assert re.search(r"COPY --from=[\w-]+ /opt/smilereel /opt/smilereel", last)
    assert re.search(rf"^USER {USER}:{USER}$", text, re.MULTILINE)
    assert "useradd --uid 10001 --gid 10001" in text, "the images share volumes, so a number"


@every_image
def test_image_carries_all_but_the_other_rooms(image: Image) -> None:
    text = whole(image)
    assert re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE) == [
        "pyproject.toml README.md LICENSE ./",
        "shared shared",
        "workers workers",
    ]
    removed = {word for line in re.findall(r"rm -rf ([^&]*)&&", text) for word in line.split()}
    assert removed == {f"workers/{name}" for name in image.left_out}


@every_image
def test_labels_tell_release_and_licence(image: Image) -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', stages_of(image.dockerfile)[image.target][1]))
    assert labels["version"] == PROJECT["version"]
    assert labels["licenses"] == PROJECT["license"]
    assert labels["title"]
    assert labels["description"]


@every_image
def test_image_alone_starts_and_asks_what_compose_starts_and_asks(image: Image) -> None:
    service = SERVICES[ALONE[image.name]]
    last = stages_of(image.dockerfile)[image.target][1]
    started = json.loads(re.findall(r"^CMD (\[.*\])$", last, re.MULTILINE)[0])
    assert started == shlex.split(defaults(service["command"]))
    asked = json.loads(re.findall(r"^HEALTHCHECK .*CMD (\[.*\])$", last, re.MULTILINE)[0])
    in_compose = defaults(service["healthcheck"]["test"][1])
    assert asked in (["sh", "-c", in_compose], shlex.split(in_compose))
    if "/tmp/alive" in in_compose:
        assert "SMILEREEL_ALIVE_FILE=/tmp/alive" in whole(image)


@pytest.mark.parametrize("name", sorted(OURS))
def test_compose_builds_the_image_that_it_names(name: str) -> None:
    service = OURS[name]
    image_name, release = service["image"].split(":")
    image, build = BY_NAME[image_name], service["build"]
    assert release == PROJECT["version"]
    assert (build["dockerfile"], build["target"]) == (image.dockerfile, image.target)
    assert build.get("args", {}) == image.build_args


def entries_of(service: dict[str, Any]) -> set[str]:
    """The modules that a service's command begins with."""
    words = shlex.split(defaults(service["command"]))
    if words[0] == "smilereel":
        return {"workers.__main__", f"workers.commands.{words[1]}"}
    taken = {words[words.index(flag) + 1].split(":")[0] for flag in ("-A", "-I", "--scheduler") if flag in words}
    assert words[0] == "celery"
    return taken


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("shared", "workers", include_external_packages=True, cache_dir=None)


def packages_of(image: Image) -> set[str]:
    """All distributions that an image's extras bring, and theirs in turn, as far as they are installed here."""
    found: set[str] = set()
    left = [Requirement(name) for name in wanted(image.extras)]
    left += [
        Requirement(line)
        for extra in image.extras
        for line in PROJECT["optional-dependencies"][extra]
        if "smilereel[" not in line
    ]
    while left:
        requirement = left.pop()
        name = normalised(requirement.name)
        found.add(name)
        try:
            lines = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        for each in map(Requirement, lines):
            extras = [*requirement.extras, ""]
            if normalised(each.name) not in found and (
                each.marker is None or any(each.marker.evaluate({"extra": e}) for e in extras)
            ):
                left.append(each)
    return found


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_module_that_a_services_command_imports_is_inside(name: str, imports: grimp.ImportGraph) -> None:
    """Late imports, within functions, count as well: they are met when the service has long been running."""
    image = BY_NAME[OURS[name]["image"].split(":")[0]]
    carried = {
        module.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for module in own_modules(ROOT, image.not_inside)
    }
    entries = entries_of(OURS[name])
    reached = set(entries)
    for entry in entries:
        reached |= imports.find_upstream_modules(entry)
    ours = {module for module in reached if module.split(".")[0] in {"shared", "workers"}}
    assert ours - carried == set()
    brought, owners = packages_of(image), packages_distributions()
    foreign = {module.split(".")[0] for module in reached - ours} - set(sys.stdlib_module_names)
    strangers = {module for module in foreign if not {normalised(owner) for owner in owners.get(module, [])} & brought}
    assert strangers - SAID_IN_A_SENTENCE[image.target] == set(), f"{image.name} lacks what {name} imports"


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The code of each image as a folder, by the image's name."""
    folders = {}
    for image in DISTINCT:
        folders[image.name] = tmp_path_factory.mktemp(image.name)
        for module in own_modules(ROOT, image.not_inside):
            if not module.endswith(".safetensors"):
                target = folders[image.name] / module
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / module, target)
    return folders


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workers", *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("image", DISTINCT, ids=[image.name for image in DISTINCT])
def test_help_names_every_command_in_an_image_that_has_not_all(image: Image, carried: dict[str, Path]) -> None:
    helped = call(carried[image.name], "--help")
    assert helped.returncode == 0, helped.stderr
    assert all(command in helped.stdout for command in COMMANDS)


@pytest.mark.parametrize("words", [["train", "smile", "--minutes", "3"], ["demo", "--out", "x"], ["detect", "x"]])
def test_a_command_that_an_image_leaves_out_says_so_in_a_sentence(words: list[str], carried: dict[str, Path]) -> None:
    refused = call(carried["smilereel-cpu"], *words)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"smilereel: `smilereel {words[0]}` needs workers.")
    assert refused.stderr.count("\n") == 1
    assert "image leaves out" in refused.stderr


def test_a_wrong_option_is_still_refused(carried: dict[str, Path]) -> None:
    refused = call(carried["smilereel-cpu"], "status", "lesson-1", "--nonsense")
    assert refused.returncode == 2
    assert "unrecognized arguments: --nonsense" in refused.stderr


def test_the_context_is_an_allow_list() -> None:
    rules = [rule for rule in (ROOT / ".dockerignore").read_text().splitlines() if not rule.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == {"pyproject.toml", "README.md", "LICENSE", "shared", "workers"}
    dropped = {rule for rule in rules[1:] if not rule.startswith(("!", "**"))}
    assert dropped == {f"workers/{name}" for name in LEFT_OUT}
    assert all((ROOT / rule).is_dir() for rule in dropped)


def test_what_the_images_leave_out_is_what_the_command_line_knows_of() -> None:
    left_out = {f"workers.{name}" for image in IMAGES for name in image.not_inside}
    assert set(TOLD_AS_LEFT_OUT) == left_out


def test_every_extra_of_an_image_is_one_of_the_projects() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {extra for image in IMAGES for extra in image.extras} <= set(extras)
