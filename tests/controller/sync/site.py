"""A whole installation on a bus in memory: a controller, a broker, a model reader at every door."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager

from sqlalchemy import select

from controller.store.tables import (
    Change,
    CompiledRow,
    ReaderPlan,
)
from controller.sync.memory import MemoryBroker
from controller.sync.service import SyncService
from tests.controller.building import CONTROLLER, Building, ReaderKeys
from tests.controller.sync.ends import ReaderEnd
from tests.controller.sync.model_reader import ModelReader


@asynccontextmanager
async def running(*jobs: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run `jobs` meanwhile. What goes wrong in one of them is raised."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(job) for job in jobs]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 10.0) -> None:
    """Return once `holds` is true."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - what the database says rings no bell
            await asyncio.sleep(0.01)


def is_whole(model: ModelReader) -> bool:
    return model.leases > 0


class Site:
    """A controller, a broker, and a model reader at every door."""

    def __init__(self, building: Building) -> None:
        self.building = building
        self.broker = MemoryBroker()
        self.service = SyncService(building.database, CONTROLLER, self.broker, jitter=lambda: 0.5)
        self.ends = [
            ReaderEnd(ModelReader(reader, secrets.token_bytes), ReaderKeys(number), self.broker)
            for number, reader in enumerate(building.readers)
        ]

    @asynccontextmanager
    async def up(self) -> AsyncIterator[None]:
        """Run it all, and wait until every reader has a lease."""
        async with running(self.service.run()):
            await until(self.connected)
            async with running(*(end.run() for end in self.ends)):
                for end in self.ends:
                    await end.until(is_whole)
                yield

    async def connected(self) -> bool:
        return self.service.connected

    async def plan(self, number: int = 0) -> ReaderPlan:
        async with self.building.database.read() as session:
            return await session.get_one(ReaderPlan, self.building.readers[number])

    async def compiled(self, number: int = 0) -> dict[bytes, bytes]:
        async with self.building.database.read() as session:
            query = select(CompiledRow.row_key, CompiledRow.body).where(
                CompiledRow.reader_id == self.building.readers[number]
            )
            return dict((await session.execute(query)).all())

    async def processed(self) -> bool:
        """Whether no change waits for anybody."""
        async with self.building.database.read() as session:
            waiting = await session.scalar(select(Change.id).where(Change.processed_at.is_(None)))
        return waiting is None

    async def in_step(self) -> None:
        """Wait until every change is processed; then every reader has exactly its plan."""
        await until(self.processed)
        for number, end in enumerate(self.ends):
            assert end.model.rows == await self.compiled(number)
            assert end.model.wrong == []
