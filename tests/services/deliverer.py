"""A process that tells a webhook what is due until nothing waits any more, with short waits: `python -m tests.services.deliverer JSON`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from shared.database import open_database
from shared.deliveries import Backoff, Deliveries, Delivery
from shared.settings import Settings
from workers.delivering import drain
from workers.webhooks import hook_of

LEASE_SECONDS = 3.0
TRY_SECONDS = 1.5
THREADS = 8


def a_deliverer(database_url: str, port: int, ca_file: Path, secret: str) -> subprocess.Popen[bytes]:
    """Started; ends by itself once no event is pending."""
    options = {"database_url": database_url, "webhook_url": f"https://127.0.0.1:{port}/ends", "webhook_ca_file": str(ca_file)}
    wishes = {**options, "webhook_secrets": [secret], "webhook_private": True}
    return subprocess.Popen([sys.executable, "-m", "tests.services.deliverer", json.dumps(wishes)])


def main() -> None:
    """Tell until nothing waits."""
    settings = Settings(**json.loads(sys.argv[1]))
    hook = hook_of(settings)
    assert hook is not None
    hook = replace(hook, connect_seconds=1.0, total_seconds=TRY_SECONDS)
    backoff = Backoff(first_seconds=0.1, factor=1.3, longest_seconds=0.5)
    deliveries = Deliveries(open_database(settings.database_url), backoff)
    while deliveries.count().get(Delivery.PENDING):
        drain(deliveries, hook, most_attempts=1000, threads=THREADS, lease_seconds=LEASE_SECONDS)
        time.sleep(0.05)


if __name__ == "__main__":
    main()
