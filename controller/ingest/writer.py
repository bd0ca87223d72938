"""Collects batches as they arrive and stores them a group at a time: one commit serves many."""

from __future__ import annotations

import asyncio
from typing import Protocol

from controller.ingest.store import Outcome, store
from controller.store.database import Database
from shared.wire.messages import EventBatch

# A thousand live events, or two full batches of a draining journal, make one commit worth its wait.
GROUP_ENTRIES = 1_000
# What may wait in memory; beyond it, whoever submits waits, and in the end the broker.
QUEUE_BATCHES = 1_000


class Sink(Protocol):
    """Who wants to know what has been stored."""

    async def stored(self, outcome: Outcome) -> None:
        """Called after the commit: send the receipts, finish what waited for an event."""


class EventWriter:
    """The one that writes events. `submit` from anywhere, `run` once."""

    def __init__(self, database: Database, sink: Sink) -> None:
        self._database = database
        self._sink = sink
        self._queue: asyncio.Queue[EventBatch] = asyncio.Queue(QUEUE_BATCHES)

    async def submit(self, batch: EventBatch) -> None:
        """Hand over a batch whose signature holds; waits while too many are under way."""
        await self._queue.put(batch)

    async def run(self) -> None:
        """Store groups of batches until cancelled; what is not stored the readers send again."""
        while True:
            group = [await self._queue.get()]
            entries = len(group[0].entries)
            while entries < GROUP_ENTRIES and not self._queue.empty():
                group.append(self._queue.get_nowait())
                entries += len(group[-1].entries)
            await self._sink.stored(await store(self._database, group))
