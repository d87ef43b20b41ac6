"""What one recording may cost the process that reads it. Used by media, probe and decode; the memory limit by the CPU room's child."""

from __future__ import annotations

import ctypes
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import process_time

from shared.errors import RecordingUnreadable

# The kernel's stop comes this much after the loop's own, so that it only meets a call that never comes back.
HARD_STOP_FACTOR = 1.5
HARD_STOP_EXTRA_SECONDS = 10.0
LARGE_BLOCK_BYTES = 1 << 20
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_libc = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """What a recording may have and one call on it may use; the defaults leave a lesson's webcam recording ample room.

    `max_bytes` of a file, `max_pixels` of a picture, `max_seconds` between a recording's first and last picture, `max_packets`
    of all its streams, `max_cpu_seconds` of one probe or decode call (all threads), `max_open_seconds` of wall clock until a
    file's header is understood or one packet of it is read.
    """

    max_bytes: int = 8 * 2**30
    max_pixels: int = 4096 * 4096
    max_seconds: float = 12 * 3600.0
    max_packets: int = 10_000_000
    max_cpu_seconds: float = 600.0
    max_open_seconds: float = 60.0


DEFAULT_LIMITS = MediaLimits()


class Budget:
    """What one call may still use of its limits; `name` is the recording's in the sentence that refuses it."""

    def __init__(self, limits: MediaLimits, name: str) -> None:
        self.limits = limits
        self.name = name
        self._packets_left = limits.max_packets
        self._bytes_left = limits.max_bytes
        self._ends_at = process_time() + limits.max_cpu_seconds

    def spend(self, n_bytes: int) -> None:
        """Count one packet of so many bytes, or a failed attempt to read one.

        Raises:
            RecordingUnreadable: more packets, bytes or processor time than allowed.
        """
        self._packets_left -= 1
        self._bytes_left -= n_bytes
        if self._packets_left < 0:
            raise RecordingUnreadable(f"The recording {self.name} holds more than {self.limits.max_packets} packets; split it.")
        if self._bytes_left < 0:
            raise RecordingUnreadable(f"The recording {self.name} goes on beyond {self.limits.max_bytes} bytes; split it.")
        if process_time() > self._ends_at:
            raise RecordingUnreadable(
                f"The recording {self.name} took more than {self.limits.max_cpu_seconds:g} s of processor time; encode it anew."
            )

    def check_size(self, n_bytes: int) -> None:
        """Refuse a file by its size, before anything of it is read."""
        if n_bytes > self.limits.max_bytes:
            raise RecordingUnreadable(
                f"The recording {self.name} has {n_bytes} bytes, more than {self.limits.max_bytes}; split it or encode it anew."
            )

    def check_pixels(self, width: int, height: int) -> None:
        """Refuse a stream by the size that its header promises, before its decoder is opened."""
        if width * height > self.limits.max_pixels:
            raise RecordingUnreadable(
                f"The recording {self.name} is {width}x{height}, more than {self.limits.max_pixels} pixels; scale it down."
            )


@contextmanager
def hard_stop(limits: MediaLimits) -> Iterator[None]:
    """End this process, by the kernel's SIGPROF, should the block use far more processor time than the packet loop allows.

    Python cannot interrupt a thread that is inside FFmpeg: what hangs there would else hold the child until the task's time
    limit. The queue then hands the segment to another child, and its attempts are counted. Blocks may not be nested.
    """
    signal.setitimer(signal.ITIMER_PROF, HARD_STOP_FACTOR * limits.max_cpu_seconds + HARD_STOP_EXTRA_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def give_back_memory() -> None:
    """Return what was freed to the system: the C library keeps it, torn to pieces, and a child reads thousands of recordings."""
    trim = getattr(_libc, "malloc_trim", None)  # glibc has it, musl has not
    if trim is not None:
        trim(0)


def limit_memory(growth_bytes: int) -> int:
    """Let this process's private memory grow by at most so many bytes from now on; what needs more gets a MemoryError.

    Call it once in a worker's child, after its imports. Private writable memory (RLIMIT_DATA) is counted rather than address
    space, which threads reserve without using it.

    Also keeps glibc from holding on to what decoders freed: large blocks go back at once rather than into the threads' heaps.

    Returns:
        the limit in bytes; 0 where the system does not tell how much is used (only Linux does).
    """
    mallopt = getattr(_libc, "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
        mallopt(_M_TRIM_THRESHOLD, LARGE_BLOCK_BYTES)
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    used = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData:"))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = used + growth_bytes
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    return limit
