"""What a reader does for itself: checks its own files, writes down clock and lease, warns."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from reader.database import Unusable
from reader.doorkeeper import Doorkeeper
from reader.lease import Standing
from reader.memory import Memory
from reader.store import Store
from shared.wire.events import EventKind

logger = logging.getLogger(__name__)

CHECKPOINT_EVERY = 60.0
# A power cut during a write is what damages files; the first minute after it belongs to taps.
CHECK_AFTER = 2.0

_SAID = {
    Standing.LIVE: "renewed",
    Standing.OLD: "no word from the controller for a day; the door goes on by its last plan",
    Standing.ENDED: "no word from the controller for too long; everybody but responders is refused",
}


class Upkeep:
    """Looks after one reader's memory. `ask` asks the controller for what is missing here."""

    def __init__(self, memory: Memory, doorkeeper: Doorkeeper, ask: Callable[[], None]) -> None:
        """Prepare; see `run`."""
        self._memory = memory
        self._door = doorkeeper
        self._ask = ask
        self._standing = Standing.LIVE

    async def run(self) -> None:
        """Look after everything until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._mend(self._memory.cache, "plan"))
            tasks.create_task(self._mend(self._memory.denials, "deny set"))
            tasks.create_task(self._check())
            tasks.create_task(self._keep())

    async def _mend(self, store: Store[Any], name: str) -> None:
        """Whenever `store` turns out damaged, say so, and get it again."""
        while True:
            await store.broken.wait()
            store.broken.clear()
            self._door.settle()
            try:
                await store.start_over()
            except Unusable as error:
                logger.warning("%s", error)
            self._ask()
            detail = f"the {name} was damaged; everybody is refused until it is here again"
            await self._door.record([self._door.event(EventKind.CACHE, detail=detail)])

    async def _check(self) -> None:
        """Add up what is in the files, once after every start."""
        await asyncio.sleep(CHECK_AFTER)
        for store in (self._memory.denials, self._memory.cache):
            try:
                await store.verify()
            except Unusable as error:
                logger.warning("%s", error)

    async def _keep(self) -> None:
        """Write down clock and lease every minute, and tell when the lease grows old."""
        while True:
            await self._tell_lease()
            await asyncio.sleep(CHECKPOINT_EVERY)
            try:
                await self._memory.checkpoint()
            except Unusable as error:
                logger.warning("%s", error)

    async def _tell_lease(self) -> None:
        before, self._standing = self._standing, self._memory.lease_standing()
        if self._standing is not before:
            logger.warning("lease: %s", _SAID[self._standing])
            event = self._door.event(EventKind.LEASE, detail=_SAID[self._standing])
            await self._door.record([event])
