"""Variables in a compose file's values, by the rules of the compose specification. Used by `compose.py`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from shared.errors import SettingsInvalid

_VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?:(?P<operator>:?[-?])(?P<word>[^{}]*))?\}|(?P<bare>[A-Za-z_]\w*))")


def interpolate(value: Any, variables: Mapping[str, str]) -> Any:
    """The value with `$NAME`, `${NAME}`, `${NAME:-default}` and `${NAME:?what to do}` replaced in every text in it, and `$$` as `$`.

    Raises:
        SettingsInvalid: a variable that has to be set is not; in the words of the file.
    """
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: _replaced(found, variables), value)
    if isinstance(value, dict):
        return {key: interpolate(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolate(item, variables) for item in value]
    return value


def _replaced(found: re.Match[str], variables: Mapping[str, str]) -> str:
    if found["escaped"]:
        return "$"
    name, operator, word = found["name"] or found["bare"], found["operator"] or "", found["word"] or ""
    value = variables.get(name)
    if value or (value == "" and not operator.startswith(":")):
        return value
    if operator.endswith("?"):
        raise SettingsInvalid(f"docker-compose.yml needs the variable {name}: {word or 'set it in .env'}.")
    return word if operator.endswith("-") else ""


def names_in(value: Any) -> dict[str, str]:
    """Every variable that a value asks for, with its default; "" where it has none."""
    if isinstance(value, str):
        return {
            found["name"] or found["bare"]: (found["word"] or "") if (found["operator"] or "").endswith("-") else ""
            for found in _VARIABLE.finditer(value)
            if not found["escaped"]
        }
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {name: default for item in items for name, default in names_in(item).items()}


def read_env_file(text: str) -> dict[str, str]:
    """What a `.env` file sets: NAME=value a line, quotes around a value taken off, lines that begin with # left out."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if not equals or line.lstrip().startswith("#"):
            continue
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        found[name.removeprefix("export ").strip()] = value
    return found
