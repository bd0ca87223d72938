"""How long to wait before a lost device is tried again."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Doubling waits, from `first` to `most` seconds, until a success starts them over.

    Time is passed in, so that a driver's loop and a test can both own the clock.
    """

    first: float
    most: float
    _wait: float = field(default=0.0, init=False)
    _not_before: float = field(default=0.0, init=False)

    def failed(self, now: float) -> None:
        """The device could not be opened, or was lost, at `now`."""
        self._wait = min(self._wait * 2, self.most) if self._wait else self.first
        self._not_before = now + self._wait

    def succeeded(self) -> None:
        """The device has proved that it works."""
        self._wait = 0.0
        self._not_before = 0.0

    def wait(self, now: float) -> float:
        """Seconds from `now` until the next try."""
        return max(0.0, self._not_before - now)
