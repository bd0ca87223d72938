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
# A connection that ends sooner counts as none: a broker may take everybody and drop them again.
LASTING = 10.0


class Uplink:
    """Runs for ever. `begin` makes a new session for every connection."""

    def __init__(self, bus: Bus, begin: Callable[[], Session]) -> None:
        """Prepare; nothing is connected before `run`."""
        self._bus = bus
        self._begin = begin
        self._session: Session | None = None

    def ask(self) -> None:
        """Ask the controller for what is missing here: now, or when connected again."""
        if self._session is not None:
            self._session.ask_again()

    async def run(self) -> None:
        """Connect and stay connected, until cancelled."""
        now = asyncio.get_running_loop().time
        wait = RECONNECT_FIRST
        while True:
            start = now()
            try:
                await self._connect()
            except* BusLost as lost:
                if wait == RECONNECT_FIRST:
                    logger.warning(
                        "%s; trying again; the door goes on by its last plan", _first(lost)
                    )
            if now() - start >= LASTING:
                wait = RECONNECT_FIRST
            # Spread, so that a thousand readers do not come back in the same instant.
            await asyncio.sleep(wait * (0.5 + secrets.randbelow(1000) / 1000))
            wait = min(wait * 2, RECONNECT_MAX)

    async def _connect(self) -> None:
        self._session = session = self._begin()
        async with self._bus.connect(session.topics, session.will) as connection:
            logger.info("connected to the broker")
            await session.run(connection)


def _first(lost: BaseExceptionGroup[BusLost]) -> BaseException:
    """Return the text-bearing exception at the bottom of nested groups."""
    error: BaseException = lost
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
