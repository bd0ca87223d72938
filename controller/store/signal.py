"""A bell for one listener: rung while nobody listens, it is heard at the next wait."""

from __future__ import annotations

import asyncio


class Signal:
    """Wakes the one task that waits. Several rings before the next wait are one."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Ring."""
        self._event.set()

    async def wait(self) -> None:
        """Return once rung since the last return."""
        await self._event.wait()
        self._event.clear()
