"""SQLite as a reader uses it: one writer thread, reads in place, every commit durable.

A commit may wait for a slow card, so writes run in a thread of their own, one after the other; a
read takes microseconds from memory, so reads run where they are asked for and see the last commit,
also while a long write is under way (write-ahead log).
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

logger = logging.getLogger(__name__)

# What stays of a write-ahead log after a large write; a card has little room.
LOG_BYTES = 4 * 1024 * 1024


class Unusable(Exception):
    """The database cannot be read or written at present. The text names it and says why."""


class Damaged(Unusable):
    """What stands in the file is broken: it will not get better by waiting."""


class NotAsWritten(sqlite3.DatabaseError):
    """A value is not what was written. Raised by work on a `Database`, which makes it `Damaged`."""


class TooNew(Exception):
    """The file was written by a newer Doorward. The text names the remedy."""


class Database:
    """One SQLite file with a schema of a known version."""

    def __init__(self, path: Path, schema: str, version: int) -> None:
        """Open or create `path`. Raises `Unusable` or `TooNew`; the file is left as it is."""
        self.path = path
        opened: list[sqlite3.Connection] = []
        try:
            self._writer = _connect(path, opened)
            _migrate(self._writer, path, schema, version)
            self._reader = _connect(path, opened)
        except BaseException as error:
            _close_all(opened)
            if isinstance(error, sqlite3.DatabaseError):
                raise fault(path, error) from error
            raise
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=path.stem)
        self._closed = False

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work`, which only reads, here and now, on one moment of the database.

        Raises what `work` raises, or `Unusable`.
        """

        def in_one_moment(db: sqlite3.Connection) -> T:
            db.execute("BEGIN")
            try:
                return work(db)
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

        return self.glance(in_one_moment)

    def glance(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do what `read` does for work that is one statement, which is of one moment by itself."""
        try:
            return work(self._reader)
        except sqlite3.DatabaseError as error:
            raise fault(self.path, error) from error

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction, after those before it; return when it is durable.

        Raises what `work` raises, after a rollback, or `Unusable`.
        """
        return await self._run(partial(self.write_now, work))

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
            raise fault(self.path, error) from error
        return result

    async def survey(self, step: Callable[[sqlite3.Connection], bool]) -> None:
        """Call `step` until it returns False, all on one moment of the database.

        Each call runs between two writes and should take milliseconds. Raises what `step` raises,
        or `Unusable`.
        """
        opened: list[sqlite3.Connection] = []
        try:
            view = await self._run(partial(_connect, self.path, opened))
            await self._run(partial(view.execute, "BEGIN"))
            while await self._run(partial(step, view)):
                pass
        except sqlite3.DatabaseError as error:
            raise fault(self.path, error) from error
        finally:
            self._finish(opened)

    async def close_soon(self) -> None:
        """Do what `close` does, and let others go on meanwhile. Nothing is read from here on."""
        self._closed = True
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Finish the writes that were asked for, then let go of the file."""
        self._closed = True
        self._thread.shutdown(wait=True)
        self._reader.close()
        self._writer.close()

    async def _run(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise Unusable(f"{self.path}: closed")
        future = asyncio.get_running_loop().run_in_executor(self._thread, work)
        # A caller that goes away does not undo a write that has begun.
        return await asyncio.shield(future)

    def _finish(self, opened: list[sqlite3.Connection]) -> None:
        """Close what was opened, after the step that may still be running."""
        if self._closed:
            _close_all(opened)
        else:
            self._thread.submit(_close_all, opened)


def open_or_set_aside(path: Path, schema: str, version: int) -> tuple[Database, bool]:
    """Open or create `path`; return also whether a damaged file had to make room for it.

    Only for what the controller will send again. Raises `Unusable` or `TooNew`.
    """
    try:
        return Database(path, schema, version), False
    except Damaged as error:
        logger.warning("%s", error)
        set_aside(path)
        return Database(path, schema, version), True


def set_aside(path: Path) -> None:
    """Rename a damaged database, of which there is no open connection. Raises `Unusable`.

    One is kept, for whoever wants to know what happened to it; the next one replaces it.
    """
    aside = path.with_name(f"{path.name}.damaged")
    try:
        if path.exists():
            path.replace(aside)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    except OSError as error:
        raise Unusable(f"{path}: damaged, and cannot be moved away: {error.strerror}") from error
    logger.warning("%s was damaged and is now %s", path, aside.name)


# With these it is not the content that is wrong, but the card, the folder or the moment.
_NOT_THE_CONTENT = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOLFS,
    sqlite3.SQLITE_AUTH,
}
# Unless the card cannot give back what was written.
_UNREADABLE = {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ}


def fault(path: Path, error: sqlite3.DatabaseError) -> Unusable:
    """Return `error` as ours."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    content = code in _UNREADABLE or code & 0xFF not in _NOT_THE_CONTENT
    return (Damaged if content else Unusable)(f"{path}: {error}")


def blob(value: object) -> bytes:
    """Return a value that was written as bytes; SQLite may give back others. `NotAsWritten`."""
    if not isinstance(value, bytes):
        raise NotAsWritten("bytes have become something else")
    return value


def number(value: object) -> int:
    """Return a value that was written as a whole number. Raises `NotAsWritten`."""
    if not isinstance(value, int):
        raise NotAsWritten("a number has become something else")
    return value


def _connect(path: Path, opened: list[sqlite3.Connection]) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    opened.append(connection)
    connection.execute("PRAGMA busy_timeout = 5000")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
    # Two megabytes of page cache each: what a reader keeps in memory does not grow with its plan.
    connection.execute("PRAGMA cache_size = -2048")
    return connection


def _close_all(opened: list[sqlite3.Connection]) -> None:
    for connection in opened:
        connection.close()


def _migrate(connection: sqlite3.Connection, path: Path, schema: str, version: int) -> None:
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found > version:
        raise TooNew(
            f"{path} has schema {found}, this program knows {version}: install the newer Doorward "
            "again, or move the file away"
        )
    if found not in (0, version):
        raise Damaged(f"{path}: there has never been a schema {found}")
    if found == 0:
        connection.executescript(f"BEGIN; {schema}; PRAGMA user_version = {version}; COMMIT;")
