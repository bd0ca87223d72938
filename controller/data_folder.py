"""The folder with everything that must not be lost or read by others: mode 0700, one user at once.

doorward.db      the database
*.key            the controller's own keys
operator.token   lets an operator use the API; delete it and start again for a new one
http.address     where the controller listens, while it runs
lock             held by the controller that runs
"""

from __future__ import annotations

import base64
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# 32 random bytes in base64url; somebody who chooses their own may do with fewer characters.
SHORTEST_TOKEN = 32


class DataFolderError(Exception):
    """The folder cannot be used. The text names the file and the remedy."""


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The folder at `path`."""

    path: Path

    @property
    def database(self) -> Path:
        """The database file."""
        return self.path / "doorward.db"

    @property
    def token_file(self) -> Path:
        """The operator's token."""
        return self.path / "operator.token"

    @property
    def address_file(self) -> Path:
        """Where the controller listens, while it runs."""
        return self.path / "http.address"

    def make(self) -> None:
        """Make the folder if it is not there. Raises `DataFolderError`."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise DataFolderError(
                f"{self.path} cannot be made ({error.strerror}): choose another `data`"
            ) from error
        if stat.S_IMODE(self.path.stat().st_mode) & 0o077:
            raise DataFolderError(f"{self.path} is open to others: chmod 700 {self.path}")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process. Raises `DataFolderError` if another one has it."""
        lock = self.path / "lock"
        try:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise DataFolderError(
                f"{lock} cannot be opened ({error.strerror}): "
                "let this user write to the folder, or choose another `data`"
            ) from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DataFolderError(
                    f"{self.path} is in use by another controller; stop that one first"
                ) from None
            yield
        finally:
            os.close(handle)

    def token(self) -> str:
        """Return the operator's token, made new if the file is not there.

        Raises `DataFolderError` for one that others may have read, or that is too short.
        """
        path = self.token_file
        if not path.exists():
            fresh = base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=")
            self.write(path, fresh.decode() + "\n")
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise DataFolderError(f"{path} is open to others: delete it for a new token")
        token = path.read_text(encoding="ascii", errors="replace").strip()
        if not re.fullmatch(rf"[!-~]{{{SHORTEST_TOKEN},200}}", token):
            raise DataFolderError(f"{path} holds no good token: delete it for a new one")
        return token

    def write(self, path: Path, text: str) -> None:
        """Write a file of mode 0600 so that it is there whole or not at all."""
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
