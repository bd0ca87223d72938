"""Collects batches as they arrive and stores them a group at a time: one commit serves many."""

from __future__ import annotations

import asyncio
from typing import Protocol

from controller.ingest.store import Outcome, store
from controller.ingest.waiting import Waiting
from controller.store.database import Database
from controller.store.uninterrupted import uninterrupted
from shared.wire.messages import EventBatch


class Sink(Protocol):
    """Who wants to know what has been stored."""

    async def stored(self, outcome: Outcome) -> None:
        """Called after the commit: send the receipts, finish what waited for an event."""


class EventWriter:
    """The one that writes events. `offer` from anywhere, `run` once."""

    def __init__(self, database: Database, sink: Sink) -> None:
        self._database = database
        self._sink = sink
        self._waiting = Waiting()
        self._offered = asyncio.Event()

    def offer(self, batch: EventBatch) -> bool:
        """Take a batch whose signature holds; False: no room, its reader will send it again."""
        taken = self._waiting.offer(batch)
        self._offered.set()
        return taken

    async def run(self) -> None:
        """Store groups of batches until cancelled; what is not stored the readers send again."""
        while True:
            await self._offered.wait()
            self._offered.clear()
            while group := self._waiting.take():
                outcome = await uninterrupted(store(self._database, group))
                await self._sink.stored(outcome)
