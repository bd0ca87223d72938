"""How often it is said that a message did not hold: once a minute a reader, however many come."""

from __future__ import annotations

EVERY = 60.0


class Complaints:
    """Counts by reader, which are members: a few thousand at most."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self._said_at: dict[str, float] = {}

    def worth_a_line(self, reader: str, now: float) -> bool:
        """Count one of `reader`, and return whether to log it."""
        self.counts[reader] = self.counts.get(reader, 0) + 1
        said_at = self._said_at.get(reader)
        if said_at is not None and now - said_at < EVERY:
            return False
        self._said_at[reader] = now
        return True
