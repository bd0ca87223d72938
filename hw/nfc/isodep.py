"""ISO/IEC 14443-4 as the reader speaks it: APDUs cut into blocks, and a card's answers judged.

    block:  PCB ‖ INF                       (the radio chip adds and checks the CRC)
      I     000c 001b                       c: more follows, b: block number
      R     1010 001b = ACK, 1011 001b = NAK
      S     1100 0010 = DESELECT, 1111 0010 ‖ WTXM = waiting time extension
    ATS:    TL ‖ T0 [TA1] [TB1] [TC1] ‖ historical bytes

No input or output: `command` and `answered` return what to send next and how long to wait for it.
We use neither CID nor NAD. A card may be slow or torn (repaired, a few times) or it may lie
(`CardFault`): everything it can make us do is counted.
"""

from __future__ import annotations

from dataclasses import dataclass

FRAME_MAX = 256  # FSD, the longest frame a card may send us, with its two CRC bytes
RATS = bytes((0xE0, 0x80))  # FSDI 8 (256 bytes), CID 0
DESELECT = bytes((0xC2,))

_FRAME_SIZES = (16, 24, 32, 40, 48, 64, 96, 128, 256)
_UNIT_SECONDS = 4096 / 13.56e6  # 302 microseconds, what FWI and SFGI double
_FWI_DEFAULT = 4
# FWI 11. A card that announces up to five seconds would make its removal invisible for so long.
_FRAME_WAIT_MAX = 0.65
_FRAME_WAIT_MIN = 0.005  # less than a serial port can tell
_GUARD_MAX = 0.08
_REPEATS_MAX = 2
# Forty extensions are some seconds on any card; an honest one ends far below.
_EXTENSIONS_MAX = 40
_BLOCKS_MAX = 600
_RESPONSE_MAX = 65538  # an extended-length answer and its status


class CardFault(Exception):
    """The card broke the rules of ISO 14443-4, or answers no more. Nothing it said counts."""


@dataclass(frozen=True, slots=True)
class AnswerToSelect:
    """What a card can do, as far as a reader must know it."""

    frame_size: int
    """The longest frame it takes, with its two CRC bytes."""
    frame_wait: float
    """Seconds until a frame must be answered."""
    guard: float
    """Seconds that the card needs after its activation."""

    @classmethod
    def parse(cls, data: bytes) -> AnswerToSelect:
        """Read an ATS. What it leaves out has the values of the standard. Raises `CardFault`."""
        if not data or not 1 <= data[0] <= len(data):
            raise CardFault(f"the answer to select is torn: {data[:32].hex()}")
        body = data[1 : data[0]]
        if not body:
            return cls(_FRAME_SIZES[2], _frame_wait(_FWI_DEFAULT), 0.0)
        format_byte, rest = body[0], body[1:]
        present = [bool(format_byte & bit) for bit in (0x10, 0x20, 0x40)]
        if len(rest) < sum(present):
            raise CardFault(f"the answer to select is torn: {data[:32].hex()}")
        timing = rest[present[0]] if present[1] else _FWI_DEFAULT << 4
        size = _FRAME_SIZES[min(format_byte & 0x0F, len(_FRAME_SIZES) - 1)]
        return cls(size, _frame_wait(timing >> 4), _guard(timing & 0x0F))


def _frame_wait(index: int) -> float:
    """FWT in seconds; index 15 is reserved and means 4."""
    seconds = _UNIT_SECONDS * (1 << (_FWI_DEFAULT if index == 15 else index))
    return min(max(seconds, _FRAME_WAIT_MIN), _FRAME_WAIT_MAX)


def _guard(index: int) -> float:
    """SFGT in seconds; index 15 is reserved and means none, as 0 does."""
    return min(_UNIT_SECONDS * (1 << index), _GUARD_MAX) if 0 < index < 15 else 0.0


@dataclass(frozen=True, slots=True)
class Send:
    """Send `block` to the card and wait `wait` seconds for its answer."""

    block: bytes
    wait: float


@dataclass(frozen=True, slots=True)
class Response:
    """The card has answered the command APDU."""

    apdu: bytes


class Initiator:
    """One activated card. `command` starts an APDU; feed `answered` until it returns `Response`."""

    def __init__(self, ats: AnswerToSelect) -> None:
        self._ats = ats
        self._number = 0
        self._pieces: list[bytes] = []
        self._response = bytearray()
        self._repeats = 0
        self._extensions = 0
        self._blocks = 0

    def command(self, apdu: bytes) -> Send:
        """Begin to send a command APDU."""
        if not apdu:
            raise ValueError("a command APDU has at least four bytes, not none")
        size = self._ats.frame_size - 3
        self._pieces = [apdu[at : at + size] for at in range(0, len(apdu), size)]
        self._response.clear()
        self._repeats = self._extensions = self._blocks = 0
        return self._send_piece()

    def answered(self, block: bytes | None) -> Send | Response:
        """Take the card's block, or `None` for silence or a torn one. Raises `CardFault`."""
        self._blocks += 1
        if self._blocks > _BLOCKS_MAX:
            raise CardFault(f"the card needs more than {_BLOCKS_MAX} blocks for one answer")
        if not block:
            return self._repair()
        if len(block) > FRAME_MAX - 2:
            raise CardFault(f"the card sent a frame of {len(block)} bytes")
        match block[0]:
            case 0xF2:
                return self._extend(block)
            case 0xA2 | 0xA3 if len(block) == 1:
                return self._acknowledged(block[0] & 1)
            case 0x02 | 0x03 | 0x12 | 0x13:
                return self._information(block)
            case other:
                raise CardFault(f"the card sent a block that has no place here: {other:02X}")

    def _information(self, block: bytes) -> Send | Response:
        if block[0] & 1 != self._number:
            return self._repair()
        if len(self._pieces) > 1:
            raise CardFault("the card answered before it had the whole command")
        if len(block) == 1:
            raise CardFault("the card sent an empty block")
        self._pieces.clear()
        self._number ^= 1
        self._repeats = 0
        self._response += block[1:]
        if len(self._response) > _RESPONSE_MAX:
            raise CardFault(f"the card's answer is longer than {_RESPONSE_MAX} bytes")
        if block[0] & 0x10:
            return self._send(bytes((0xA2 | self._number,)))
        if len(self._response) < 2:
            raise CardFault("the card's answer has no status")
        return Response(bytes(self._response))

    def _acknowledged(self, number: int) -> Send:
        if not self._pieces:
            raise CardFault("the card acknowledged what was not sent")
        if number != self._number:  # it has not seen the last block
            return self._again(self._block())
        if len(self._pieces) == 1:
            raise CardFault("the card acknowledged a command instead of answering it")
        self._pieces.pop(0)
        self._number ^= 1
        self._repeats = 0
        return self._send_piece()

    def _extend(self, block: bytes) -> Send:
        factor = block[1] & 0x3F if len(block) == 2 else 0
        if not 1 <= factor <= 59:
            raise CardFault(f"the card asks for time with {block[:4].hex()}")
        self._extensions += 1
        if self._extensions > _EXTENSIONS_MAX:
            raise CardFault(f"the card asked for more time {_EXTENSIONS_MAX} times")
        wait = min(self._ats.frame_wait * factor, _FRAME_WAIT_MAX)
        return Send(bytes((0xF2, factor)), wait)

    def _repair(self) -> Send:
        """Ask again: for the block itself while the card is chaining, for its state otherwise."""
        if self._response:
            return self._again(bytes((0xA2 | self._number,)))
        return self._again(bytes((0xB2 | self._number,)))

    def _again(self, block: bytes) -> Send:
        self._repeats += 1
        if self._repeats > _REPEATS_MAX:
            raise CardFault("the card does not answer: it was taken away too early")
        return self._send(block)

    def _send_piece(self) -> Send:
        return self._send(self._block())

    def _block(self) -> bytes:
        more = 0x10 if len(self._pieces) > 1 else 0
        return bytes((0x02 | more | self._number,)) + self._pieces[0]

    def _send(self, block: bytes) -> Send:
        return Send(block, self._ats.frame_wait)
