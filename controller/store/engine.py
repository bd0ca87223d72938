"""Engines for one SQLite file: one connection that writes, a few that read.

The driver would open transactions by rules of its own, late and not before every statement. Here
it is told to leave that alone, and each transaction begins with the words that fit it: a writer
takes the write lock at once, so that it never fails half-way because somebody else wrote; a reader
sees one moment of the database and cannot write at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, event
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

# How long to wait for another process (a backup, an operator's shell) before giving up.
BUSY_MS = 10_000
READERS = 8

_PRAGMAS = (
    # Committed means on the disk: an acknowledged event or revocation survives a power cut.
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA busy_timeout={BUSY_MS}",
)


@dataclass(frozen=True, slots=True)
class Engines:
    """The same database twice: `writer` has one connection, `reader` several."""

    writer: AsyncEngine
    reader: AsyncEngine

    @classmethod
    def sqlite(cls, path: Path) -> Self:
        """Return engines for the file `path`; it is made at the first connection."""
        return cls(_engine(path, writes=True), _engine(path, writes=False))

    async def log_ahead(self) -> None:
        """Let readers and a writer work side by side. Changes the file: once it is known as ours.

        The file remembers it. Cannot be done within a transaction.
        """
        async with self.writer.connect() as connection:
            await connection.run_sync(_log_ahead)

    async def dispose(self) -> None:
        """Close every connection."""
        await self.reader.dispose()
        await self.writer.dispose()


def _log_ahead(connection: Connection) -> None:
    cursor = connection.connection.cursor()  # the driver's: SQLAlchemy's would begin
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.close()


def _engine(path: Path, *, writes: bool) -> AsyncEngine:
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        pool_size=1 if writes else READERS,
        max_overflow=0,
        hide_parameters=True,  # values are people's data; they do not belong into error texts
    )
    begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
    pragmas = _PRAGMAS if writes else (*_PRAGMAS, "PRAGMA query_only=ON")

    @event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
