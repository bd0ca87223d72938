"""SQLite as a reader uses it: one writer thread, reads in place, every commit durable.

A commit may wait for a slow card, so writes run in a thread of their own, one after the other; a
read takes microseconds from memory-mapped pages, so reads run where they are asked for and see
the last commit, also while a long write is under way (write-ahead log).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class Damaged(Exception):
    """The file cannot be read or written as a database. The text names it and says why."""


class TooNew(Exception):
    """The file was written by a newer Doorward. The text names the remedy."""


class Database:
    """One SQLite file with a schema of a known version."""

    def __init__(self, path: Path, schema: str, version: int) -> None:
        """Open or create `path`. Raises `Damaged` or `TooNew`; the file is left as it is."""
        self.path = path
        try:
            self._writer = _connect(path)
            _migrate(self._writer, path, schema, version)
            self.reader = _connect(path)
        except sqlite3.DatabaseError as error:
            raise Damaged(f"{path}: {error}") from error
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=path.stem)

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction, after those before it; return when it is durable.

        Raises what `work` raises, after a rollback, and `Damaged` for a broken file.
        """
        future = asyncio.get_running_loop().run_in_executor(self._thread, self.write_now, work)
        # A caller that goes away does not undo a write that has begun.
        return await asyncio.shield(future)

    def write_now(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do what `write` does, in the calling thread: for start-up, before there is a loop."""
        writer = self._writer
        try:
            writer.execute("BEGIN IMMEDIATE")
            try:
                result = work(writer)
                writer.execute("COMMIT")
            except BaseException:
                if writer.in_transaction:
                    writer.execute("ROLLBACK")
                raise
        except sqlite3.DatabaseError as error:
            raise Damaged(f"{self.path}: {error}") from error
        return result

    def close(self) -> None:
        """Finish the writes that were asked for, then let go of the file."""
        self._thread.shutdown(wait=True)
        self.reader.close()
        self._writer.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA busy_timeout = 5000")
    # Two megabytes of page cache each: what a reader keeps in memory does not grow with its plan.
    connection.execute("PRAGMA cache_size = -2048")
    return connection


def _migrate(connection: sqlite3.Connection, path: Path, schema: str, version: int) -> None:
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found > version:
        raise TooNew(
            f"{path} has schema {found}, this program knows {version}: install the newer Doorward "
            "again, or move the file away"
        )
    if found == 0:
        connection.executescript(f"BEGIN; {schema}; PRAGMA user_version = {version}; COMMIT;")
