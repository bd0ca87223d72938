"""A PN532 without its serial port: host commands in, answers out, a card or none in its field.

It knows what a host needs to read ISO 14443-4 type A cards: version, self test, registers, serial
speed, parameters, SAM and RF configuration, power down, InListPassiveTarget, InCommunicateThru,
InDeselect and InRelease. Everything else is a syntax error, as on the real chip.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

_FIRMWARE = bytes.fromhex("32010607")  # IC 32, version 1.6, types A, B and ISO 18092
_BAUD_RATES = (9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600, 1288000)
# Still holds the SENS_REQ that nobody answered; hosts look there to tell a type 1 tag.
_FIFO_REGISTER, _SENS_REQ = 0x6339, 0x26

_OK, _TIMEOUT = b"\x00", b"\x01"
_RF_FIELD, _RF_TIMINGS = 0x01, 0x02  # items of RFConfiguration


class Target(Protocol):
    """A card in the field, below ISO 14443-4."""

    @property
    def uid(self) -> bytes:
        """4, 7 or 10 bytes."""

    @property
    def sak(self) -> int:
        """SEL_RES; bit 0x20 says that the card speaks ISO 14443-4."""

    async def exchange(self, frame: bytes) -> bytes | None:
        """Take a frame without CRC, return the card's; wait for ever rather than return late."""

    def field_off(self) -> None:
        """The card has lost its power, or was started over."""


class Chip:
    """The chip's state. `execute` runs one command; cancel it to abort, as a host's ACK does."""

    def __init__(self) -> None:
        self._target: Target | None = None
        self._selected: Target | None = None
        self._registers: dict[int, int] = {}
        self._timeout_index = 0x0A
        self.baud_rate = 115200
        """The speed that the last SetSerialBaudRate asked for."""
        self.asleep = False

    def present(self, target: Target) -> None:
        """Bring a card into the field; it is seen by the next InListPassiveTarget."""
        self._target = target

    def remove(self, target: Target) -> None:
        """Take a card away, in the middle of whatever it does."""
        if self._target is target:
            self._target = None
        if self._selected is target:
            self._selected = None

    async def execute(self, code: int, data: bytes) -> bytes | None:  # noqa: PLR0912 - a table
        """The data of the answer, or `None` for a syntax error."""
        match code:
            case 0x00:  # Diagnose
                return data if data[:1] == b"\x00" else _OK
            case 0x02:  # GetFirmwareVersion
                return _FIRMWARE
            case 0x04:  # GetGeneralStatus
                return bytes((0x00, 0x01, int(self._selected is not None)))
            case 0x06:  # ReadRegister
                return bytes(self._registers.get(at, 0) for at in _addresses(data, 2))
            case 0x08:  # WriteRegister
                self._registers.update(zip(_addresses(data, 3), data[2::3], strict=False))
                return b""
            case 0x10:  # SetSerialBaudRate
                return self._set_baud_rate(data)
            case 0x12 | 0x14:  # SetParameters, SAMConfiguration
                return b""
            case 0x16:  # PowerDown
                self._start_over()
                self.asleep = True
                return _OK
            case 0x32:  # RFConfiguration
                return self._configure(data)
            case 0x42:  # InCommunicateThru
                return await self._communicate(data)
            case 0x44 | 0x52:  # InDeselect, InRelease
                self._start_over()
                return _OK
            case 0x4A:  # InListPassiveTarget
                return self._list(data)
            case _:
                return None

    def _set_baud_rate(self, data: bytes) -> bytes | None:
        if len(data) != 1 or data[0] >= len(_BAUD_RATES):
            return None
        self.baud_rate = _BAUD_RATES[data[0]]
        return b""

    def _configure(self, data: bytes) -> bytes | None:
        if not data:
            return None
        if data[0] == _RF_FIELD and not data[-1] & 1:
            self._start_over()
        if data[0] == _RF_TIMINGS and len(data) == 4:
            self._timeout_index = data[3]
        return b""

    def _start_over(self) -> None:
        """The field goes off: the card loses its power."""
        selected, self._selected = self._selected, None
        if selected is not None:
            selected.field_off()

    def _list(self, data: bytes) -> bytes | None:
        """Look for one card of type A; the other modulations find nobody here."""
        if len(data) < 2:
            return None
        self._start_over()
        if data[1] != 0x00 or self._target is None:
            self._registers[_FIFO_REGISTER] = _SENS_REQ
            return b"\x00"
        self._selected = card = self._target
        sens_res = bytes((0x00, (len(card.uid) - 4) // 3 << 6 | 0x04))
        return bytes((1, 1)) + sens_res + bytes((card.sak, len(card.uid))) + card.uid

    async def _communicate(self, data: bytes) -> bytes:
        card = self._selected
        if card is None:
            return _TIMEOUT
        try:
            async with asyncio.timeout(self._timeout):
                reply = await card.exchange(data)
        except TimeoutError:
            return _TIMEOUT
        if reply is None or self._selected is not card:
            return _TIMEOUT
        return _OK + reply

    @property
    def _timeout(self) -> float | None:
        """100 µs · 2^(n-1) for InCommunicateThru; 0 waits for ever."""
        index = min(self._timeout_index, 16)
        return 100e-6 * (1 << (index - 1)) if index else None


def _addresses(data: bytes, stride: int) -> list[int]:
    ends = range(stride, len(data) + 1, stride)
    return [int.from_bytes(data[end - stride : end - stride + 2]) for end in ends]
