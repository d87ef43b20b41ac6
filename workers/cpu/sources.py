"""From a recording's URI to an open file that lies where it may: a path below the media root, or a download from an allowed host.

Called by the doors around plan, decode and assemble; the stages get the open file.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import RecordingUnreadable
from workers.addresses import Resolver, resolve_name

from .fetch import SourceRules, fetch
from .limits import Budget
from .media import OpenedFile, describe_fault, opened_file, recording_path

# `concat:a|b`, `subfile,,start,0,:/a` and `data:` are FFmpeg's; it never gets to see a name, so they are refused for clearness.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.,_-]+):")


def check_uri(uri: str, hosts: tuple[str, ...] = ()) -> None:
    """Refuse what is neither a path nor an https URL of one of these hosts, by its look alone.

    Raises:
        RecordingUnreadable: says which rule it breaks.
    """
    if not uri or any(ord(sign) < 32 or 127 <= ord(sign) < 160 or 0xD800 <= ord(sign) < 0xE000 for sign in uri):
        raise RecordingUnreadable("A recording's path is empty or holds control characters; give a path below the media root.")
    if uri.startswith(("\\\\", "//")):
        raise RecordingUnreadable("A recording's path names another machine; give a path below the media root.")
    if any(part.startswith("-") for part in uri.split("/")):
        raise RecordingUnreadable("A recording's path has a name that begins with a dash, as options do; rename it.")
    scheme = _SCHEME.match(uri)
    if scheme is None:
        return
    if scheme[1].lower() != "https" or not uri[len(scheme[0]) :].startswith("//"):
        raise RecordingUnreadable(f"The scheme {scheme[1]!r} is not allowed; give a path below the media root, or an https URL.")
    if not hosts:
        raise RecordingUnreadable("Recordings from other hosts are not allowed here; give a path below the media root.")


@contextmanager
def open_recording(uri: str, rules: SourceRules, resolve: Resolver = resolve_name) -> Iterator[OpenedFile]:
    """The recording, open; a download is gone with its descriptor, also when the process is killed.

    Raises:
        RecordingUnreadable: it is not there, lies where it may not, or is too large.
        SourceUnavailable: its host does not answer now.
    """
    check_uri(uri, (*rules.hosts, *rules.private_hosts))
    if _SCHEME.match(uri):
        with fetch(uri, rules, resolve) as opened:
            yield opened
        return
    descriptor, name = open_below(rules.media_root, uri)
    try:
        opened = opened_file(descriptor, name)
        Budget(rules.limits, name).check_size(opened.n_bytes)
        yield opened
    finally:
        os.close(descriptor)


def open_below(media_root: Path, uri: str) -> tuple[int, str]:
    """A descriptor of a file below the root, and its name; the caller closes it.

    Links are followed as long as they stay inside. The path that they lead to is then walked from the root without following any,
    so that a link put in place of a folder or file meanwhile leads nowhere.
    """
    path = recording_path(uri, media_root)
    root = media_root.resolve()
    steps = path.relative_to(root).parts
    name = path.name
    if not steps:
        raise RecordingUnreadable(f"The recording {name} does not exist or is no file; check its path.")
    try:
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for step in steps[:-1]:
                inner = os.open(step, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
                os.close(folder)
                folder = inner
            # Opening a pipe would wait for its writer; what a device does when opened is not worth knowing.
            if not _is_regular(steps[-1], folder):
                raise RecordingUnreadable(f"The recording {name} does not exist or is no file; check its path.")
            return os.open(steps[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder), name
        finally:
            os.close(folder)
    except FileNotFoundError as error:
        raise RecordingUnreadable(f"The recording {name} does not exist or is no file; check its path.") from error
    except OSError as error:
        raise RecordingUnreadable(f"The recording {name} cannot be opened: {describe_fault(error)}; check its path.") from error


def _is_regular(name: str, folder: int) -> bool:
    return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
