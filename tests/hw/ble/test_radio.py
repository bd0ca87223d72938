"""Device addresses, and controllers that are opened and let go."""

from __future__ import annotations

import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.ble.radio import Radio, random_static_address
from hw.ports import HardwareFault
from hw.sim.air import Air
from tests.hw.ble.conftest import READER_ADDRESS


@given(st.binary(min_size=6, max_size=6))
def test_a_random_static_address_says_that_it_is_one(entropy: bytes) -> None:
    address = random_static_address(entropy)
    assert int(address[:2], 16) >> 6 == 0b11
    assert bytes.fromhex(address.replace(":", ""))[1:] == entropy[1:]


@pytest.mark.parametrize("entropy", [b"", bytes(5), bytes(7)])
def test_an_address_needs_six_bytes(entropy: bytes) -> None:
    with pytest.raises(ValueError, match="6 random bytes"):
        random_static_address(entropy)


async def test_opening_and_closing_leaves_nothing(air: Air) -> None:
    for _ in range(3):
        radio = await Radio.open(air.transport, name="x", address=READER_ADDRESS)
        assert air.seats == 1
        await radio.close()
        await radio.close()
        await asyncio.wait([radio.lost])


async def test_two_radios_cannot_have_one_address(air: Air) -> None:
    radio = await Radio.open(air.transport, name="x", address=READER_ADDRESS)
    with pytest.raises(HardwareFault, match="INVALID"):
        await Radio.open(air.transport, name="y", address=READER_ADDRESS)
    await radio.close()
    again = await Radio.open(air.transport, name="y", address=READER_ADDRESS)
    await again.close()


async def test_a_level_that_was_chosen_for_bumbles_log_stays(air: Air) -> None:
    log = logging.getLogger("bumble")
    before = log.level
    try:
        for chosen, kept in ((logging.NOTSET, logging.CRITICAL), (logging.DEBUG, logging.DEBUG)):
            log.setLevel(chosen)
            radio = await Radio.open(air.transport, name="x", address=READER_ADDRESS)
            await radio.close()
            assert log.level == kept
            log.setLevel(logging.CRITICAL)
    finally:
        log.setLevel(before)
