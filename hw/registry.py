"""Opens hardware by the name that stands in a configuration file.

    Bluetooth   bumble:<transport>     bumble:tcp-client:127.0.0.1:9000, bumble:usb:0
    NFC         pn532:<serial port>    pn532:/dev/ttyUSB0
    door        sim:<host>:<port>      sim:127.0.0.1:9200, or sim without a control port
    any         none                   this door does not have it

Only the driver that is named is imported, so that a reader without NFC needs no nfcpy.
"""

from __future__ import annotations

import importlib
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from hw.none import NoDoor, NoLinks, NoTags
from hw.ports import DoorHardware, HardwareFault, LinkListener, TagListener
from hw.sim.door import DoorSim
from hw.sim.door_control import ServedDoor
from hw.sim.serve import write_port

_BLE_NAMES = "bumble:tcp-client:127.0.0.1:9000, bumble:usb:0, none"
_NFC_NAMES = "pn532:/dev/ttyUSB0, none"
_DOOR_NAMES = "sim:127.0.0.1:9200, sim, none"


class UnknownDevice(ValueError):
    """The name in the configuration means nothing here. The text lists what would."""


async def open_ble(device: str, *, name: str, address: str | None = None) -> LinkListener:
    """A radio that advertises the door `name`; `address` is random static, new each start if None.

    The controller itself is opened by the first `accept`. Raises `UnknownDevice`, or
    `HardwareFault` if a library is missing.
    """
    match device.partition(":"):
        case ("none", "", ""):
            return NoLinks()
        case ("bumble", _, transport) if transport:
            driver = _driver("hw.ble.peripheral", "bumble")
            radio = _driver("hw.ble.radio", "bumble")
            address = address or radio.random_static_address(secrets.token_bytes(6))
            listener: LinkListener = driver.Peripheral(transport, name=name, address=address)
            return listener
        case _:
            raise _unknown("Bluetooth", device, _BLE_NAMES)


async def open_nfc(device: str, *, wake: bytes = b"") -> TagListener:
    """An NFC reader; `wake` is the polling frame for express-mode wallets, if one is wanted.

    The chip itself is opened by the first `accept`. Raises as `open_ble` does.
    """
    match device.partition(":"):
        case ("none", "", ""):
            return NoTags()
        case ("pn532", _, path) if path:
            driver = _driver("hw.nfc.pn532", "nfcpy")
            listener: TagListener = driver.Pn532TagListener(path, wake=wake)
            return listener
        case _:
            raise _unknown("NFC", device, _NFC_NAMES)


async def open_door(
    device: str, *, say: Callable[[str], None], port_file: Path | None = None
) -> DoorHardware:
    """The wires of a door. `say` gets what a simulated door does, one line each.

    `port_file` is where a simulated door writes the port of its control socket; ask for it with
    `sim:127.0.0.1:0`. Raises `UnknownDevice`, or `HardwareFault` if the port is taken
    or the file cannot be written.
    """
    match device.split(":"):
        case ["none"]:
            return NoDoor()
        case ["sim"]:
            return DoorSim(say=say, clock=time.time)
        case ["sim", "127.0.0.1" | "localhost", port] if port.isdecimal() and int(port) < 65536:
            return await _served_door(int(port), say, port_file)
        case _:
            raise _unknown("door", device, _DOOR_NAMES)


async def _served_door(
    port: int, say: Callable[[str], None], port_file: Path | None
) -> DoorHardware:
    try:
        served = await ServedDoor.open(DoorSim(say=say, clock=time.time), port)
    except OSError as error:
        raise HardwareFault(f"the simulated door cannot listen on port {port}: {error}") from error
    try:
        if port_file is not None:
            write_port(port_file, served.port)
    except OSError as error:
        await served.close()
        raise HardwareFault(f"{port_file} cannot be written: {error}") from error
    return served


def _driver(module: str, library: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] == "hw":
            raise
        raise HardwareFault(
            f"this device needs {library}, and {error.name} is not installed: "
            "pip install 'doorward[reader]'"
        ) from error


def _unknown(kind: str, device: str, known: str) -> UnknownDevice:
    return UnknownDevice(f"{device[:80]!r} is no {kind} device; known are, for example: {known}")
