"""The clock that nobody sets: milliseconds within one run of the machine."""

import os
import time
from functools import cache
from pathlib import Path


@cache
def boot() -> str:
    """The run of the machine, or else of this process, within which `mono_ms` can be compared."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return os.urandom(16).hex()


def mono_ms() -> int:
    """Milliseconds on this boot's clock; where the system has one that goes on while the machine sleeps, on that."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock) // 1_000_000
