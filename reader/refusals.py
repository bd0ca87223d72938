"""How many refused messages are worth an entry in the journal: a few, not a flood."""

from __future__ import annotations

# A misconfigured or hostile broker must not fill the journal: twenty at once, one a minute after.
BURST = 20.0
PER_SECOND = 1 / 60


class Refusals:
    """A leaky bucket."""

    def __init__(self) -> None:
        """Start empty."""
        self._level = 0.0
        self._at = 0.0

    def worth_recording(self, now: float) -> bool:
        """Return whether a refusal at `now` (monotonic seconds) is still recorded."""
        self._level = max(0.0, self._level - (now - self._at) * PER_SECOND)
        self._at = now
        if self._level + 1 > BURST:
            return False
        self._level += 1
        return True
