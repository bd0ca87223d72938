"""What every `hw.ports.DoorHardware` does, whatever wires are behind it.

A module of tests subclasses `DoorContract` and provides the fixture `bench`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from hw.ports import DoorHardware, Sensor, SensorChange, Signal

PATIENCE = 2.0


@dataclass(frozen=True)
class DoorBench:
    """A door's hardware, a look at its lock, and a hand on its wires."""

    hardware: DoorHardware
    released: Callable[[], bool]
    wire: Callable[[Sensor, bool], None]


async def edge(hardware: DoorHardware) -> SensorChange:
    async with asyncio.timeout(PATIENCE):
        return await hardware.sensors.next()


class DoorContract:
    """A lock that obeys, wires that report every edge, lamps that never fail."""

    async def test_the_strike_obeys_at_once_and_may_be_told_again(self, bench: DoorBench) -> None:
        strike = bench.hardware.strike
        assert not bench.released()
        for _ in range(2):
            strike.release()
            assert bench.released()
        for _ in range(2):
            strike.secure()
            assert not bench.released()

    async def test_every_edge_is_reported_in_order(self, bench: DoorBench) -> None:
        edges = [(sensor, active) for sensor in Sensor for active in (True, False)]
        for sensor, active in edges:
            bench.wire(sensor, active)
        reported = [await edge(bench.hardware) for _ in edges]
        assert reported == [SensorChange(sensor, active) for sensor, active in edges]

    async def test_a_wire_that_does_not_change_is_no_edge(self, bench: DoorBench) -> None:
        bench.wire(Sensor.REX, True)
        bench.wire(Sensor.REX, True)
        bench.wire(Sensor.REX, False)
        assert await edge(bench.hardware) == SensorChange(Sensor.REX, active=True)
        assert await edge(bench.hardware) == SensorChange(Sensor.REX, active=False)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await bench.hardware.sensors.next()

    async def test_a_cancelled_wait_loses_no_edge(self, bench: DoorBench) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await bench.hardware.sensors.next()
        bench.wire(Sensor.FIRE, True)
        assert await edge(bench.hardware) == SensorChange(Sensor.FIRE, active=True)

    async def test_every_signal_can_be_shown(self, bench: DoorBench) -> None:
        for signal in Signal:
            bench.hardware.indicator.show(signal)
            bench.hardware.indicator.show(signal)

    async def test_at_the_end_the_outputs_are_at_rest(self, bench: DoorBench) -> None:
        bench.hardware.strike.release()
        await bench.hardware.close()
        assert not bench.released()
