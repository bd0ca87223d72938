"""A machine's clocks that stand still until a test moves them."""

from __future__ import annotations

NOW = 1_750_000_000.0  # Sunday, 2025-06-15 15:06:40 UTC


class Machine:
    """A `reader.clock.TimeSource`; `true` is the time that a perfect clock would show."""

    def __init__(self, true: float = NOW) -> None:
        self.boot = "boot 1"
        self.true = true
        self.wall_error = 0.0
        self._boots = 1
        self._booted_at = true - 100.0

    def uptime(self) -> float:
        return self.true - self._booted_at

    def wall(self) -> float:
        return self.true + self.wall_error

    def forward(self, seconds: float) -> None:
        """Let time pass with the power on."""
        self.true += seconds

    def power_cut(self, seconds: float) -> None:
        """Be without power for `seconds`, then boot, which takes ten more."""
        self.true += seconds
        self._boots += 1
        self.boot = f"boot {self._boots}"
        self._booted_at = self.true
        self.true += 10.0
