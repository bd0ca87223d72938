"""Lanes to the broker: twenty messages at most are in flight, and none waits behind a long plan.

The urgent lane has deny sets, remote openings, answers to claims, leases and receipts, in this
order; another has
deltas, a third snapshots, and both wait for deny sets. A job is what must stay in order: one
reader's messages of one kind.
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
    """Who goes first."""

    DENY = 0
    PULSE = 1
    CLAIMED = 2
    LEASE = 3
    RECEIPT = 4
    PLAN = 5


class Lane:
    """Jobs in order of urgency, then of arrival, `workers` of them at a time.

    No job begins while the lane `first` has the deny set of anybody waiting.
    """

    def __init__(self, workers: int, first: Lane | None = None) -> None:
        self._workers = workers
        self._first = first
        self._order = itertools.count()
        self._jobs: asyncio.PriorityQueue[tuple[int, int, Job]] = asyncio.PriorityQueue()
        self._denials = 0
        self._no_denials = asyncio.Event()
        self._no_denials.set()

    def submit(self, job: Job, urgency: Urgency) -> None:
        """Have `job` done on the connection there is."""
        self._jobs.put_nowait((urgency, next(self._order), job))
        if urgency is Urgency.DENY:
            self._denials += 1
            self._no_denials.clear()

    def clear(self) -> None:
        """Forget the jobs that have not begun."""
        while not self._jobs.empty():
            self._jobs.get_nowait()
        self._denials = 0
        self._no_denials.set()

    async def denials_sent(self) -> None:
        """Wait until no deny set waits."""
        await self._no_denials.wait()

    async def run(self, connection: Connection) -> None:
        """Do jobs until cancelled. Raises `BusLost` (in a group)."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._workers):
                tasks.create_task(self._work(connection))

    async def _work(self, connection: Connection) -> None:
        while True:
            urgency, _, job = await self._jobs.get()
            if self._first is not None:
                await self._first.denials_sent()
            if urgency == Urgency.DENY:
                self._denials -= 1
                if not self._denials:
                    self._no_denials.set()
            await job(connection)


class Lanes:
    """The three of them."""

    def __init__(self) -> None:
        self.urgent = Lane(URGENT_WORKERS)
        self.deltas = Lane(DELTA_WORKERS, first=self.urgent)
        self.snapshots = Lane(SNAPSHOT_WORKERS, first=self.urgent)
        self.open = False

    def clear(self) -> None:
        """Close them, and forget what has not begun."""
        self.open = False
        for lane in (self.urgent, self.deltas, self.snapshots):
            lane.clear()

    async def run(self, connection: Connection) -> None:
        """Do jobs until cancelled. Raises `BusLost` (in a group)."""
        async with asyncio.TaskGroup() as tasks:
            for lane in (self.urgent, self.deltas, self.snapshots):
                tasks.create_task(lane.run(connection))
