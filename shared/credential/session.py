"""What every session tells its adapter: send this, or it is over; and until when to wait."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Ending = TypeVar("Ending")


@dataclass(frozen=True, slots=True)
class Send:
    """Send `message`, in one piece, to the other end; then wait for its answer."""

    message: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finished(Generic[Ending]):
    """The session is over and holds no more secrets. Said exactly once."""

    outcome: Ending


class Countdown:
    """When a session gives up: `idle` seconds after the last progress, `total` after its start.

    Times are seconds of one monotonic clock, which the caller reads.
    """

    def __init__(self, now: float, *, idle: float, total: float) -> None:
        self._idle = idle
        self._end = now + total
        self.deadline = min(now + idle, self._end)

    def progress(self, now: float) -> None:
        """The other end took a step forward; anything else it sends buys it no time."""
        self.deadline = min(now + self._idle, self._end)

    def passed(self, now: float) -> bool:
        return now >= self.deadline

    def stop(self) -> None:
        self.deadline = math.inf
