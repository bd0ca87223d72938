"""What a phone does over Bluetooth: looks for a reader, connects, and exchanges messages.

Each `Central` is one phone with an HCI connection and a device address of its own; a process may
hold as many as it likes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Self

from bumble import core, hci
from bumble.device import Advertisement, Connection, Device

from hw.ble.central_link import CentralLink, NotAReader
from hw.ble.pkoc_gatt import SERVICE, parse_advertisement
from hw.ble.radio import Radio
from hw.ble.tasks import Abandoned, apart, stop
from hw.ports import HardwareFault, LinkClosed

logger = logging.getLogger(__name__)

# Advertisements come every 30 ms, and the scan never pauses.
_SCAN_MS = 20.0
# Two phones that catch the same advertisement collide: one of them tries again.
_RETRY_SECONDS = 0.05
_BUMBLE_ERRORS = (core.BaseBumbleError, hci.HCI_Error, Abandoned)


class ReaderNotFound(Exception):
    """Nobody advertises FFF0 under that name or address."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A reader that advertises: device address (ending in `/P` if public), name, dBm."""

    address: str
    name: str
    rssi: int


class Central:
    """One phone. Use `open`, then `find` and `connect`, and `close` at the end."""

    def __init__(self, radio: Radio) -> None:
        self._radio = radio
        self._device: Device = radio.device
        self._wanted = False
        self._device.on(Device.EVENT_CONNECTION, self._on_connection)
        self._strays: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, transport: str, *, address: str) -> Self:
        """Power on. `address` is random static. Raises `HardwareFault`."""
        return cls(await Radio.open(transport, name="Doorward phone", address=address))

    async def find(
        self, *, name: str | None = None, address: str | None = None, patience: float = 5.0
    ) -> Sighting:
        """The first reader seen, or the one of that name or address. Raises `ReaderNotFound`."""

        def matches(seen: Sighting) -> bool:
            # A long name is advertised cut.
            named = name is None or (seen.name != "" and name.startswith(seen.name))
            return named and address in (None, seen.address)

        found: asyncio.Future[Sighting] = asyncio.get_running_loop().create_future()

        def on_sighting(seen: Sighting) -> None:
            if matches(seen) and not found.done():
                found.set_result(seen)

        async with self._scan(on_sighting):
            await self._first(found, patience)
        if found.done():
            return found.result()
        self._check()
        wanted = name or address or "any reader"
        raise ReaderNotFound(
            f"{wanted} was not seen in {patience:g} s: is it switched on and near?"
        )

    async def look_around(self, seconds: float) -> list[Sighting]:
        """Every reader seen in `seconds`, the nearest first."""
        seen: dict[str, Sighting] = {}
        async with self._scan(lambda sighting: seen.update({sighting.address: sighting})):
            await asyncio.wait([self._radio.lost], timeout=seconds)
        self._check()
        return sorted(seen.values(), key=lambda sighting: -sighting.rssi)

    async def connect(self, address: str, *, patience: float = 5.0) -> CentralLink:
        """Connect, ask for a large MTU, discover, subscribe. Raises `LinkClosed`."""
        self._check()
        deadline = asyncio.get_running_loop().time() + patience
        trouble = "it does not advertise"
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    return await self._try_connect(address)
            except TimeoutError as error:
                raise LinkClosed(f"no reader {address} in {patience:g} s: {trouble}") from error
            except _Interrupted as error:
                self._check()
                trouble = str(error)
                await asyncio.sleep(_RETRY_SECONDS)

    async def close(self) -> None:
        """Disconnect everything and release the controller."""
        await stop(self._strays)
        await self._radio.close()

    async def _try_connect(self, address: str) -> CentralLink:
        connection = await self._connected(address)
        try:
            return await CentralLink.set_up(self._radio, connection)
        except NotAReader:
            raise
        except LinkClosed as error:
            raise _Interrupted(str(error)) from error

    async def _connected(self, address: str) -> Connection:
        """Wait for the controller to connect; on the way out, no attempt is left pending in it."""
        self._wanted = True
        attempt = asyncio.get_running_loop().create_task(
            apart(self._device.connect(hci.Address(address), timeout=None))
        )
        try:
            await self._first(attempt, None)
            self._check()
            return attempt.result()
        except _BUMBLE_ERRORS as error:
            raise LinkClosed(f"cannot connect to reader {address}: {error}") from error
        finally:
            self._wanted = False
            if not attempt.done():
                await stop([attempt])
                await self._cancel_attempt()

    async def _cancel_attempt(self) -> None:
        if self._radio.lost.done():
            return
        command = hci.HCI_LE_Create_Connection_Cancel_Command()
        with contextlib.suppress(*_BUMBLE_ERRORS):
            await apart(self._device.send_sync_command(command))

    def _on_connection(self, connection: Connection) -> None:
        if not self._wanted:  # it arrived just as its attempt was given up
            task = asyncio.get_running_loop().create_task(self._radio.hang_up(connection))
            self._strays.add(task)
            task.add_done_callback(self._strays.discard)

    @contextlib.asynccontextmanager
    async def _scan(self, on_sighting: Callable[[Sighting], object]) -> AsyncIterator[None]:
        def on_advertisement(advertisement: Advertisement) -> None:
            said = parse_advertisement(advertisement.data_bytes)
            if SERVICE in said.services:
                address = advertisement.address.to_string()
                on_sighting(Sighting(address, said.name, advertisement.rssi))

        self._check()
        self._device.on(Device.EVENT_ADVERTISEMENT, on_advertisement)
        try:
            await apart(
                self._device.start_scanning(
                    active=False, scan_interval=_SCAN_MS, scan_window=_SCAN_MS
                )
            )
            yield
        except _BUMBLE_ERRORS as error:
            raise HardwareFault(f"{self._radio.name} cannot scan: {error}") from error
        finally:
            self._device.remove_listener(Device.EVENT_ADVERTISEMENT, on_advertisement)
            if not self._radio.lost.done():
                with contextlib.suppress(*_BUMBLE_ERRORS):
                    await apart(self._device.stop_scanning())

    async def _first(self, future: asyncio.Future[Any], seconds: float | None) -> None:
        """Wait for the future, at most so long, and no longer than the controller lives."""
        await asyncio.wait(
            [future, self._radio.lost], timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )

    def _check(self) -> None:
        if self._radio.lost.done():
            raise self._radio.fault()


class _Interrupted(Exception):
    """Connected, and lost again before the first message: often the reader took another phone."""
