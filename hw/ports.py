"""What a reader asks of its hardware, and nothing more.

Drivers (`hw.ble`, `hw.nfc`, `hw.door`) and simulators (`hw.sim`) implement these protocols; the
reader imports only this module. Every port has one contract test, run on the simulator always.

Who may fail how: a driver raises only what its port documents. Anything that a library throws
(serial errors, HCI errors, a torn card) ends at the driver as `LinkClosed`, `TagLost` or
`HardwareFault`, each with a text that names the device and a remedy.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol


class HardwareFault(Exception):
    """The device itself is gone or mute. The text names the device and what to do about it."""


class LinkClosed(Exception):
    """The other end of a radio link has gone, or this end has closed it."""


class TagLost(Exception):
    """The card or phone has left the field, or does not answer."""


class Link(Protocol):
    """One phone that has connected and enabled notifications: whole messages in and out.

    A phone that enables notifications a second time is a new link; the old one is closed.
    """

    @property
    def peer(self) -> str:
        """The phone's (usually random) device address. For logs, never for decisions."""

    @property
    def mtu(self) -> int:
        """The ATT MTU in bytes; a notification carries `mtu - 3`. Grows once, at the start."""

    async def receive(self) -> bytes:
        """Wait for the next write of the phone. Raises `LinkClosed`."""

    async def send(self, message: bytes) -> None:
        """Notify `message` (at most `mtu - 3` bytes) to this phone alone. Raises `LinkClosed`."""

    async def close(self) -> None:
        """Disconnect the phone. Closing twice does nothing."""


class LinkListener(Protocol):
    """A radio that advertises a door and yields each phone that comes."""

    async def accept(self) -> Link:
        """Wait for the next phone. Raises `HardwareFault` when the radio is gone."""

    async def close(self) -> None:
        """Stop advertising, disconnect everybody, release the radio."""


class Tag(Protocol):
    """One card (or a phone that plays one) in the field."""

    @property
    def uid(self) -> bytes:
        """The anti-collision identifier, 4, 7 or 10 bytes; random for most phones."""

    @property
    def iso_dep(self) -> bool:
        """Whether it takes commands (ISO 14443-4); other cards have nothing but their `uid`."""

    async def transceive(self, apdu: bytes) -> bytes:
        """Send a command APDU, return the response with its two status bytes. Raises `TagLost`."""

    async def release(self) -> None:
        """This side is done: the driver drops the field before it looks for the next tag."""


class TagListener(Protocol):
    """An NFC reader that polls its field and yields each card that comes."""

    async def accept(self) -> Tag:
        """Wait for the next card, once per activation. Raises `HardwareFault`."""

    async def close(self) -> None:
        """Switch the field off and release the device."""


class Strike(Protocol):
    """The lock's output. Both calls return at once, may be repeated and never raise."""

    def release(self) -> None:
        """Let the door be opened, until `secure`."""

    def secure(self) -> None:
        """Lock, or for a fail-safe lock: energise."""


class Sensor(enum.Enum):
    """A wire that comes in from the door."""

    CONTACT = "contact"  # active: the door stands open
    REX = "rex"  # active: somebody inside asks to leave
    TAMPER = "tamper"  # active: the housing is open
    FIRE = "fire"  # active: the fire alarm panel demands release


@dataclass(frozen=True, slots=True)
class SensorChange:
    """An edge on one input, debounced by the driver."""

    sensor: Sensor
    active: bool


class Sensors(Protocol):
    """The inputs of one door."""

    async def next(self) -> SensorChange:
        """Wait for the next edge. The state at start-up arrives as edges of the active inputs."""


class Signal(enum.Enum):
    """What the person at the door sees and hears; the driver owns lamps and rhythm.

    A refusal shows only *not here*, *not now* or *trouble*, so that a thief learns nothing.
    """

    IDLE = "idle"
    BUSY = "busy"
    GRANTED = "granted"
    NOT_HERE = "not here"
    NOT_NOW = "not now"
    TROUBLE = "trouble"
    UNLOCKED = "unlocked"
    LOCKDOWN = "lockdown"
    HELD_OPEN = "held open"
    FORCED_OPEN = "forced open"


class Indicator(Protocol):
    """Lamps and buzzer."""

    def show(self, signal: Signal) -> None:
        """Start showing `signal`; it replaces what was shown. Returns at once, never raises."""


class DoorHardware(Protocol):
    """Everything that is wired to one door."""

    @property
    def strike(self) -> Strike: ...

    @property
    def sensors(self) -> Sensors: ...

    @property
    def indicator(self) -> Indicator: ...

    async def close(self) -> None:
        """Put every output at rest and release the pins."""
