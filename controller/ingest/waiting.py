"""Batches that wait for the next commit: those with live events first, each reader's in order."""

from __future__ import annotations

from collections import Counter, deque

from shared.wire.messages import MAX_BATCH, EventBatch

# A thousand live events, or two full batches of a draining journal, make one commit worth its wait.
GROUP_ENTRIES = 1_000
# Some twenty megabytes, and more than is stored until readers send again, five seconds later; the
# rest waits in the journals.
MAX_REPLAYED = 150_000
# Live events have room of their own, so that a draining site does not shut them out.
MAX_LIVE = 50_000
# A reader sends two thousand, and the batch that exceeds them, before it waits for a receipt. What
# it sends again while they wait would only be looked up to find it there; and whoever floods takes
# nobody's room but its own.
MAX_PER_READER = 5 * MAX_BATCH


class Waiting:
    """A reader whose journal is draining waits with all it sends: its chain must not be cut."""

    def __init__(self) -> None:
        self._live: deque[EventBatch] = deque()
        self._replayed: deque[EventBatch] = deque()
        self._live_entries = self._replayed_entries = 0
        self._draining: Counter[str] = Counter()
        self._per_reader: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self._live or self._replayed)

    def offer(self, batch: EventBatch) -> bool:
        """Take `batch`, if there is room for it."""
        size = len(batch.entries)
        if self._per_reader[batch.reader] + size > MAX_PER_READER:
            return False
        if batch.first >= batch.live_from and not self._draining[batch.reader]:
            if self._live_entries + size > MAX_LIVE:
                return False
            self._live.append(batch)
            self._live_entries += size
            self._per_reader[batch.reader] += size
            return True
        if self._replayed_entries + size > MAX_REPLAYED:
            return False
        self._replayed.append(batch)
        self._replayed_entries += size
        self._draining[batch.reader] += 1
        self._per_reader[batch.reader] += size
        return True

    def take(self) -> list[EventBatch]:
        """Return what the next commit is to store; empty if nothing waits."""
        group: list[EventBatch] = []
        entries = 0
        while entries < GROUP_ENTRIES and self:
            batch = self._next()
            group.append(batch)
            entries += len(batch.entries)
            _subtract(self._per_reader, batch.reader, len(batch.entries))
        return group

    def _next(self) -> EventBatch:
        if self._live:
            batch = self._live.popleft()
            self._live_entries -= len(batch.entries)
            return batch
        batch = self._replayed.popleft()
        self._replayed_entries -= len(batch.entries)
        _subtract(self._draining, batch.reader, 1)
        return batch


def _subtract(counter: Counter[str], reader: str, count: int) -> None:
    """Count down, and remember nobody of whom nothing waits."""
    counter[reader] -= count
    if not counter[reader]:
        del counter[reader]
