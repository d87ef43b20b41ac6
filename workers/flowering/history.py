"""What Flower remembers of workers and tasks: events from Redis in, readable ones into its memory and file. `serve.py` builds both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from flower.events import Events
from flower.inspector import Inspector

from shared.catalogue import DELIVER, RECONCILE, SWEEP

from .readable import readable_event, readable_request

# Every few seconds one of these; a day of them would push all lessons out of the list. What fails or hangs is shown.
HOUSEKEEPING = frozenset({DELIVER, RECONCILE, SWEEP})
_PASSWORD = re.compile(r"://[^/\s]*@")
_TASK_LISTS = frozenset({"active", "reserved", "scheduled"})


class History(Events):  # type: ignore[misc]
    """Flower's events, readable, without housekeeping that went well."""

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Called by the thread that listens; the memory belongs to the loop."""
        self.io_loop.add_callback(partial(self.take, readable_event(event)))

    def take(self, event: Mapping[str, Any]) -> None:
        """Remember one event."""
        kind, name = event.get("type"), event.get("name")
        if kind == "task-sent" and name in HOUSEKEEPING:
            return  # It may come after the end.
        self.state.event(dict(event))
        if kind in {"task-succeeded", "task-revoked"}:
            task = self.state.tasks.get(event["uuid"])
            if task is not None and task.name in HOUSEKEEPING:
                self.state.tasks.pop(task.uuid)
                self.state.search_engine.remove(task.uuid)


class ReadableInspector(Inspector):  # type: ignore[misc]
    """What workers answer when they are asked, readable too."""

    def _on_update(self, workername: str, method: str, response: Any) -> None:
        if method in _TASK_LISTS and isinstance(response, list):
            response = [_tidy(entry) for entry in response if isinstance(entry, Mapping)]
        super()._on_update(workername, method, _without_passwords(response))


def _without_passwords(value: Any) -> Any:
    """Celery masks the passwords of most addresses, but not of those that lead to a socket."""
    if isinstance(value, str):
        return _PASSWORD.sub("://**@", value)
    if isinstance(value, Mapping):
        return {key: _without_passwords(item) for key, item in value.items()}
    return [_without_passwords(item) for item in value] if isinstance(value, list | tuple) else value


def _tidy(entry: Mapping[str, Any]) -> dict[str, Any]:
    # Scheduled tasks come inside an envelope.
    request = entry.get("request")
    return {**entry, "request": readable_request(request)} if isinstance(request, Mapping) else readable_request(entry)
