"""The frames between a host and a PN532, as the chip sees them.

    normal     00 00 FF ‖ LEN ‖ LCS ‖ TFI ‖ data ‖ DCS ‖ 00       LEN = 1 + len(data), LEN + LCS = 0
    extended   00 00 FF ‖ FF FF ‖ LENM ‖ LENL ‖ LCS ‖ TFI ‖ data ‖ DCS ‖ 00
    ACK        00 00 FF 00 FF 00
    NACK       00 00 FF FF 00 00
    error      00 00 FF 01 FF 7F 81 00

TFI is D4 from the host and D5 from the chip; all sums are modulo 256. Anything may stand before a
start code (hosts send a long preamble to wake the chip); frames that do not add up are skipped.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

ACK = bytes.fromhex("0000ff00ff00")
NACK = bytes.fromhex("0000ffff0000")
SYNTAX_ERROR = bytes.fromhex("0000ff01ff7f8100")

_START = b"\x00\xff"
_HOST, _CHIP = 0xD4, 0xD5
_LENGTH_MAX = 265  # TFI, command code and 263 bytes: the chip's buffer


class Control(enum.Enum):
    """A frame without content."""

    ACK = "ack"
    NACK = "nack"


@dataclass(frozen=True, slots=True)
class Command:
    """What the host wants: a command code and its parameters."""

    code: int
    data: bytes
    preamble: int = 0
    """Bytes that stood before the frame: a sleeping chip wakes by them."""


class FrameParser:
    """Bytes in, frames out. Keeps at most one frame's worth of bytes."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._preamble = 0

    def feed(self, data: bytes) -> list[Control | Command]:
        self._buffer += data
        frames: list[Control | Command] = []
        while (frame := self._take()) is not None:
            if not isinstance(frame, _Skip):
                frames.append(frame)
        return frames

    def _take(self) -> Control | Command | _Skip | None:
        """The next frame, `None` if more bytes are needed."""
        at = self._buffer.find(_START)
        if at < 0:
            self._preamble += max(0, len(self._buffer) - 1)
            del self._buffer[:-1]  # the last byte may be the first of a start code
            return None
        self._preamble += at
        del self._buffer[:at]
        body = self._buffer[2:]
        if len(body) < 2:
            return None
        if body[0] == 0xFF and body[1] == 0xFF:
            return self._extended(body)
        if (body[0], body[1]) in ((0x00, 0xFF), (0xFF, 0x00)):
            self._drop(4)
            return Control.ACK if body[0] == 0x00 else Control.NACK
        if (body[0] + body[1]) & 0xFF:
            return self._skip()
        return self._content(4, body[0])

    def _extended(self, body: bytearray) -> Control | Command | _Skip | None:
        if len(body) < 5:
            return None
        length = int.from_bytes(body[2:4])
        if sum(body[2:5]) & 0xFF or length > _LENGTH_MAX:
            return self._skip()
        return self._content(7, length)

    def _content(self, head: int, length: int) -> Command | _Skip | None:
        """The data of a frame whose header is `head` bytes long, checksum included."""
        end = head + length + 1
        if len(self._buffer) < end:
            return None
        content = self._buffer[head:end]
        if length < 2 or sum(content) & 0xFF or content[0] != _HOST:
            return self._skip()
        preamble = self._preamble
        self._drop(end)
        return Command(content[1], bytes(content[2:-1]), preamble)

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._preamble = 0

    def _skip(self) -> _Skip:
        """This start code led nowhere: look for the next one behind it."""
        del self._buffer[:2]
        return _Skip()


class _Skip:
    """Bytes were dropped; there may be a frame behind them."""


def response(code: int, data: bytes) -> bytes:
    """The chip's answer to the command `code`."""
    content = bytes((_CHIP, code + 1)) + data
    length = len(content)
    if length < 0xFF:
        head = bytes((length, -length & 0xFF))
    else:
        size = length.to_bytes(2)
        head = b"\xff\xff" + size + bytes((-sum(size) & 0xFF,))
    return b"\x00" + _START + head + content + bytes((-sum(content) & 0xFF, 0x00))
