"""SIGTERM and Ctrl-C as exceptions that cannot get lost. Installed by the command line, asked by loops that wait.

Python raises a handler's exception wherever it happens to be, and swallows it inside destructors and weak references' callbacks: a
run would then go on as if nobody had asked. So the wish is written down as well.
"""

from __future__ import annotations

import signal
from types import FrameType

_asked: list[int] = []


def install() -> None:
    """Take SIGTERM and SIGINT over, for the main thread of a command."""
    _asked.clear()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _on_signal)


def _on_signal(number: int, _frame: FrameType | None) -> None:
    _asked.append(number)
    check()


def check() -> None:
    """Leave if somebody asked for it.

    Raises:
        KeyboardInterrupt: on Ctrl-C.
        SystemExit: on SIGTERM, with 143.
    """
    if not _asked:
        return
    if _asked[-1] == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + signal.SIGTERM)
