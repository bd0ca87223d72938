"""What a benchmark says: a figure with its unit, and its budget where it has one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

# How far a benchmark has come: steps done, steps in all.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. `budget` is the most it may be; None where nothing was promised.

    Figures of the same things `of` several subjects stand in one table, a line for each subject.
    """

    name: str
    value: float
    unit: str
    budget: float | None = None
    of: str = ""

    @property
    def kept(self) -> bool | None:
        """Whether the budget is kept; None without one."""
        return None if self.budget is None else self.value <= self.budget


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that more than `share` (0 to 1) of `values` do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
