"""Loaded into a GPU worker, writes a line for each stage it has worked on: task, lesson, the work's version and this worker's weights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from celery.signals import task_postrun

from shared.settings import load_settings


@task_postrun.connect(weak=False)  # type: ignore[untyped-decorator]
def tell(task: Any = None, retval: Any = None, **_: object) -> None:
    """Only what ended with a message for the next stage was worked on."""
    if isinstance(retval, Mapping) and "work_version" in retval:
        line = f"{task.name} {retval['lesson_id']} {retval['work_version']} {load_settings().weights}\n"
        with open(os.environ["TELLING_WEIGHTS"], "a") as file:
            file.write(line)
