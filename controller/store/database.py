"""The controller's database: reads at one moment, one writer at a time, edits that compile."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from controller.reader_issuer import ReaderIssuer
from controller.store.engine import Engines
from controller.store.signal import Signal
from controller.store.uow import UnitOfWork

# What turns the touched into compiled rows, outbox, denials and the change itself.
Finish = Callable[[UnitOfWork], Awaitable[None]]


def unix_millis() -> int:
    """Return the time of the machine in milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


class Database:
    """Hands out transactions. `committed` rings after every edit, for the one that publishes."""

    def __init__(
        self,
        engines: Engines,
        finish: Finish,
        issuer: ReaderIssuer,
        *,
        clock: Callable[[], int] = unix_millis,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.committed = Signal()
        self.clock = clock
        self.random_bytes = random_bytes
        self.issuer = issuer
        self._engines = engines
        self._finish = finish
        self._writing = asyncio.Lock()
        # Objects stay readable after the commit: they are turned into answers then.
        self._write = async_sessionmaker(engines.writer, expire_on_commit=False)
        self._read = async_sessionmaker(engines.reader, expire_on_commit=False)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Yield a session that sees one moment of the database and cannot write."""
        async with self._read() as session, session.begin():
            yield session

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Yield a session that writes what is no operator's edit: receipts, events, presence.

        Commits at the end, rolls back on any error. Others who write wait meanwhile.
        """
        async with self._writing, self._write() as session, session.begin():
            await session.connection()  # begins now, not at the first statement
            yield session

    @asynccontextmanager
    async def write(
        self, *, actor: str, action: str, subject: str = ""
    ) -> AsyncIterator[UnitOfWork]:
        """Yield the unit of work of one edit; on leaving, compile and commit, then ring.

        `actor` is who, `action` what ("door.update"), `subject` to what; all three are recorded.
        """
        async with self.transaction() as session:
            uow = UnitOfWork(
                session, self.clock(), actor, action, subject, self.random_bytes, self.issuer
            )
            yield uow
            await session.flush()
            await self._finish(uow)
        self.committed.set()

    async def close(self) -> None:
        """Close every connection; to be called once nobody uses it any more."""
        await self._engines.dispose()
