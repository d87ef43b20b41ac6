"""What nothing may touch: a folder outside of the media root, watched by the kernel, and a listener that wants no visitors."""

from __future__ import annotations

import ctypes
import os
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

_IN_ACCESS, _IN_OPEN = 0x1, 0x20
_libc = ctypes.CDLL(None, use_errno=True)


class FolderWatch:
    """Counts opens and reads of the files in a folder by anyone, FFmpeg's own included (inotify)."""

    def __init__(self, folder: Path) -> None:
        self._inotify = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._inotify < 0 or _libc.inotify_add_watch(self._inotify, bytes(folder), _IN_OPEN | _IN_ACCESS) < 0:
            raise OSError(ctypes.get_errno(), "the folder cannot be watched")

    def touched(self) -> bool:
        """Whether anything was opened or read since the last call."""
        try:
            return bool(os.read(self._inotify, 1 << 16))
        except BlockingIOError:
            return False

    def close(self) -> None:
        os.close(self._inotify)


class Listener:
    """A TCP port that counts who comes."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.visits = 0
        self.port = int(self._server.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                visitor, _ = self._server.accept()
            except OSError:
                return
            self.visits += 1
            visitor.close()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)


class Canaries:
    """Both, with the proof that they notice."""

    def __init__(self, video: Path) -> None:
        self.video = video
        self._watch, self._listener = FolderWatch(video.parent), Listener()
        self.url = f"http://127.0.0.1:{self._listener.port}/canary.mp4"
        video.read_bytes()
        socket.create_connection(("127.0.0.1", self._listener.port)).close()
        while self._listener.visits == 0:
            threading.Event().wait(0.01)
        if not self._watch.touched():
            raise RuntimeError("the canaries notice nothing")
        self._expected = self._listener.visits

    def touched(self) -> bool:
        """Whether anything outside was read or called since the last time."""
        visits, self._expected = self._listener.visits - self._expected, self._listener.visits
        return bool(visits) | self._watch.touched()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._watch.close()
        self._listener.close()
