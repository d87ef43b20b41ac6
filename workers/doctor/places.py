"""Files and folders: on which kind of file system they lie, who else may read them. Asked by the checks of ledger, store and secrets."""

from __future__ import annotations

import stat
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "fuse.glusterfs", "lustre", "fuse.sshfs"}
)
# Between a virtual machine and its host.
SHARED = frozenset({"9p", "virtiofs", "fuse.grpcfuse", "fuse.osxfs", "vboxsf"})


def file_system_of(path: Path, mounts: Path = MOUNTS) -> str:
    """The kind of file system under a path, such as "ext4"; empty where the machine does not tell."""
    path = path.resolve()
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    best, found = -1, ""
    for line in lines:
        left, _, right = line.partition(" - ")
        fields = left.split()
        if len(fields) < 5 or not right:
            continue
        mount = Path(fields[4].replace("\\040", " "))
        # The later of two mounts on one place lies on top.
        if path.is_relative_to(mount) and len(mount.parts) >= best:
            best, found = len(mount.parts), right.split()[0]
    return found


def everybody_reads(path: Path) -> bool:
    """Whether any user of this machine can read it: by its own rights, and by those of all folders above."""
    try:
        path = path.resolve(strict=True)
        wanted = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
        return path.stat().st_mode & wanted == wanted and all(above.stat().st_mode & stat.S_IXOTH for above in path.parents)
    except OSError:
        return False
