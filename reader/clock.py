"""The reader's clock: what time it is, and how far that can be believed.

`trusted` is signed time from the controller, carried on by uptime that has not been interrupted.
After a restart of the daemon within one boot it stays trusted; after a reboot only the floor is
left: a time that is certainly past. The edge (system clocks) is `SystemTime`; the rest is pure.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shared.access.mode import Clock, Trust

# Signed time is believed when question and answer took no longer than this.
MAX_ROUND_TRIP = 5.0
# So far signed time may correct itself backwards; meanwhile the clock stands still.
MAX_STEP_BACK = 60.0


class TimeSource(Protocol):
    """The clocks of the machine."""

    @property
    def boot(self) -> str:
        """Return a name for this boot of the machine."""

    def uptime(self) -> float:
        """Return seconds since boot, including sleep; never set by anybody."""

    def wall(self) -> float:
        """Return what the system believes the time to be, UTC seconds."""


class SystemTime:
    """The real clocks (Linux)."""

    def __init__(self) -> None:
        """Read the boot's name once."""
        self.boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()

    def uptime(self) -> float:
        """Return CLOCK_BOOTTIME."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wall(self) -> float:
        """Return the system's time of day."""
        return time.time()


@dataclass(frozen=True, slots=True)
class Anchor:
    """At uptime `at` of boot `boot` the controller's signed time was `time` (UTC seconds)."""

    boot: str
    at: float
    time: float


class ReaderClock:
    """Answers with `shared.access.mode.Clock`. State to persist: `anchor` and `floor`."""

    def __init__(self, source: TimeSource, anchor: Anchor | None = None, floor: float = 0) -> None:
        """Start from what was written down; an anchor of another boot is of no use."""
        self._source = source
        self.anchor = anchor if anchor is not None and anchor.boot == source.boot else None
        self.floor = floor

    def read(self) -> Clock:
        """Return the time now and its trust."""
        return Clock(int(self.seconds()), self.trust)

    @property
    def trust(self) -> Trust:
        """How far the clock can be believed."""
        if self.anchor is not None:
            return Trust.TRUSTED
        return Trust.FLOOR if self.floor else Trust.UNKNOWN

    def seconds(self) -> float:
        """Return UTC seconds with fractions, trusted or not; never below the floor."""
        if self.anchor is not None:
            return max(self.floor, self.anchor.time + self._source.uptime() - self.anchor.at)
        return max(self.floor, self._source.wall())

    def trusted_seconds(self) -> int | None:
        """Return UTC seconds if trusted."""
        return int(self.seconds()) if self.anchor is not None else None

    def set(self, signed: float, asked_at: float) -> bool:
        """Believe `signed`, the answer to a question asked at uptime `asked_at`, if it is quick.

        Half the round trip is added. Returns whether the clock is trusted now because of it. Time
        that lies far before what was signed earlier ends all trust: one of the two is wrong.
        """
        now = self._source.uptime()
        round_trip = now - asked_at
        if not 0 <= round_trip <= MAX_ROUND_TRIP:
            return False
        self.checkpoint()
        if signed < self.floor - MAX_STEP_BACK:
            self.anchor = None
            return False
        self.anchor = Anchor(self._source.boot, now, signed + round_trip / 2)
        return True

    def checkpoint(self) -> float:
        """Raise the floor to the present, if that is trusted, and return it."""
        if self.anchor is not None:
            self.floor = self.seconds()
        return self.floor
