"""Hardware that is not there waits quietly, and ends when it is closed."""

from __future__ import annotations

import asyncio

import pytest

from hw.none import NoDoor, NoLinks, NoTags
from hw.ports import DoorHardware, HardwareFault, LinkListener, Signal, TagListener


@pytest.mark.parametrize("listener", [NoLinks(), NoTags()], ids=["ble", "nfc"])
async def test_nobody_comes_until_it_is_closed(listener: LinkListener | TagListener) -> None:
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(_accept(listener))
        await asyncio.sleep(0)
        assert not waiting.done()
        await listener.close()
    assert "configured without" in waiting.result()


async def _accept(listener: LinkListener | TagListener) -> str:
    with pytest.raises(HardwareFault) as caught:
        await listener.accept()
    return str(caught.value)


async def test_a_door_without_wires_takes_everything_and_says_nothing() -> None:
    door: DoorHardware = NoDoor()
    door.strike.release()
    door.strike.secure()
    for signal in Signal:
        door.indicator.show(signal)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await door.sensors.next()
    await door.close()
