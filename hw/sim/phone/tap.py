"""What a holder sees of one tap."""

from __future__ import annotations

import enum
from dataclasses import dataclass

# Longer than a reader that serves eight other phones first, or polls a slow field.
PATIENCE = 10.0


class Light(enum.Enum):
    """How a tap ended, as an exit code tells it."""

    GREEN = 0
    RED = 1
    TROUBLE = 2


@dataclass(frozen=True, slots=True)
class Tap:
    """`text` is for the holder; `milliseconds` count from the moment phone and reader meet."""

    light: Light
    text: str
    milliseconds: float

    def __str__(self) -> str:
        return f"{self.light.name}: {self.text} ({self.milliseconds:.0f} ms)"
