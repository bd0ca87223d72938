"""The air, a reader and phones: what Bluetooth tests ask for."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from hw.backoff import Backoff
from hw.ble.central import Central
from hw.ble.peripheral import Peripheral
from hw.ble.radio import random_static_address
from hw.sim.air import Air
from tests.hw.link_contract import LinkBench

DOOR = "Front door"
READER_ADDRESS = "F0:00:00:00:00:01"


@pytest.fixture
async def air(nothing_left_behind: None) -> AsyncIterator[Air]:
    async with Air() as air:
        yield air


@pytest.fixture
async def new_phone(air: Air) -> AsyncIterator[Callable[[], Awaitable[Central]]]:
    phones: list[Central] = []
    numbers = itertools.count(1)

    async def phone() -> Central:
        address = random_static_address(b"\xf1" + next(numbers).to_bytes(5))
        phones.append(await Central.open(air.transport, address=address))
        return phones[-1]

    yield phone
    for each in phones:
        await each.close()


@pytest.fixture
async def reader(air: Air) -> AsyncIterator[Peripheral]:
    reader = Peripheral(
        air.transport, name=DOOR, address=READER_ADDRESS, backoff=Backoff(first=0.02, most=0.1)
    )
    yield reader
    await reader.close()


@pytest.fixture
def bench(reader: Peripheral, new_phone: Callable[[], Awaitable[Central]]) -> LinkBench:
    return LinkBench(reader, DOOR, new_phone)
