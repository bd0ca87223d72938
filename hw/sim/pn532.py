"""A simulated PN532 reader chip on a pseudo-terminal, with a TCP port for the cards.

    python -m hw.sim.pn532 --tty /tmp/pn532 --port 9100

A real driver opens `/tmp/pn532` as the serial port of a PN532; `hw.sim.card` (or anything that
speaks the few bytes of `hw.sim.pn532_field`) is a card or a phone that somebody holds to it.

The serial speed is real: a chip that was told 921600 baud hears nobody at 115200, as the crash of
a driver leaves it. So is sleep: after PowerDown it wants a long preamble before it listens again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import termios
import tty
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from hw.sim.pn532_chip import Chip
from hw.sim.pn532_field import Field
from hw.sim.pn532_frames import ACK, SYNTAX_ERROR, Command, Control, FrameParser, response
from hw.sim.serve import announce, until_stopped

logger = logging.getLogger(__name__)

# What wakes a sleeping chip: the 0x55 bytes or zeros that hosts send before the first frame.
_WAKE_PREAMBLE = 8
# A host sends a frame in one go.
_FRAME_PAUSE_SECONDS = 0.05
_SPEEDS = {
    getattr(termios, f"B{rate}"): rate for rate in (9600, 19200, 38400, 57600, 115200, 230400)
} | {
    getattr(termios, f"B{rate}"): rate for rate in (460800, 921600) if hasattr(termios, f"B{rate}")
}


@dataclass(slots=True)
class Faults:
    """What can be wrong with the chip; change it at any time."""

    mute: bool = False
    """It answers nothing, as a chip without power behind a live USB adapter."""


class Pn532:
    """The chip on its serial port. Use it as an async context manager."""

    def __init__(self, tty_path: Path, *, port: int = 0, slow: float = 0.0) -> None:
        """`tty_path` becomes a link to the pseudo-terminal; `slow` delays every card's answers."""
        self.tty_path = tty_path
        self.faults = Faults()
        self.chip = Chip()
        self.field = Field(self.chip, port=port, slow=slow)
        self._parser = FrameParser()
        self._line: tuple[int, int] | None = None
        self._running: asyncio.Task[None] | None = None
        self._baud_rate = 115200
        self._heard_at = 0.0
        self._last = b""

    @property
    def port(self) -> int:
        """Where cards connect."""
        return self.field.port

    async def __aenter__(self) -> Self:
        await self.field.__aenter__()
        try:
            self.plug_in()
        except BaseException:
            await self.field.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.unplug()
        await self.field.__aexit__()

    def plug_in(self) -> None:
        """Power on, as new, under `tty_path`."""
        if self._line is not None:
            return
        chip_side, host_side = os.openpty()
        tty.setraw(host_side)
        os.set_blocking(chip_side, False)
        # The host side stays open here too: without any opener, reads on the chip's side fail.
        self._line = (chip_side, host_side)
        self._parser = FrameParser()
        self._baud_rate = self.chip.baud_rate = 115200
        self.chip.asleep = False
        draft = self.tty_path.with_name(f".{self.tty_path.name}.{os.getpid()}")
        draft.symlink_to(os.ttyname(host_side))
        draft.replace(self.tty_path)
        asyncio.get_running_loop().add_reader(chip_side, self._readable)

    def unplug(self) -> None:
        """Pull the plug: the host's reads and writes fail from now on."""
        line, self._line = self._line, None
        if line is None:
            return
        self._abort()
        asyncio.get_running_loop().remove_reader(line[0])
        with contextlib.suppress(FileNotFoundError):
            self.tty_path.unlink()
        for side in line:
            os.close(side)

    def _readable(self) -> None:
        if self._line is None:
            return
        try:
            data = os.read(self._line[0], 4096)
        except OSError as error:
            logger.debug("reading the line: %s", error)
            return
        if self.faults.mute or not self._same_speed():
            return
        now = asyncio.get_running_loop().time()
        if now - self._heard_at > _FRAME_PAUSE_SECONDS:
            self._parser = FrameParser()  # what has not gone on until now was noise
        self._heard_at = now
        for frame in self._parser.feed(data):
            self._handle(frame)

    def _same_speed(self) -> bool:
        """Whether the host talks at the chip's speed; otherwise it sends noise."""
        if self._line is None:
            return False
        speed: int = termios.tcgetattr(self._line[1])[5]
        return _SPEEDS.get(speed) == self._baud_rate

    def _handle(self, frame: Control | Command) -> None:
        if self.chip.asleep:
            if not isinstance(frame, Command) or frame.preamble < _WAKE_PREAMBLE:
                return
            self.chip.asleep = False
        match frame:
            case Control.ACK:
                self._abort()
                self._baud_rate = self.chip.baud_rate  # a new speed holds from this ACK on
            case Control.NACK:
                self._write(self._last)
            case Command():
                self._abort()
                self._write(ACK)
                self._running = asyncio.get_running_loop().create_task(self._execute(frame))

    async def _execute(self, command: Command) -> None:
        data = await self.chip.execute(command.code, command.data)
        self._last = SYNTAX_ERROR if data is None else response(command.code, data)
        self._write(self._last)

    def _abort(self) -> None:
        """A host's ACK, or its next command, ends the one that runs."""
        if self._running is not None:
            self._running.cancel()
            self._running = None

    def _write(self, data: bytes) -> None:
        if self._line is None or self.faults.mute:
            return
        # A UART does not wait for a host that does not read: what does not fit is lost.
        with contextlib.suppress(BlockingIOError):
            os.write(self._line[0], data)


async def _serve(options: argparse.Namespace) -> None:
    async with Pn532(options.tty, port=options.port, slow=options.slow) as chip:
        chip.faults.mute = options.mute
        announce(f"the NFC field of {options.tty}", chip.port, options.port_file)
        await until_stopped()


def main(arguments: list[str] | None = None) -> None:
    summary = __doc__.split("\n", maxsplit=1)[0]
    parser = argparse.ArgumentParser(prog="python -m hw.sim.pn532", description=summary)
    parser.add_argument("--tty", type=Path, required=True, help="where the serial port appears")
    parser.add_argument("--port", type=int, default=0, help="TCP port for cards; 0 picks one")
    parser.add_argument("--port-file", type=Path, help="write the port into this file")
    parser.add_argument("--slow", type=float, default=0.0, help="seconds a card takes longer")
    parser.add_argument("--mute", action="store_true", help="a chip that answers nothing")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING)
    try:
        asyncio.run(_serve(options))
    except (OSError, OverflowError) as error:
        parser.exit(1, f"the simulated PN532 cannot start: {error}\n")


if __name__ == "__main__":
    main()
