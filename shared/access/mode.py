"""What a door is doing of its own accord: the highest of ten modes that holds.

| | Mode | Effect |
|---|---|---|
| 1 | fire | released; latches until reset at the door (the driver latches) |
| 2 | request to exit | released, even in lockdown |
| 3 | fault | the declared rest state |
| 4 | lockdown | only the override right enters |
| 5 | maintenance | no release for entry |
| 6 | locked until | suppresses the scheduled unlock |
| 7 | unlocked until | released; needs trusted time |
| 8 | scheduled unlock | released; trusted time, live lease, holiday rule, first person in |
| 9 | pulse | released for a grant or a remote opening |
| 10 | secure | locked |

Cancelling a mode reveals the next. A pulse runs only because `decide` or an operator let it, so it
shows through the operator's lock-until, and through a lockdown if it came by the override right.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from shared.access.calendar import Instant
from shared.access.rows import Calendar, Door
from shared.access.schedule import Opening, Schedule, Use, opening


class Trust(enum.Enum):
    """How far the clock can be believed."""

    TRUSTED = "trusted"  # signed time, or unbroken uptime since
    FLOOR = "floor"  # restarted since; certainly not earlier than this
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Clock:
    """The UTC second and how far it can be believed."""

    now: Instant
    trust: Trust

    @property
    def trusted(self) -> bool:
        """Whether anything time-limited may rest on it."""
        return self.trust is Trust.TRUSTED


class DoorMode(enum.IntEnum):
    """In order of precedence: the lowest number wins."""

    FIRE = 1
    EXIT = 2
    FAULT = 3
    LOCKDOWN = 4
    MAINTENANCE = 5
    LOCKED_UNTIL = 6
    UNLOCKED_UNTIL = 7
    SCHEDULED = 8
    PULSE = 9
    SECURE = 10

    @property
    def released(self) -> bool:
        """Whether the lock is open in this mode (a fault's rest state is the door's to declare)."""
        return self in _RELEASED


_RELEASED = frozenset(
    {
        DoorMode.FIRE,
        DoorMode.EXIT,
        DoorMode.UNLOCKED_UNTIL,
        DoorMode.SCHEDULED,
        DoorMode.PULSE,
    }
)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the reader knows of the door at this moment."""

    fire: bool = False
    exit: bool = False
    fault: bool = False
    pulse: bool = False
    pulse_overrides: bool = False
    someone_came_in: bool = False  # since the unlock schedule last opened
    lease_live: bool = False


def door_mode(
    door: Door, calendar: Calendar, unlock: Schedule | None, inputs: Inputs, clock: Clock
) -> DoorMode:
    """Return the mode that wins. `unlock` is the door's unlock schedule, if it has one."""
    standing = _standing(door, calendar, unlock, inputs, clock)
    return DoorMode.PULSE if inputs.pulse and _pierced(standing, door, inputs) else standing


def _standing(
    door: Door, calendar: Calendar, unlock: Schedule | None, inputs: Inputs, clock: Clock
) -> DoorMode:
    """Return the mode that wins while no pulse runs."""
    modes = door.modes
    holds = {
        DoorMode.FIRE: inputs.fire,
        DoorMode.EXIT: inputs.exit,
        DoorMode.FAULT: inputs.fault,
        DoorMode.LOCKDOWN: modes.lockdown,
        DoorMode.MAINTENANCE: modes.maintenance,
        # Without trusted time nobody can say that the wish to keep it locked has run out.
        DoorMode.LOCKED_UNTIL: modes.lock_until is not None
        and not (clock.trusted and clock.now >= modes.lock_until),
        DoorMode.UNLOCKED_UNTIL: modes.unlock_until is not None
        and clock.trusted
        and clock.now < modes.unlock_until,
        DoorMode.SCHEDULED: unlock is not None
        and unlock_due(door, calendar, unlock, inputs, clock),
    }
    return next((mode for mode, held in holds.items() if held), DoorMode.SECURE)


def _pierced(standing: DoorMode, door: Door, inputs: Inputs) -> bool:
    """Return whether a pulse shows through `standing`; what that shadows stays in its shadow."""
    if standing is DoorMode.LOCKDOWN:
        return inputs.pulse_overrides and not door.modes.maintenance
    return standing in (DoorMode.LOCKED_UNTIL, DoorMode.SECURE)


def unlock_due(
    door: Door, calendar: Calendar, unlock: Schedule, inputs: Inputs, clock: Clock
) -> bool:
    """Return whether the unlock schedule holds the door open now."""
    if not (clock.trusted and inputs.lease_live):
        return False
    if door.first_person_in and not inputs.someone_came_in:
        return False
    local = calendar.local(clock.now)
    return local is not None and (
        opening(unlock, calendar.holidays, local, Use.UNLOCK) is Opening.OPEN
    )
