"""All services of one run: started in the order of their dependencies, scaled while they run, stopped in the other order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress

from shared.errors import ServiceError, SettingsInvalid

from .compose import Project, Service
from .instance import Host, Instance, State
from .programs import OURS

MOST_INSTANCES = 64
# For those that wait to be started again, or are told of their process' end.
LEAVING_SECONDS = 2.0


class Cluster:
    """The instances of the services that are wanted. All its methods belong to one event loop.

    Args:
        project: the services.
        wanted: how many instances of each; a service that is not named does not run.
        host: what the instances have in common.
    """

    def __init__(self, project: Project, wanted: Mapping[str, int], host: Host) -> None:
        self.project, self.host = project, host
        self.wanted = dict(wanted)
        self.instances: list[Instance] = []
        self._running: dict[str, asyncio.Task[None]] = {}
        self._order = in_order(project.services[name] for name in wanted)

    async def start(self) -> None:
        """Start everything and wait until it is well.

        Raises:
            ServiceError: a service cannot be started; says what it said last.
        """
        starting = [asyncio.create_task(self._start_service(service)) for service in self._order]
        try:
            await asyncio.gather(*starting)
        finally:
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)

    async def _start_service(self, service: Service) -> None:
        for name in service.depends_on:
            if name in self.wanted:
                while len(self._of(name)) < self.wanted[name]:
                    await asyncio.sleep(0.02)
                await asyncio.gather(*(self._until_up(instance) for instance in self._of(name)))
        await asyncio.gather(*(self._until_up(self._add(service, number)) for number in range(1, self.wanted[service.name] + 1)))

    def _of(self, name: str) -> list[Instance]:
        return [instance for instance in self.instances if instance.service.name == name]

    def _add(self, service: Service, number: int) -> Instance:
        instance = Instance(service, number, self.host)
        self.instances.append(instance)
        task = self._running[instance.name] = asyncio.create_task(instance.run())
        task.add_done_callback(lambda done: self._tell_fault(instance, done))
        return instance

    def _tell_fault(self, instance: Instance, task: asyncio.Task[None]) -> None:
        """While all start, whoever waits raises it; of one that is added later nobody would hear."""
        if not task.cancelled() and (error := task.exception()) is not None:
            instance.state = State.FAILED
            self.host.say(instance.name, f"cannot be started: {error}")

    async def _until_up(self, instance: Instance) -> None:
        """Wait until an instance is well, or has ended as it should.

        Raises:
            ServiceError: it never will be.
        """
        task = self._running[instance.name]
        while not instance.is_up:
            changed = asyncio.create_task(instance.changed.wait())
            await asyncio.wait({changed, task}, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
            instance.changed.clear()
            if task.done() and not instance.is_up:
                if error := task.exception():
                    raise error
                said = instance.last_lines[-1] if instance.last_lines else "it said nothing"
                raise ServiceError(f"{instance.name} does not start ({instance.code}): {said}")

    async def scale(self, name: str, count: int) -> None:
        """Bring a service to so many instances; those that are too many end what they have in hand first.

        Raises:
            SettingsInvalid: there is no such service, or it cannot be so many.
        """
        service = self.project.services.get(name)
        if service is None:
            raise SettingsInvalid(f"There is no service {name}; there are {', '.join(sorted(self.project.services))}.")
        if not 0 <= count <= MOST_INSTANCES or (count > 1 and _is_alone(service)):
            raise SettingsInvalid(f"{name} cannot run {count} times.")
        alive = [each for each in self._of(name) if each.state not in {State.STOPPED, State.ENDED, State.FAILED}]
        self.wanted[name] = count
        for surplus in alive[count:]:
            self._running[f"{surplus.name} leaving"] = asyncio.create_task(surplus.stop())
        taken = {each.number for each in alive}
        free = (number for number in range(1, count + len(taken) + 1) if number not in taken)
        for _, number in zip(range(count - len(alive)), free, strict=False):
            self.instances = [each for each in self.instances if each.name != f"{name}-{number}"]
            self._add(service, number)

    def table(self) -> list[dict[str, object]]:
        """Each instance: name, state, process, how often it was started."""
        return [{"name": each.name, "state": each.state, "pid": each.pid, "starts": each.starts} for each in self.instances]

    async def stop(self) -> None:
        """Stop every instance, those first that need the others; nothing runs afterwards."""
        started = time.monotonic()
        for service in reversed(self._order):
            await asyncio.gather(*(instance.stop() for instance in self._of(service.name)))
        tasks = list(self._running.values())
        if tasks:
            await asyncio.wait(tasks, timeout=LEAVING_SECONDS)
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
        self.kill()
        await asyncio.gather(*(each.process.wait() for each in self.instances if each.process is not None))
        self.host.say("up", f"all services ended in {time.monotonic() - started:.1f} s")

    def kill(self) -> None:
        """End every instance at once."""
        for instance in self.instances:
            instance.kill()


def _is_alone(service: Service) -> bool:
    """Whether a second instance would fight with the first for a port or a server's data; workers' scratch folder is for many."""
    keeps = any(not mount.is_folder for mount in service.mounts) and not service.image.startswith(OURS)
    return bool(service.ports) or keeps


def in_order(services: Iterable[Service]) -> list[Service]:
    """The services, each after those that it waits for.

    Raises:
        SettingsInvalid: they wait for each other.
    """
    left = {service.name: service for service in services}
    found: list[Service] = []
    while left:
        free = [service for service in left.values() if not any(name in left for name in service.depends_on)]
        if not free:
            raise SettingsInvalid(f"Services wait for each other: {', '.join(sorted(left))}.")
        found += [left.pop(service.name) for service in free]
    return found
