"""A file of secrets: mode 0600, replaced whole, changed by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path


class PrivateFileError(Exception):
    """A file of secrets cannot be used. The text has the remedy, and nothing of its content."""


def read(path: Path) -> str | None:
    """What it says, or None if there is none. Raises `PrivateFileError`, if others can read it."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise PrivateFileError(f"{path}: cannot be read ({type(error).__name__})") from None
    if mode & 0o077:
        raise PrivateFileError(f"{path}: others can read these keys: chmod 600 {path}")
    return text


def write(path: Path, text: str) -> None:
    """Replace the file so that a power cut leaves either the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes from changing the file meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
