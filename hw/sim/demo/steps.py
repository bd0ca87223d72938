"""The steps of a script: what should happen, what was seen, and how long it took."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

from hw.ports import HardwareFault
from hw.sim.demo.office import OfficeError
from hw.sim.demo.processes import ProcessFailed
from hw.sim.demo.stage import Differs, Stage
from hw.sim.phone.eyes import DoorGone, NotSeen
from hw.sim.private_file import PrivateFileError

# The longest step imports 10,000 people and restarts a reader; on a slow machine in 30 s.
_PATIENCE = 60.0
_TROUBLES = (
    Differs,
    OfficeError,
    ProcessFailed,
    PrivateFileError,
    DoorGone,
    NotSeen,
    HardwareFault,
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What happened. `milliseconds` are those of what the step is about, not of the whole step."""

    text: str
    milliseconds: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """`act` raises what a `Stage` raises if it sees something other than `expected`.

    `tale` is for somebody who watches: what goes on, in a sentence or two.
    """

    name: str
    expected: str
    act: Callable[[Stage], Awaitable[Seen]]
    tale: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row of the table."""

    step: str
    expected: str
    seen: str
    ok: bool
    milliseconds: float | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


async def play(step: Step, stage: Stage) -> Outcome:
    """Do it, and judge it. What goes wrong on the way is what was seen."""
    try:
        async with asyncio.timeout(_PATIENCE):
            seen = await step.act(stage)
    except _TROUBLES as error:
        return Outcome(step.name, step.expected, str(error), ok=False, milliseconds=None)
    except TimeoutError:
        text = f"nothing for {_PATIENCE:g} s"
        return Outcome(step.name, step.expected, text, ok=False, milliseconds=None)
    took = None if seen.milliseconds is None else round(seen.milliseconds, 1)
    return Outcome(step.name, step.expected, seen.text, ok=True, milliseconds=took)
