"""A Bluetooth controller opened by name, with an end that cannot be missed.

bumble reports the loss of a transport in several ways (a future, a flush, a command that never
completes) and cancels whatever was waiting. Here it becomes one future and one `HardwareFault`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from typing import Self

from bumble import hci, smp
from bumble.device import Connection, Device, DeviceConfiguration
from bumble.transport import open_transport
from bumble.transport.common import Transport

from hw.ble.tasks import apart
from hw.ports import HardwareFault

logger = logging.getLogger(__name__)

# A controller answers each of the thirty commands of its start in a few milliseconds; a USB
# dongle that loads firmware takes two or three seconds.
_OPEN_SECONDS = 8.0
# A disconnection is over when the peer has acknowledged it, or the supervision timeout has passed.
_HANG_UP_SECONDS = 2.0
_PAIRING_NOT_SUPPORTED = bytes((0x05, 0x05))  # Pairing Failed, reason: Pairing Not Supported


def random_static_address(entropy: bytes) -> str:
    """The device address that six random bytes make, `F0:…`, kept until the next start."""
    if len(entropy) != 6:
        raise ValueError(f"an address is made of 6 random bytes, not {len(entropy)}")
    return ":".join(f"{byte:02X}" for byte in (entropy[0] | 0xC0, *entropy[1:]))


class Radio:
    """One powered controller. `lost` is done when it is gone; `close` releases it."""

    def __init__(self, name: str, transport: Transport, device: Device) -> None:
        self.name = name
        self.device = device
        self._transport = transport
        self._closed = False
        self.lost: asyncio.Future[None] = transport.source.terminated

    @classmethod
    async def open(cls, transport: str, *, name: str, address: str) -> Self:
        """Power a controller on. Raises `HardwareFault`, with nothing left open."""
        _keep_strangers_out_of_the_log()
        opened: Transport | None = None
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                opened = await open_transport(transport)
                device = _device(opened, name, address)
                await apart(device.power_on())
        except Exception as error:
            await _close(opened)
            raise HardwareFault(_explain(transport, error)) from error
        except BaseException:
            await _close(opened)
            raise
        return cls(transport, opened, device)

    def fault(self) -> HardwareFault:
        """What to raise once `lost` is done."""
        return HardwareFault(f"the Bluetooth controller {self.name} has gone: is it plugged in?")

    async def hang_up(self, connection: Connection) -> None:
        """Ask the controller to end a connection; its end is reported by the device as usual."""
        if self.device.connections.get(connection.handle) is not connection:
            return  # gone already, and its handle may be another phone's by now
        command = hci.HCI_Disconnect_Command(
            connection_handle=connection.handle,
            reason=hci.HCI_ErrorCode.REMOTE_USER_TERMINATED_CONNECTION_ERROR,
        )
        try:
            async with asyncio.timeout(_HANG_UP_SECONDS):
                await apart(self.device.send_async_command(command))
        except Exception as error:  # noqa: BLE001 - bumble raises anything once the peer is gone
            logger.debug("disconnecting %s: %s", connection.peer_address, error)

    async def close(self) -> None:
        """Silence the controller and let it go. Never raises; closing twice does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            if not self.lost.done():
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(_HANG_UP_SECONDS):
                        await apart(self.device.send_sync_command(hci.HCI_Reset_Command()))
        finally:  # also when this is cancelled: nobody closes it a second time
            self.device.host.on_transport_lost()  # type: ignore[no-untyped-call]
            await _close(self._transport)


def _device(transport: Transport, name: str, address: str) -> Device:
    config = DeviceConfiguration(
        name=name,
        address=hci.Address(address),
        # Without bonding there is no cache whose changes would have to be announced.
        gatt_service_enabled=False,
    )
    device = Device.from_config_with_hci(config, transport.source, transport.sink)
    device.l2cap_channel_manager.register_fixed_channel(
        smp.SMP_CID, functools.partial(_refuse_pairing, device)
    )
    return device


def _refuse_pairing(device: Device, handle: int, pdu: bytes) -> None:
    """Answer a pairing request with *not supported*: PKOC neither pairs nor encrypts."""
    if pdu[:1] == b"\x01":  # Pairing Request
        device.send_l2cap_pdu(handle, smp.SMP_CID, _PAIRING_NOT_SUPPORTED)


def _keep_strangers_out_of_the_log() -> None:
    """bumble logs a traceback for each malformed packet: whoever is near could fill the disk.

    A level that was set on purpose, for instance to look for a fault, stays.
    """
    log = logging.getLogger("bumble")
    if log.level == logging.NOTSET:
        log.setLevel(logging.CRITICAL)


async def _close(transport: Transport | None) -> None:
    if transport is None:
        return
    try:
        await transport.close()
    except Exception as error:  # noqa: BLE001 - a device that is unplugged cannot be closed properly
        logger.debug("closing the Bluetooth transport: %s", error)


def _explain(transport: str, error: Exception) -> str:
    match error:
        case TimeoutError():
            why = "it does not answer; unplug it and plug it in again"
        case ConnectionRefusedError():
            why = "nothing listens there; start `python -m hw.sim.air` first"
        case PermissionError():
            why = "no permission; add a udev rule for it, or join its group"
        case _:
            why = f"{type(error).__name__}: {error}"
            if transport.startswith("usb:"):
                why += "; is the dongle plugged in, and may this user open it (udev rule)?"
    return f"cannot open the Bluetooth controller {transport}: {why}"
