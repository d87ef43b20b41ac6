"""`smilereel schema`: the JSON Schema of LESSON.json."""

from __future__ import annotations

import argparse
import json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none."""


def main(_args: argparse.Namespace) -> int:
    """Print it."""
    from shared.lesson import Lesson

    schema = Lesson.model_json_schema()
    print(json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2))  # noqa: T201
    return 0
