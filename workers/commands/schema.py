"""`smilereel schema`: the JSON Schema of LESSON.json, of what the calls answer, of the webhook's body, of the workers' messages."""

from __future__ import annotations

import argparse
import json

# Where each document's model is; imported only for the one that is asked for.
DOCUMENTS = {
    "lesson": "shared.lesson:Lesson",
    "job": "shared.answers:Job",
    "status": "shared.progress:LessonStatus",
    "reel": "shared.answers:PublishedReel",
    "erasure": "shared.answers:Erasure",
    "webhook": "shared.webhooks:WebhookEvent",
    "doctor": "workers.doctor.findings:Report",
    "messages": "shared.messages:AnyMessage",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "document",
        nargs="?",
        default="lesson",
        choices=DOCUMENTS,
        help="what is handed in (default), what enqueue, status, erase and doctor print, what the webhook and workers tell",
    )


def main(args: argparse.Namespace) -> int:
    """Print it."""
    from importlib import import_module

    from pydantic import TypeAdapter

    module, name = DOCUMENTS[args.document].split(":")
    schema = TypeAdapter(getattr(import_module(module), name)).json_schema()
    print(json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2))  # noqa: T201
    return 0
