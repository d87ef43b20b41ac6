"""One process of a service: started, listened to, asked whether it is well, started again by the service's rule, stopped."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from shared.errors import ServiceError
from workers.local import guardian
from workers.local.lifeline import die_with_run

from .compose import Check, Service
from .places import Places, translated
from .programs import OURS, prepare, search_path, user_of

FIRST_LOOKS_SECONDS = 0.3
LONGEST_PAUSE_SECONDS = 10.0
# One that never got well and ends so often in a row will not get well by another start.
HOPELESS_STARTS = 3
# For servers whose data end with the run: SeaweedFS takes half a minute to leave in order.
FORGOTTEN_GRACE_SECONDS = 2.0
LONGEST_LINE_BYTES = 8192


class State(StrEnum):
    """Where an instance stands."""

    WAITING = "waiting"
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    ENDED = "ended"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Host:
    """What all instances of a run have in common.

    Args:
        places: folders of the run.
        secrets: files by the secret's name.
        say: takes an instance's name and a line of its log.
        tell_guardian: takes a line for the process that clears away after the run.
        forgets: what servers keep ends with the run.
    """

    places: Places
    secrets: Mapping[str, Path]
    say: Callable[[str, str], None]
    tell_guardian: Callable[[str], None]
    forgets: bool = False


@dataclass
class Instance:
    """A process of a service, by number; `run` lasts as long as it is wanted."""

    service: Service
    number: int
    host: Host
    state: State = State.WAITING
    starts: int = 0
    code: int | None = None
    process: asyncio.subprocess.Process | None = None
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=3))
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False

    @property
    def name(self) -> str:
        return f"{self.service.name}-{self.number}"

    @property
    def pid(self) -> int | None:
        """Of the process that runs; None while none does."""
        return self.process.pid if self.process is not None and self.process.returncode is None else None

    @property
    def is_up(self) -> bool:
        """Whether those who wait for this one may start."""
        return self.state in {State.HEALTHY, State.ENDED}

    def _become(self, state: State) -> None:
        self.state = state
        self.changed.set()

    async def run(self) -> None:
        """Start the process, and again by the service's rule, until it is stopped, ends for good or is hopeless."""
        failures = 0
        while not self._stopping:
            self._become(State.STARTING)
            await self._start()
            looking = asyncio.create_task(self._look())
            await self._listen()
            # Until Python 3.12 `wait_for` may swallow a cancellation.
            while not looking.done():
                looking.cancel()
                await asyncio.wait({looking}, timeout=0.1)
            was_well = self.state in {State.HEALTHY, State.UNHEALTHY}
            if self._stopping:
                break
            failures = 0 if was_well else failures + 1
            if not self._comes_back():
                self._become(State.ENDED if self.code == 0 else State.FAILED)
                self.host.say(self.name, f"ended with {self.code} and stays away")
                return
            if failures >= HOPELESS_STARTS:
                self._become(State.FAILED)
                self.host.say(self.name, f"ended {failures} times without getting well; it is not started again")
                return
            pause = min(2.0 ** max(failures - 1, 0), LONGEST_PAUSE_SECONDS)
            self.host.say(self.name, f"ended with {self.code}; it is started again in {pause:.0f} s")
            await asyncio.sleep(pause)
        self._become(State.STOPPED)

    def _comes_back(self) -> bool:
        rule = self.service.restart
        return rule in {"always", "unless-stopped"} or (rule.startswith("on-failure") and self.code != 0)

    async def _start(self) -> None:
        service, host = self.service, self.host
        host.places.make(service, self.name, host.secrets)
        paths = self._paths()
        environment = self._environment(paths)
        await asyncio.to_thread(prepare, service, host.places, paths, environment)
        words = [translated(word, paths).replace("%h", self.name) for word in service.command]
        self.starts += 1
        pipe, merged = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
        self.process = await self._spawn(words, environment, stdout=pipe, stderr=merged, user=user_of(service))
        host.tell_guardian(f"process {self.process.pid}")
        if self._stopping:  # It was told to while the process was being made.
            self.kill()

    async def _spawn(self, words: Sequence[str], environment: Mapping[str, str], **more: Any) -> asyncio.subprocess.Process:
        nowhere, folder = asyncio.subprocess.DEVNULL, self.host.places.root
        common: dict[str, Any] = {"stdin": nowhere, "cwd": folder, "start_new_session": True, "preexec_fn": die_with_run}
        try:
            return await asyncio.create_subprocess_exec(words[0], *words[1:], env=environment, **common, **more)
        except OSError as error:
            raise ServiceError(f"{words[0]} of {self.name} cannot be run ({error.strerror}).") from None

    def _paths(self) -> dict[str, Path]:
        return self.host.places.paths_of(self.service, self.name, self.host.secrets)

    def _environment(self, paths: Mapping[str, Path]) -> dict[str, str]:
        common = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TZ") if name in os.environ}
        temporary = paths.get("/tmp", self.host.places.root)  # noqa: S108  (a container's)
        common |= {
            "PATH": search_path(self.host.places),
            "HOME": str(temporary),
            "TMPDIR": str(temporary),
            "PYTHONUNBUFFERED": "1",
        }
        if os.geteuid() == 0:
            common["C_FORCE_ROOT"] = "1"
        return common | {name: translated(value, paths) for name, value in self.service.environment.items()}

    async def _listen(self) -> None:
        """Pass on what the process says until it ends."""
        assert self.process is not None  # noqa: S101  (just started)
        assert self.process.stdout is not None  # noqa: S101  (opened with a pipe)
        pending = b""
        while part := await self.process.stdout.read(65536):
            *lines, pending = (pending + part).split(b"\n")
            for line in [*lines, *([pending] if len(pending) > LONGEST_LINE_BYTES else [])]:
                self._say(line)
            pending = b"" if len(pending) > LONGEST_LINE_BYTES else pending
        if pending:
            self._say(pending)
        self.code = await self.process.wait()
        # A worker that was killed leaves its pool's children.
        guardian.kill_tree(self.process.pid)
        self.host.tell_guardian(f"gone {self.process.pid}")

    def _say(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()
        if text:
            self.last_lines.append(text)
            self.host.say(self.name, text)

    async def _look(self) -> None:
        """Ask whether the process is well, often until it is, then at the service's pace."""
        check = self.service.check
        if check is None:
            if self.service.restart != "no":
                self._become(State.HEALTHY)
            return
        failed, started = 0, asyncio.get_running_loop().time()
        while True:
            well = await self._ask(check)
            if well and self.state != State.HEALTHY:
                self._become(State.HEALTHY)
            failed = 0 if well else failed + 1
            patient = asyncio.get_running_loop().time() - started < check.start_seconds and self.state == State.STARTING
            if failed >= check.retries and not patient and self.state != State.UNHEALTHY:
                self.host.say(self.name, f"is not well: its check failed {failed} times")
                self._become(State.UNHEALTHY)
            await asyncio.sleep(FIRST_LOOKS_SECONDS if self.state == State.STARTING else check.interval_seconds)

    async def _ask(self, check: Check) -> bool:
        paths = self._paths()
        words = [translated(word, paths) for word in check.test]
        nowhere = asyncio.subprocess.DEVNULL
        asked = await self._spawn(words, self._environment(paths), stdout=nowhere, stderr=nowhere)
        try:
            return await asyncio.wait_for(asked.wait(), check.timeout_seconds) == 0
        except TimeoutError:
            return False
        finally:
            if asked.returncode is None:
                guardian.kill_tree(asked.pid)
                await asked.wait()

    async def stop(self) -> None:
        """Ask the process to end, and kill it when its grace is over."""
        self._stopping = True
        if self.pid is None:
            return
        assert self.process is not None  # noqa: S101  (it has a pid)
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.Signals[self.service.stop_signal])
        forgotten = self.host.forgets and not self.service.image.startswith(OURS)
        grace_seconds = FORGOTTEN_GRACE_SECONDS if forgotten else self.service.stop_grace_seconds
        try:
            await asyncio.wait_for(self.process.wait(), grace_seconds)
        except TimeoutError:
            if not forgotten:
                self.host.say(self.name, f"did not end within {grace_seconds:.0f} s and is killed")
            self.kill()
            await self.process.wait()

    def kill(self) -> None:
        """SIGKILL to the process and all its children."""
        self._stopping = True
        if self.pid is not None:
            guardian.kill_tree(self.pid)
