"""A PN532 on a serial port through nfcpy: opened our way, and nothing of nfcpy's beyond the chip.

Blocking; `hw.nfc.pn532` calls it from one thread. Every call ends by itself: reads and writes have
timeouts of a second or less.

Why nfcpy 1.0.4's own ways are not taken: its `init` raises the chip to 921600 baud, and a crash
leaves it there, deaf at the speed that the next start tries; its `close` raises after an unplug and
leaves the port open; its ISO-DEP layer trusts the card (see `hw.nfc.isodep` for ours).
"""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import dataclass
from typing import Any

import nfc.clf
import nfc.clf.pn532
import nfc.clf.transport

logger = logging.getLogger(__name__)

_BAUD_RATE = 115200
# Where a crashed driver may have left the chip.
_OTHER_BAUD_RATES = (921600, 460800, 230400)
_WRITE_SECONDS = 1.0  # a port that takes nothing for so long is no port any more
# The chip takes 0.2 ms; the last bytes may still be in the buffer of a USB adapter.
_SPEED_CHANGE_SECONDS = 0.05
_FIRST_ANSWER_MS = 150
# The serial driver of some Raspberry Pi models delays the first bytes of a USB adapter by a second.
_PATIENT_ANSWER_MS = 1500

# 0x55 wakes the chip's serial port; zeros give it time.
_WAKE = bytes((0x55, 0x55)) + bytes(14)
_ACK = bytes.fromhex("0000ff00ff00")
_GET_FIRMWARE_VERSION = bytes.fromhex("0000ff02fed4022a00")
_FIRMWARE_IS_PN532 = bytes.fromhex("0000ff06fad50332")
_SAM_NORMAL_MODE = bytes.fromhex("0000ff05fbd4140100001700")
_SET_BAUD_RATE_115200 = bytes.fromhex("0000ff03fdd410041800")

_UID_LENGTHS = (4, 7, 10)
_ISO_DEP = 0x20  # in SEL_RES: the card speaks ISO 14443-4
_CARD_SILENT = 0x01  # the chip's status for a card that did not answer in time


@dataclass(frozen=True, slots=True)
class Sensed:
    """A card that answered to the field."""

    uid: bytes
    iso_dep: bool


class Pn532Device:
    """One opened chip. Any method may raise whatever a torn-out serial port brings about."""

    def __init__(self, path: str) -> None:
        """Wake the chip and set it up. Raises `OSError` if there is none; nothing stays open."""
        self._transport = nfc.clf.transport.TTY(path)
        self._timeout_index = 0
        try:
            self._wake(path)
            chipset = nfc.clf.pn532.Chipset(self._transport, logger)
            self._device: Any = nfc.clf.pn532.Device(chipset, logger)
        except BaseException:
            self._release()
            raise

    def sense(self) -> Sensed | None:
        """Look for one card of type A. The field stays on."""
        target = self._device.sense_tta(nfc.clf.RemoteTarget("106A"))
        if target is None or len(target.sdd_res or b"") not in _UID_LENGTHS:
            return None
        return Sensed(bytes(target.sdd_res), bool(target.sel_res[0] & _ISO_DEP))

    def exchange(self, frame: bytes, wait: float) -> bytes | None:
        """Send a frame to the sensed card; `None` if it stays silent or its answer is torn."""
        chipset = self._device.chipset
        index = _timeout_index(wait)
        if index != self._timeout_index:
            chipset.rf_configuration(0x02, bytes((10, 11, index)))
            self._timeout_index = index
        try:
            answer = chipset.in_communicate_thru(frame, timeout=_timeout_seconds(index) + 0.25)
        except nfc.clf.pn532.Chipset.Error as error:
            if error.errno != _CARD_SILENT:
                logger.debug("torn frame from the card: %s", error)
            return None
        return bytes(answer)

    def field_off(self) -> None:
        """Take the card's power away."""
        self._device.mute()

    def close(self) -> None:
        """Put the chip to sleep and release the port. Never raises."""
        try:
            self._device.close()
        except Exception as error:  # noqa: BLE001 - pyserial and termios raise anything after an unplug
            logger.debug("closing the PN532: %s", error)
        self._release()

    def _release(self) -> None:
        """Close the port even when flushing it fails, as nfcpy does not."""
        port = self._transport.tty
        self._transport.tty = None
        if port is not None:
            with contextlib.suppress(Exception):
                port.close()

    def _wake(self, path: str) -> None:
        for patience in (_FIRST_ANSWER_MS, _PATIENT_ANSWER_MS):
            self._open(path, _BAUD_RATE)
            if self._present(patience):
                self._command(_SAM_NORMAL_MODE)
                return
            if self._rescue(path):
                self._command(_SAM_NORMAL_MODE)
                return
        raise OSError("no PN532 answers there")

    def _open(self, path: str, baud_rate: int) -> None:
        self._transport.open(path, baud_rate)
        self._transport.tty.write_timeout = _WRITE_SECONDS

    def _present(self, patience_ms: int) -> bool:
        """Whether a PN532 answers at the speed the port has now."""
        try:
            self._transport.write(_ACK)  # end whatever an earlier host began
            self._transport.write(_WAKE + _GET_FIRMWARE_VERSION)
            if bytes(self._transport.read(timeout=patience_ms)) != _ACK:
                return False
            return bytes(self._transport.read(timeout=patience_ms)).startswith(_FIRMWARE_IS_PN532)
        except (OSError, IndexError, TypeError):  # silence, or noise where a frame should be
            return False

    def _command(self, command: bytes) -> None:
        self._transport.write(_WAKE + command)
        if bytes(self._transport.read(timeout=_FIRST_ANSWER_MS)) != _ACK:
            raise OSError("the PN532 does not acknowledge its set-up")
        self._transport.read(timeout=_FIRST_ANSWER_MS)

    def _rescue(self, path: str) -> bool:
        """Fetch a chip back from the speed at which a crash has left it."""
        for baud_rate in _OTHER_BAUD_RATES:
            self._open(path, baud_rate)
            if self._present(_FIRST_ANSWER_MS):
                logger.warning("the PN532 was left at %s baud: set back to 115200", baud_rate)
                self._command(_SET_BAUD_RATE_115200)
                self._transport.write(_ACK)
                self._transport.tty.flush()
                time.sleep(_SPEED_CHANGE_SECONDS)
                self._open(path, _BAUD_RATE)
                return self._present(_FIRST_ANSWER_MS)
        return False


def _timeout_index(wait: float) -> int:
    """The chip's timer: the shortest of 100 µs · 2^(n-1), n = 1 to 16, that is at least `wait`."""
    return next((n for n in range(1, 17) if _timeout_seconds(n) >= wait), 16)


def _timeout_seconds(index: int) -> float:
    return 100e-6 * (1 << (index - 1))
