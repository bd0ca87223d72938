"""Which part of the journal to send next: in order, not too much unconfirmed, again when overdue.

Pure. Entries are named by their numbers; times are seconds of a monotonic clock.
"""

from __future__ import annotations

import math


class Window:
    """What of the journal is on its way to the controller."""

    def __init__(self, confirmed: int, *, room: int, patience: float) -> None:
        """All up to number `confirmed` is stored elsewhere.

        One batch is sent before a receipt; each entry that is confirmed makes room for one more, up
        to `room`. So many readers whose journals drain at once do not bury a controller, nor the
        live events of others. After a fifth of `patience` seconds without a receipt, what is not
        confirmed is sent again, a batch to begin with, and then after ever longer waits, at most
        `patience`: right after a broker's restart the controller may not listen yet, while one
        that is busy must not be sent the same over and over.
        """
        self._room, self._most = 1, room
        self._longest = patience
        self._patience = self._first = patience / 5
        self._confirmed = self._sent = confirmed
        self._due = math.inf

    @property
    def deadline(self) -> float | None:
        """When to call `next` although nothing has happened; None: never."""
        return self._due if self._due < math.inf else None

    def confirm(self, upto: int, now: float) -> None:
        """Entries up to number `upto` are stored."""
        if upto > self._confirmed:
            self._room = min(self._room + upto - self._confirmed, self._most)
            self._confirmed = upto
            self._sent = max(self._sent, upto)
            self._patience = self._first
            self._due = now + self._patience if self._sent > upto else math.inf

    def next(self, now: float) -> int | None:
        """Return the number from which to send; None to wait for a receipt."""
        if now >= self._due:
            self._sent, self._due, self._room = self._confirmed, math.inf, 1
            self._patience = min(2 * self._patience, self._longest)
        return self._sent + 1 if self._sent - self._confirmed < self._room else None

    def sent(self, upto: int, now: float) -> None:
        """Entries up to number `upto` have been handed to the broker."""
        self._sent = max(self._sent, upto)
        self._due = min(self._due, now + self._patience)
