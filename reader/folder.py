"""The data folder is for one process at once: two would overwrite each other's plan and journal."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "lock"


class FolderInUse(Exception):
    """The folder cannot be had for this process alone. The text names it and the remedy."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder`, which is there already, until left or killed. Raises `FolderInUse`."""
    try:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise FolderInUse(
            f"{folder / LOCK} cannot be opened ({error.strerror}): "
            "let this user write to the folder, or choose another `data`"
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUse(
                f"{folder} is in use by another doorward-reader: stop that one first"
            ) from None
        yield
    finally:
        os.close(handle)
