"""`smilereel schema`: the JSON Schema of LESSON.json, or of the webhook's body."""

from __future__ import annotations

import argparse
import json

# Where each document's model is; imported only for the one that is asked for.
DOCUMENTS = {"lesson": "shared.lesson:Lesson", "webhook": "shared.webhooks:WebhookEvent"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "document", nargs="?", default="lesson", choices=DOCUMENTS, help="what is handed in (default), or what the webhook tells"
    )


def main(args: argparse.Namespace) -> int:
    """Print it."""
    from importlib import import_module

    module, name = DOCUMENTS[args.document].split(":")
    schema = getattr(import_module(module), name).model_json_schema()
    print(json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2))  # noqa: T201
    return 0
