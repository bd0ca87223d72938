"""The reader's line to its controller: connect, stay in step, come back after every loss.

Everything here may fail at any time without the door noticing.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable

from reader.bus import Bus, BusLost
from reader.session import Session

logger = logging.getLogger(__name__)

RECONNECT_FIRST, RECONNECT_MAX = 0.25, 15.0


class Uplink:
    """Runs for ever. `begin` makes a new session for every connection."""

    def __init__(self, bus: Bus, begin: Callable[[], Session]) -> None:
        """Prepare; nothing is connected before `run`."""
        self._bus = bus
        self._begin = begin
        self._was_connected = False

    async def run(self) -> None:
        """Connect and stay connected, until cancelled."""
        wait = RECONNECT_FIRST
        while True:
            self._was_connected = False
            try:
                await self._connect()
            except* BusLost as lost:
                if self._was_connected or wait == RECONNECT_FIRST:
                    logger.warning("%s; the door goes on by its last plan", _first(lost))
            wait = RECONNECT_FIRST if self._was_connected else min(wait * 2, RECONNECT_MAX)
            # Spread, so that a thousand readers do not come back in the same instant.
            await asyncio.sleep(wait * (0.5 + secrets.randbelow(1000) / 1000))

    async def _connect(self) -> None:
        session = self._begin()
        async with self._bus.connect(session.topics, session.will) as connection:
            logger.info("connected to the broker")
            self._was_connected = True
            await session.run(connection)


def _first(lost: BaseExceptionGroup[BusLost]) -> BaseException:
    """Return the text-bearing exception at the bottom of nested groups."""
    error: BaseException = lost
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
