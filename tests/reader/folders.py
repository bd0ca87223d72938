"""Folders in memory, where there are some: a test waits for no disk to sync."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

_RAM = Path("/dev/shm")  # noqa: S108 - each test makes a folder of its own in it


def folder() -> TemporaryDirectory[str]:
    """A new folder, gone at the end of the block."""
    return TemporaryDirectory(prefix="doorward-", dir=_RAM if _RAM.is_dir() else None)
