"""What a run is measured on, and from when."""

from __future__ import annotations

import platform
import time

# Python and its modules took this long to load. What `scripts/demo` may have installed before, in
# processes of their own, does not count.
_LOADED_AT = time.time()
_LOADING = time.process_time()


def began() -> float:
    """When this program began, in Unix seconds."""
    return _LOADED_AT - _LOADING


def python_version() -> str:
    return platform.python_version()
