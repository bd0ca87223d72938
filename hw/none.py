"""The hardware that a door does not have: radios that nobody comes to, wires that lead nowhere."""

from __future__ import annotations

import asyncio

from hw.ports import HardwareFault, Link, SensorChange, Signal, Tag


class _Nobody:
    """Waits until it is closed."""

    def __init__(self) -> None:
        self._closed = asyncio.Event()

    async def close(self) -> None:
        self._closed.set()

    async def _wait(self) -> HardwareFault:
        await self._closed.wait()
        return HardwareFault("this reader was configured without it, and has been closed")


class NoLinks(_Nobody):
    """A `hw.ports.LinkListener` for a reader without Bluetooth."""

    async def accept(self) -> Link:
        raise await self._wait()


class NoTags(_Nobody):
    """A `hw.ports.TagListener` for a reader without NFC."""

    async def accept(self) -> Tag:
        raise await self._wait()


class NoStrike:
    """A `hw.ports.Strike` that holds nothing."""

    def release(self) -> None:
        """There is nothing to release."""

    def secure(self) -> None:
        """There is nothing to secure."""


class NoSensors:
    """A `hw.ports.Sensors` without a wire."""

    async def next(self) -> SensorChange:
        never: asyncio.Future[SensorChange] = asyncio.get_running_loop().create_future()
        return await never


class NoIndicator:
    """A `hw.ports.Indicator` in the dark."""

    def show(self, signal: Signal) -> None:
        """Nobody sees it."""


class NoDoor:
    """A `hw.ports.DoorHardware` that is not there."""

    def __init__(self) -> None:
        self.strike = NoStrike()
        self.sensors = NoSensors()
        self.indicator = NoIndicator()

    async def close(self) -> None:
        """There is nothing to put at rest."""
