"""When to look at a reader again."""

from __future__ import annotations

import heapq
import math


class Timers:
    """At most one time for each reader; the last one set counts."""

    def __init__(self) -> None:
        self._times: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def look_at(self, reader: str, at: float) -> None:
        """Look at `reader` at `at`; infinity: not by the clock."""
        if self._times.get(reader, math.inf) == at:
            return
        if at == math.inf:
            del self._times[reader]
            return
        self._times[reader] = at
        heapq.heappush(self._heap, (at, reader))

    def due(self, now: float) -> set[str]:
        """Return whose time has come, and forget their times."""
        readers = set()
        while self._heap and self._heap[0][0] <= now:
            at, reader = heapq.heappop(self._heap)
            if self._times.get(reader) == at:
                del self._times[reader]
                readers.add(reader)
        return readers

    @property
    def next(self) -> float:
        """The earliest time of all (or one that was replaced), infinity if there is none."""
        return self._heap[0][0] if self._heap else math.inf
