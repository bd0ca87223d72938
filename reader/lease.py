"""How long a plan has been used without word from the controller.

Pure. Time spent is counted on a clock that no one can set: uptime, plus a quarter of an hour for
every start-up whose uptime is not known, so that cutting the power does not keep a revoked key
alive; and where the time of day is trusted, at least the true time since the renewal.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

WARN_AFTER = 24 * 3600.0
# What a boot costs while nobody knows how long the power was gone.
BOOT_COST = 900.0


class Standing(enum.Enum):
    """How a lease stands."""

    LIVE = "live"
    OLD = "old"  # somebody should look why no word comes
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Lease:
    """`spent` seconds were used up when the uptime of boot `boot` stood at `at`."""

    renewed_at: int  # signed time of the renewal, UTC seconds; 0: never renewed
    spent: float
    boot: str
    at: float

    @classmethod
    def renewed(cls, now: int, boot: str, uptime: float) -> Lease:
        """Return the lease at its beginning."""
        return cls(renewed_at=now, spent=0.0, boot=boot, at=uptime)

    def carried_over(self, boot: str, uptime: float) -> Lease:
        """Return the same lease after a start of the daemon, perhaps in another boot."""
        if boot == self.boot and uptime >= self.at:
            return self
        return replace(self, spent=self.spent + BOOT_COST, boot=boot, at=uptime)

    def spent_at(self, uptime: float, trusted_now: int | None = None) -> float:
        """Return the seconds used up; `trusted_now` is the time of day, if it is trusted."""
        spent = self.spent + max(0.0, uptime - self.at)
        return spent if trusted_now is None else max(spent, float(trusted_now - self.renewed_at))

    def checkpoint(self, uptime: float, trusted_now: int | None) -> Lease:
        """Return the lease as it should be written down now."""
        return replace(self, spent=self.spent_at(uptime, trusted_now), at=uptime)

    def live(self, limit: int, uptime: float, trusted_now: int | None = None) -> bool:
        """Return whether less than `limit` seconds are used up."""
        return self.renewed_at > 0 and self.spent_at(uptime, trusted_now) < limit

    def standing(self, limit: int, uptime: float, trusted_now: int | None = None) -> Standing:
        """Return how the lease stands, if it may last `limit` seconds."""
        if not self.live(limit, uptime, trusted_now):
            return Standing.ENDED
        old = self.spent_at(uptime, trusted_now) >= WARN_AFTER
        return Standing.OLD if old else Standing.LIVE
