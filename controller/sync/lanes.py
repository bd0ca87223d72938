"""Lanes to the broker: twenty messages at most are in flight, and none waits behind a long plan.

The urgent lane has the deny set, remote openings, leases and receipts, in this order; another has
deltas, a third snapshots. A job is what must stay in order: one reader's messages of one kind.
"""

from __future__ import annotations

import asyncio
import enum
import itertools
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from controller.sync.bus import Connection

Job: TypeAlias = Callable[[Connection], Awaitable[None]]

# Together twenty: with more in flight the MQTT client gets slower, not faster.
URGENT_WORKERS, DELTA_WORKERS, SNAPSHOT_WORKERS = 6, 10, 4


class Urgency(enum.IntEnum):
    """Who goes first in the urgent lane."""

    DENY = 0
    PULSE = 1
    LEASE = 2
    RECEIPT = 3


class Lane:
    """Jobs in order of urgency, then of arrival, some of them at a time."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._order = itertools.count()
        self._jobs: asyncio.PriorityQueue[tuple[int, int, Job]] = asyncio.PriorityQueue()

    def submit(self, job: Job, urgency: Urgency = Urgency.DENY) -> None:
        """Have `job` done on the connection there is."""
        self._jobs.put_nowait((urgency, next(self._order), job))

    def clear(self) -> None:
        """Forget the jobs that have not begun."""
        while not self._jobs.empty():
            self._jobs.get_nowait()

    async def run(self, connection: Connection) -> None:
        """Do jobs until cancelled. Raises `BusLost` (in a group)."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._workers):
                tasks.create_task(self._work(connection))

    async def _work(self, connection: Connection) -> None:
        while True:
            _, _, job = await self._jobs.get()
            await job(connection)


class Lanes:
    """The three of them."""

    def __init__(self) -> None:
        self.urgent = Lane(URGENT_WORKERS)
        self.deltas = Lane(DELTA_WORKERS)
        self.snapshots = Lane(SNAPSHOT_WORKERS)
        self.open = False

    def clear(self) -> None:
        """Forget what has not begun; nobody is connected."""
        self.open = False
        for lane in (self.urgent, self.deltas, self.snapshots):
            lane.clear()

    async def run(self, connection: Connection) -> None:
        """Do jobs until cancelled. Raises `BusLost` (in a group)."""
        self.open = True
        async with asyncio.TaskGroup() as tasks:
            for lane in (self.urgent, self.deltas, self.snapshots):
                tasks.create_task(lane.run(connection))
