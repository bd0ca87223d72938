"""The unread messages of one link: bounded, in order, and closed with a reason."""

from __future__ import annotations

import asyncio
from collections import deque

from hw.ports import LinkClosed


class Mailbox:
    """One reader waits, one radio delivers. What came before the end is still read after it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._messages: deque[bytes] = deque()
        self._reason: str | None = None
        self._change = asyncio.Event()
        self._end = asyncio.Event()

    @property
    def closed(self) -> str | None:
        """Why the link has ended, or `None` while it lives."""
        return self._reason

    def deliver(self, message: bytes) -> bool:
        """Queue a message. False if the other end sends faster than anybody reads."""
        if self._reason is not None:
            return True  # late, and of no interest to anyone
        if len(self._messages) >= self._limit:
            return False
        self._messages.append(message)
        self._change.set()
        return True

    def close(self, reason: str) -> None:
        """End the link; the first reason stays."""
        if self._reason is None:
            self._reason = reason
            self._change.set()
            self._end.set()

    async def receive(self) -> bytes:
        """The next message. Raises `LinkClosed` when there will be no more."""
        while not self._messages:
            if self._reason is not None:
                raise LinkClosed(self._reason)
            self._change.clear()
            await self._change.wait()
        return self._messages.popleft()

    async def ended(self) -> None:
        """Wait until the link is closed."""
        await self._end.wait()
