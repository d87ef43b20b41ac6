"""A lesson backend as a process of its own: hands lessons in at their seconds, tries again what fails, writes down what was accepted.

`python -m workers.chaos.client SPEC RECEIPTS`, started twice by `cluster.py`, so that each lesson comes twice at once.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any
from zlib import crc32

from shared.client import enqueue_lesson
from shared.errors import InputError
from workers.chaos import hooks

assert hooks  # noqa: S101  (loaded for what it changes here)

AGAIN_AFTER_SECONDS = 0.5


def main() -> None:
    """Hand everything in; each accepted lesson is a line of RECEIPTS."""
    specification: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text())
    began = float(specification["began_monotonic"])
    waiting = [(float(one["second"]), one["document"]) for one in specification["lessons"]]
    with Path(sys.argv[2]).open("a") as receipts:
        while waiting:
            second, document = waiting.pop(0)
            time.sleep(max(0.0, began + second - time.monotonic()))
            if (receipt := _hand_in(document)) is None:
                waiting.append((time.monotonic() - began + AGAIN_AFTER_SECONDS, document))
                waiting.sort(key=lambda item: item[0])
                continue
            receipts.write(json.dumps({**receipt, "second": round(time.monotonic() - began, 2)}) + "\n")
            receipts.flush()


def _in_bulk(lesson_id: str) -> bool:
    """Every third or so, whichever client hands it in."""
    return crc32(lesson_id.encode()) % 3 == 0


def _hand_in(document: dict[str, Any]) -> dict[str, Any] | None:
    """The receipt, or None where it has to be tried again."""
    started = time.monotonic()
    try:
        job = enqueue_lesson(document, bulk=_in_bulk(document["lesson_id"]))
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001  (a backend cannot know them all; each means: not accepted)
        print(f"{document['lesson_id']}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)  # noqa: T201
        return None
    return {
        "lesson_id": job.lesson_id,
        "created": job.created,
        "sent": job.sent,
        "took_seconds": round(time.monotonic() - started, 3),
    }


if __name__ == "__main__":
    main()
