"""One JSON object a line, with whose lesson it is about: what the standard library, Celery and we log in, lines out. Loaded by `app.py`.

SMILEREEL_LOG_FORMAT chooses. What an exception says may name a file, and a file may be named after a pupil: in JSON only its kind and
its lines of code are told, unless it is known to speak of ids alone.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

import structlog
from celery import Task
from celery.signals import (
    after_setup_logger,
    after_setup_task_logger,
    celeryd_after_setup,
    celeryd_init,
    task_postrun,
    task_prerun,
)
from structlog.typing import EventDict

from shared.catalogue import stage_of
from shared.errors import LedgerAway, ModelError, SchemaMissing, SettingsInvalid, StoreError
from shared.settings import load_settings

LogFormat = Literal["json", "text", "auto"]

# Celery names a worker after its logging is set up in children that are spawned, so it is handed on to them.
NODE_VARIABLE = "_SMILEREEL_NODE"
# Bound by the frame around each task (`doors.py`).
IDS = ("lesson_id", "segment", "stage", "task_id", "generation", "attempt")
MOST_FRAMES = 50
_SPEAK_OF_IDS = (LedgerAway, ModelError, SchemaMissing, SettingsInvalid, StoreError)
_MODULES_THAT_DO = ("billiard.", "celery.", "redis.", "workers.doors")


def writes_json(log_format: LogFormat) -> bool:
    """Whether lines are JSON; `auto`: unless a person reads them on a terminal."""
    return log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())


def log_to_terminal(service: str, log_format: LogFormat, level: int = logging.INFO) -> None:
    """Let everything that this process logs go to stderr. For processes that are not Celery's."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        json_formatter(service) if writes_json(log_format) else logging.Formatter("%(levelname)s %(name)s: %(message)s")
    )
    logging.basicConfig(level=level, handlers=[handler])


def json_formatter(service: str | None = None) -> logging.Formatter:
    """Makes a line of JSON of a record.

    Args:
        service: what the process is; None: what its Celery worker is called before the `@`, or `beat`.
    """

    def add_origin(_logger: object, _method: str, event: EventDict) -> EventDict:
        node = os.environ.get(NODE_VARIABLE, "")
        event["service"] = service or node.partition("@")[0] or ("beat" if "beat" in sys.argv else "celery")
        if node:
            event["node"] = node
        return event

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.contextvars.merge_contextvars],
        processors=[_as_event, add_origin, _tell_fault, _in_order, structlog.processors.JSONRenderer()],
    )


def _as_event(_logger: object, _method: str, event: EventDict) -> EventDict:
    """What the record says, without the arguments, results and exceptions that Celery writes into its sentences."""
    record: logging.LogRecord = event["_record"]
    if isinstance(data := getattr(record, "data", None), Mapping) and {"id", "name"} <= data.keys():
        # "Task %(name)s[%(id)s] succeeded in %(runtime)ss: %(return_value)s"
        event["event"] = str(record.msg).partition(":")[0] % {"description": "", **data}
        event["task"], event["task_id"] = data["name"], data["id"]
        if "runtime" in data:
            event["runtime_seconds"] = round(data["runtime"], 3)
    first, _, rest = str(event["event"]).strip().partition("\n")
    event["event"] = first
    # Celery's further lines repeat the body of a message that it could not use.
    if rest and not record.name.startswith(("celery", "kombu")):
        event["detail"] = rest
    return {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        **event,
    }


def _tell_fault(_logger: object, _method: str, event: EventDict) -> EventDict:
    """A field for the exception: kinds and lines of code, no local variables; the first is what was raised last."""
    info = event.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else info if isinstance(info, BaseException) else None
    faults: list[dict[str, Any]] = []
    while error is not None and len(faults) < 10:
        kind = type(error)
        fault: dict[str, Any] = {"type": f"{kind.__module__}.{kind.__qualname__}", "lines": _lines(error.__traceback__)}
        if isinstance(error, _SPEAK_OF_IDS) or kind.__module__.startswith(_MODULES_THAT_DO):
            fault["says"] = str(error)[:500]
        faults.append(fault)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if faults:
        event["fault"] = faults
    return event


def _lines(trace: TracebackType | None) -> list[str]:
    return [f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}" for frame, line in traceback.walk_tb(trace)][
        -MOST_FRAMES:
    ]


def _in_order(_logger: object, _method: str, event: EventDict) -> EventDict:
    first = ("time", "level", "logger", "event", "service", "node", *IDS, "task", "runtime_seconds", "detail", "fault")
    return {name: event[name] for name in first if name in event}


@task_prerun.connect  # type: ignore[untyped-decorator]
def begin_task(task_id: str, task: Task, **_: object) -> None:
    """All lines up to the task's end are about it, Celery's own included; whose it is, `doors.py` adds."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(task_id=task_id, stage=stage_of(task.name))


@task_postrun.connect  # type: ignore[untyped-decorator]
def end_task(**_: object) -> None:
    """What follows is about another one."""
    structlog.contextvars.clear_contextvars()


@celeryd_init.connect  # type: ignore[untyped-decorator]
def name_worker(sender: str = "", instance: Any = None, **_: object) -> None:
    """Before a worker sets its logging up: remember its name; its banner is no JSON."""
    os.environ[NODE_VARIABLE] = sender
    if instance is not None and writes_json(load_settings().log_format):
        instance.quiet = True


@after_setup_logger.connect  # type: ignore[untyped-decorator]
@after_setup_task_logger.connect  # type: ignore[untyped-decorator]
def write_json(logger: logging.Logger, **_: object) -> None:
    """Celery has set a logger up, by `--loglevel` and `--logfile`: only what its lines look like is changed."""
    if not writes_json(load_settings().log_format):
        return
    from celery.utils.log import get_multiprocessing_logger

    for each in (logger, get_multiprocessing_logger()):
        for handler in each.handlers if each is not None else ():
            handler.setFormatter(json_formatter())


@celeryd_after_setup.connect  # type: ignore[untyped-decorator]
def quiet_children(**_: object) -> None:
    """A spawned child would say that it runs, in text, before it has read a line of ours."""
    if writes_json(load_settings().log_format):
        os.environ.pop("_MP_FORK_LOGLEVEL_", None)
