"""A real S3 service (SeaweedFS, from its wheel) for as long as a `with` block lasts; it can be held, killed and started again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from shared.errors import StoreError
from shared.store import S3Access, open_store

_PORTS = ("master", "volume", "filer", "s3")
_STARTS_WITHIN_SECONDS = 60.0


@dataclass
class S3Server:
    """A service with one bucket, one key that may do anything and one that may only read. All its files are in `folder`."""

    folder: Path
    bucket: str = "smilereel"
    access_key: str = "writer"
    secret_key: str = "writers-secret-0123456789"
    reader_access_key: str = "reader"
    reader_secret_key: str = "readers-secret-0123456789"
    ports: dict[str, int] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.ports['s3']}"

    @property
    def access(self) -> S3Access:
        """What `open_store` needs for the key that may do anything."""
        return self.access_of(self.access_key, self.secret_key)

    def access_of(self, access_key: str, secret_key: str) -> S3Access:
        return S3Access(endpoint=self.endpoint, access_key_id=access_key, secret_access_key=secret_key, allow_http=True)

    def start(self) -> None:
        """Start, or start again with the same objects and ports; returns when objects can be written and read."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ports = self.ports or _free_ports()
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command(), stdout=log, stderr=log, cwd=self.folder, env={"HOME": str(self.folder), "PATH": os.defpath}
            )
        deadline = time.monotonic() + _STARTS_WITHIN_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"weed did not start:\n{(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.1)

    def hold(self) -> None:
        """Let the process stand still, connections open, nothing answering; returns when its last thread stands."""
        self._signal(signal.SIGSTOP)
        while not self._stands():
            time.sleep(0.01)

    def release(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the process at once and take away the sockets that it puts into /tmp whatever one tells it."""
        if self.process:
            self._signal(signal.SIGKILL)
            self.process.wait()
            self.process = None
        for name in _PORTS:
            Path(f"/tmp/seaweedfs-{name}-grpc-{self.ports[f'{name}.grpc']}.sock").unlink(missing_ok=True)

    def _stands(self) -> bool:
        assert self.process, "the service does not run"
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return all((task / "stat").read_text().rsplit(")", 1)[1].split()[0] == "T" for task in tasks)

    def _signal(self, number: signal.Signals) -> None:
        assert self.process, "the service does not run"
        self.process.send_signal(number)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.ports["s3"]), timeout=1):
                pass
            store = open_store(f"s3://{self.bucket}/started", s3=self.access)
            store.put("probe", b"")  # makes the bucket as well
            store.delete("probe")
        except (OSError, StoreError):
            return False
        return True

    def _command(self) -> list[str]:
        keys = [
            ("writer", self.access_key, self.secret_key, ["Admin", "Read", "List", "Tagging", "Write"]),
            ("reader", self.reader_access_key, self.reader_secret_key, ["Read", "List"]),
        ]
        identities = [
            {"name": name, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}
            for name, key, secret, actions in keys
        ]
        (self.folder / "identities.json").write_text(json.dumps({"identities": identities}))
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        # Where util-linux is there, the service ends with the test run, however that ends.
        guard = [found, "--pdeathsig", "KILL"] if (found := shutil.which("setpriv")) else []
        return [
            *guard,
            str(Path(sysconfig.get_path("scripts")) / "weed"),
            "-logtostderr",
            "server",
            f"-dir={data}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            *(
                f"-{name.replace('.grpc', '')}.port{'.grpc' if '.grpc' in name else ''}={port}"
                for name, port in self.ports.items()
            ),
            "-s3",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            f"-s3.config={self.folder / 'identities.json'}",
            f"-s3.localSocket={self.folder / 's3.sock'}",
            f"-filer.localSocket={self.folder / 'filer.sock'}",
            "-master.telemetry=false",
            "-master.electionTimeout=1s",
            "-master.volumeSizeLimitMB=64",
            "-volume.max=8",
            "-volume.preStopSeconds=0",
        ]


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """A running service with an empty bucket; nothing of it is left afterwards but the files in `folder`."""
    server = S3Server(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def _free_ports() -> dict[str, int]:
    names = [*_PORTS, *(f"{name}.grpc" for name in _PORTS)]
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    ports = {name: each.getsockname()[1] for name, each in zip(names, sockets, strict=True)}
    for each in sockets:
        each.close()
    return ports
