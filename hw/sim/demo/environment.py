"""What a run is measured on, and from when."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path


def process_start() -> float:
    """When this process began (Unix seconds), before Python had read its first line."""
    stat = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace")
    # The second field is the program's name in parentheses and may hold anything.
    ticks = int(stat.rpartition(")")[2].split()[19])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - age


def python_version() -> str:
    return platform.python_version()
