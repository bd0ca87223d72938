"""Drops what no reader will ask for: old deltas (it gets a snapshot instead), settled claims."""

from __future__ import annotations

import asyncio

from sqlalchemy import delete

from controller.store.database import Database
from controller.store.tables import Outbox, UseClaim
from controller.store.uninterrupted import uninterrupted

EVERY = 3_600.0
# The longest lease is thirty days; a reader that was away longer refuses everybody anyway.
KEEP_MS = 30 * 86_400_000


class Housekeeping:
    """Runs once an hour."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        """Tidy up until cancelled."""
        while True:
            await uninterrupted(self.tidy())
            await asyncio.sleep(EVERY)

    async def tidy(self) -> None:
        """Drop what is older than the longest lease."""
        async with self._database.transaction() as session:
            oldest = self._database.clock() - KEEP_MS
            await session.execute(delete(Outbox).where(Outbox.created_at < oldest))
            await session.execute(
                delete(UseClaim).where(UseClaim.made_at < oldest, UseClaim.settled)
            )
