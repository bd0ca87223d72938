"""A reader's radio over bumble: any controller it opens, from the virtual air to a USB dongle."""

from __future__ import annotations

import asyncio
import logging

from hw.backoff import Backoff
from hw.ble.peripheral_link import PeripheralLink
from hw.ble.radio import Radio
from hw.ble.station import Station
from hw.ports import HardwareFault

logger = logging.getLogger(__name__)


class Peripheral:
    """Advertises a door and yields each phone. See `hw.ports.LinkListener`.

    The controller is opened by the first `accept`, so that a missing dongle keeps no daemon from
    starting. After a `HardwareFault` the next `accept` waits its turn (0.5 s, doubling to 30 s)
    and opens the controller again: a caller may simply call `accept` in a loop.
    """

    def __init__(
        self, transport: str, *, name: str, address: str, backoff: Backoff | None = None
    ) -> None:
        """`transport` as bumble names it, `name` of the door, `address` random static."""
        self._transport = transport
        self._name = name
        self._address = address
        self._backoff = backoff or Backoff(first=0.5, most=30.0)
        self._station: Station | None = None
        self._closed = False

    async def accept(self) -> PeripheralLink:
        if self._closed:
            raise self._gone()
        station = self._station or await self._open()
        try:
            link = await station.next_link()
        except HardwareFault:
            await self._lose(station)
            raise
        self._backoff.succeeded()
        return link

    async def _open(self) -> Station:
        radio = await self._power_on()
        if self._closed:  # meanwhile
            await radio.close()
            raise self._gone()
        logger.info("advertising %r on %s", self._name, self._transport)
        self._station = Station(radio, self._name)
        self._station.start()
        return self._station

    async def _power_on(self) -> Radio:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._backoff.wait(loop.time()))
        try:
            return await Radio.open(self._transport, name=self._name, address=self._address)
        except HardwareFault:
            self._backoff.failed(loop.time())
            raise

    def _gone(self) -> HardwareFault:
        return HardwareFault(f"the Bluetooth controller {self._transport} has been closed")

    async def _lose(self, station: Station) -> None:
        self._backoff.failed(asyncio.get_running_loop().time())
        self._station = None
        await station.close()

    async def close(self) -> None:
        self._closed = True
        station, self._station = self._station, None
        if station is not None:
            await station.close()
