"""An NFC reader on a PN532: polls its field and yields each card, once.

The chip's driver blocks, so everything that touches it runs in one thread of its own; asyncio
outside never waits longer than a cancellation takes. Whatever pyserial, termios or nfcpy throw ends
here as `TagLost` or `HardwareFault`.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from hw.backoff import Backoff
from hw.nfc.isodep import (
    DESELECT,
    FRAME_MAX,
    RATS,
    AnswerToSelect,
    CardFault,
    Initiator,
    Response,
)
from hw.nfc.pn532_device import Pn532Device, Sensed
from hw.nfc.presence import Presence
from hw.ports import HardwareFault, TagLost

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

# A tap is noticed at the next look; a look at an empty field takes the chip some 10 ms.
_POLL_SECONDS = 0.02
# A phone in a pocket answers within 400 ms, an old PIV card signs in a second and a half.
_ANSWER_SECONDS = 2.5
# A card has 5 ms to start after its selection (ISO 14443-4), the serial port needs some more.
_ACTIVATION_SECONDS = 0.03
_DESELECT_SECONDS = 0.01
_WAKE_SECONDS = 0.002


class Pn532Tag:
    """One card in the field. See `hw.ports.Tag`.

    A card that does not speak ISO 14443-4 has only a UID: its `transceive` always raises `TagLost`.
    """

    def __init__(
        self, listener: Pn532TagListener, sensed: Sensed, isodep: Initiator | None
    ) -> None:
        self._listener = listener
        self._sensed = sensed
        self._isodep = isodep
        self._released = False

    @property
    def uid(self) -> bytes:
        return self._sensed.uid

    @property
    def iso_dep(self) -> bool:
        return self._isodep is not None

    async def transceive(self, apdu: bytes) -> bytes:
        if self._released:
            raise TagLost("the card has been released")
        if self._isodep is None:
            raise TagLost(f"card {self.uid.hex()} has a number and no ISO 14443-4 application")
        return await self._listener.transceive(self._isodep, apdu)

    async def release(self) -> None:
        if not self._released:
            self._released = True
            await self._listener.release(speaks=self._isodep is not None)


class Pn532TagListener:
    """See `hw.ports.TagListener`.

    The chip is opened by the first `accept`, so that a missing reader keeps no daemon from
    starting. After a `HardwareFault` the next `accept` waits its turn (0.5 s, doubling to 30 s)
    and opens the chip again: a caller may simply call `accept` in a loop. While a tag is out,
    `accept` waits for its `release`.
    """

    def __init__(self, path: str, *, wake: bytes = b"", backoff: Backoff | None = None) -> None:
        """`path` of the serial port, for instance `/dev/ttyUSB0` or `/dev/serial0`.

        `wake` is sent with the field on, after each look that found nobody: the enhanced
        contactless polling frame (without CRC) for which an express-mode wallet waits.
        """
        self._path = path
        self._wake = wake
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pn532")
        self._backoff = backoff or Backoff(first=0.5, most=30.0)
        self._look: asyncio.Future[Pn532Tag | None] | None = None
        self._free = asyncio.Event()
        self._free.set()
        self._closed = False
        # Owned by the thread:
        self._device: Pn532Device | None = None
        self._presence = Presence()
        self._fault: HardwareFault | None = None
        # Set to make the thread give up a card:
        self._give_up = threading.Event()

    async def accept(self) -> Pn532Tag:
        while True:
            await self._free.wait()
            if self._look is None:
                await asyncio.sleep(self._backoff.wait(time.monotonic()))
            if self._closed:
                raise HardwareFault(f"the NFC reader {self._path} has been closed")
            if self._look is None:
                loop = asyncio.get_running_loop()
                self._look = loop.run_in_executor(self._thread, self._poll)
            # Shielded: a look that is cancelled may find a card, and the next `accept` has it.
            try:
                tag = await asyncio.shield(self._look)
            except HardwareFault:
                self._look = None
                self._backoff.failed(time.monotonic())
                raise
            self._look = None
            self._backoff.succeeded()
            if tag is not None:
                self._free.clear()
                return tag
            await asyncio.sleep(_POLL_SECONDS)

    async def transceive(self, isodep: Initiator, apdu: bytes) -> bytes:
        """For `Pn532Tag`: one command, and its answer within the outer deadline."""
        if self._closed:
            raise TagLost("the NFC reader has been closed")
        deadline = time.monotonic() + _ANSWER_SECONDS
        self._give_up.clear()
        try:
            return await self._in_thread(lambda: self._transceive(isodep, apdu, deadline))
        except asyncio.CancelledError:
            self._give_up.set()
            raise

    async def release(self, *, speaks: bool) -> None:
        """For `Pn532Tag`: the field goes off, and `accept` may look again."""
        self._give_up.set()
        if self._closed:
            return
        try:
            await self._in_thread(lambda: self._let_go(speaks=speaks))
        finally:
            self._free.set()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._give_up.set()
        try:
            await self._in_thread(self._close_device)
            if self._look is not None:
                await asyncio.gather(self._look, return_exceptions=True)
        finally:
            self._thread.shutdown(wait=False)
            self._free.set()

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # Everything below runs in the thread.

    def _poll(self) -> Pn532Tag | None:
        """One look into the field. Raises `HardwareFault`."""
        try:
            if self._fault is None:
                return self._look_once(self._opened())
            fault = self._fault
        except Exception as error:  # noqa: BLE001 - nfcpy, pyserial and termios raise anything
            fault = self._explain(error)
            fault.__cause__ = error
        self._fault = None
        self._close_device()
        raise fault

    def _opened(self) -> Pn532Device:
        if self._device is None:
            self._device = Pn532Device(self._path)
            self._presence = Presence()
        return self._device

    def _look_once(self, device: Pn532Device) -> Pn532Tag | None:
        sensed = device.sense()
        if sensed is None:
            self._presence.nothing()
            if self._wake:
                device.exchange(self._wake, _WAKE_SECONDS)  # a broadcast: nobody answers
            return None
        if not self._presence.seen(sensed.uid):
            device.field_off()  # else it stays selected and does not answer to the next look
            return None
        if not sensed.iso_dep:
            return Pn532Tag(self, sensed, None)
        try:
            return Pn532Tag(self, sensed, self._activate(device))
        except CardFault as error:
            logger.debug("card %s: %s", sensed.uid.hex(), error)
            self._presence.torn()
            device.field_off()
            return None

    def _activate(self, device: Pn532Device) -> Initiator:
        answer = device.exchange(RATS, _ACTIVATION_SECONDS)
        if answer is None:
            raise CardFault("no answer to select")
        if len(answer) > FRAME_MAX:
            raise CardFault("an endless answer to select")
        ats = AnswerToSelect.parse(answer)
        time.sleep(ats.guard)
        return Initiator(ats)

    def _transceive(self, isodep: Initiator, apdu: bytes, deadline: float) -> bytes:
        device = self._device
        if device is None:
            raise TagLost("the NFC reader has gone")
        try:
            return self._converse(device, isodep, apdu, deadline)
        except CardFault as error:
            self._presence.torn()
            raise TagLost(str(error)) from error
        except Exception as error:
            self._presence.torn()
            self._fault = self._explain(error)
            raise TagLost("the NFC reader failed in the middle of an exchange") from error

    def _converse(
        self, device: Pn532Device, isodep: Initiator, apdu: bytes, deadline: float
    ) -> bytes:
        step = isodep.command(apdu)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise CardFault(f"the card did not answer within {_ANSWER_SECONDS:g} s")
            if self._give_up.is_set():
                raise CardFault("nobody waits for the card's answer any more")
            reply = isodep.answered(device.exchange(step.block, min(step.wait, left)))
            if isinstance(reply, Response):
                return reply.apdu
            step = reply

    def _let_go(self, *, speaks: bool) -> None:
        """Tell the card that it is over, and take its power. The next look finds a fault."""
        device = self._device
        if device is None or self._fault is not None:
            return
        try:
            if speaks:
                device.exchange(DESELECT, _DESELECT_SECONDS)
            device.field_off()
        except Exception as error:  # noqa: BLE001 - raised by the next look, where it belongs
            self._fault = self._explain(error)

    def _close_device(self) -> None:
        device, self._device = self._device, None
        if device is not None:
            device.close()

    def _explain(self, error: Exception) -> HardwareFault:
        # pyserial raises one class for everything, with the number of the system's error.
        match getattr(error, "errno", None):
            case errno.ENOENT:
                why = "there is no such port; is the reader plugged in?"
            case errno.EACCES | errno.EPERM:
                why = "no permission; join the group `dialout`"
            case errno.EBUSY:
                why = "another process has this port; stop that one first"
            case _:
                what = error.args[-1] if error.args else type(error).__name__
                why = f"{what}; is it plugged in, with its switches set to HSU (UART)?"
        return HardwareFault(f"NFC reader pn532:{self._path}: {why}")
