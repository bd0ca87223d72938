"""HTTP connections that get on with it: one that asks nothing for a while is closed.

uvicorn waits without end for a request that somebody has begun. Whoever begins a few hundred would
use up what the process may open, and the broker could not be reached any more.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

# A request line and headers fit into one packet. What a body may take is said where it is read.
PATIENCE_SECONDS = 15.0
# So many at the same time, more are hung up on: a process may usually open 1,024 files.
MOST = 500


class Connection(H11Protocol):
    """Looks now and then whether anything was asked since it last looked."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, or hang up where there are too many."""
        super().connection_made(transport)
        self._seen: RequestResponseCycle | None = None
        self._look_later()
        if len(self.connections) > MOST:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._look.cancel()
        super().connection_lost(exc)

    def _look_later(self) -> None:
        self._look = self.loop.call_later(PATIENCE_SECONDS, self.look)

    def look(self) -> None:
        """Close the connection unless a request is in work, or was since the last look."""
        cycle: RequestResponseCycle | None = self.cycle
        working = cycle is not None and not cycle.response_complete
        if working or cycle is not self._seen:
            self._seen = cycle
            self._look_later()
        else:
            self.transport.close()
