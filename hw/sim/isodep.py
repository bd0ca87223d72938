"""ISO/IEC 14443-4 as a card speaks it: activation, blocks, chaining, repeats, asking for time.

    RATS: E0 ‖ FSDI<<4 | CID        ATS: TL ‖ T0 ‖ TA1 ‖ TB1 ‖ TC1 ‖ historical bytes
    I, R and S blocks: see `hw.nfc.isodep`, which is the other end.

No input or output. `Picc.receive` takes a frame without its CRC and says what the card does about
it; when it is `Ask`, give the answer to `answer`, and until then call `extend` as often as the
reader must be asked for patience. `IsoDepCard` is the same around a plain function.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

_FRAME_SIZES = (16, 24, 32, 40, 48, 64, 96, 128, 256)
_COMMAND_MAX = 65544  # extended length: header, Lc, data, Le
_CARRIER_HZ = 13.56e6


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the card says about itself in its ATS."""

    frame_size_index: int = 8
    """FSCI: 0 to 8 for 16 to 256 bytes."""
    waiting_index: int = 8
    """FWI: a frame is answered within 302 µs · 2^FWI; 8 is 77 ms."""
    historical: bytes = b""

    @property
    def frame_wait(self) -> float:
        """FWT in seconds."""
        return float(4096 / _CARRIER_HZ * 2**self.waiting_index)

    def to_ats(self) -> bytes:
        tail = bytes((0x70 | self.frame_size_index, 0x00, self.waiting_index << 4, 0x00))
        return bytes((1 + len(tail) + len(self.historical),)) + tail + self.historical


@dataclass(frozen=True, slots=True)
class Ask:
    """The card has a whole command APDU and needs the answer to it."""

    apdu: bytes


class State(enum.Enum):
    """Where the card is between the reader's field going on and off."""

    IDLE = "idle"  # waits for RATS
    ACTIVE = "active"
    THINKING = "thinking"  # has asked for an answer
    HALTED = "halted"  # deselected: silent until the field is off


class Picc:
    """The protocol of one card in one field. See the module for how to use it."""

    def __init__(self, abilities: Abilities | None = None) -> None:
        self.abilities = abilities or Abilities()
        self.reset()

    def reset(self) -> None:
        """The field has gone, and with it everything the card knew."""
        self.state = State.IDLE
        self._number = 1
        self._command = bytearray()
        self._chaining = False
        self._pieces: list[bytes] = []
        self._last: bytes | None = None
        self._piece_size = _FRAME_SIZES[2] - 3

    def receive(self, frame: bytes) -> bytes | Ask | None:
        """Take a frame. Returns the card's block, `Ask`, or `None` if the card stays silent."""
        if not frame:
            return None
        match self.state:
            case State.IDLE:
                return self._select(frame)
            case State.ACTIVE | State.THINKING:
                return self._block(frame)
            case State.HALTED:
                return None

    def answer(self, response: bytes) -> bytes:
        """The answer to the last `Ask`: returns the block to send."""
        self.state = State.ACTIVE
        size = self._piece_size
        self._pieces = [response[at : at + size] for at in range(0, len(response), size)] or [b""]
        return self._next_piece()

    def extend(self, factor: int = 1) -> bytes:
        """The block that asks the reader to wait `factor` times the frame waiting time."""
        return self._remember(bytes((0xF2, factor)))

    def _select(self, frame: bytes) -> bytes | None:
        if len(frame) != 2 or frame[0] != 0xE0:
            return None
        index = min(frame[1] >> 4, len(_FRAME_SIZES) - 1)
        self._piece_size = _FRAME_SIZES[index] - 3
        self.state = State.ACTIVE
        return self.abilities.to_ats()

    def _block(self, frame: bytes) -> bytes | Ask | None:
        control = frame[0]
        if control & 0xE2 == 0x02 and not control & 0x0C:
            return self._information(frame)
        if control & 0xFE == 0xA2 and len(frame) == 1:
            return self._acknowledged(control & 1)
        if control & 0xFE == 0xB2 and len(frame) == 1:
            return self._refused(control & 1)
        if control == 0xC2:
            self.state = State.HALTED
            return bytes((0xC2,))
        if control == 0xF2 and self.state is State.THINKING:
            return Ask(bytes(self._command))  # the same question is still open
        if control & 0xF0 == 0xD0:
            return bytes((control,))  # PPS: stay at 106 kbit/s
        return None

    def _information(self, frame: bytes) -> bytes | Ask | None:
        if self.state is State.THINKING:
            return None
        self._number ^= 1
        if self._pieces or not self._chaining:
            self._command.clear()
            self._pieces.clear()
        self._command += frame[1:]
        self._chaining = bool(frame[0] & 0x10)
        if len(self._command) > _COMMAND_MAX:
            self.state = State.HALTED
            return None
        if self._chaining:
            return self._remember(bytes((0xA2 | self._number,)))
        self.state = State.THINKING
        self._last = None  # nothing to repeat until there is an answer, or a plea for time
        return Ask(bytes(self._command))

    def _acknowledged(self, number: int) -> bytes | None:
        if number == self._number:
            return self._last
        self._number ^= 1
        return self._next_piece() if self._pieces else None

    def _refused(self, number: int) -> bytes | None:
        if number == self._number:
            return self._last
        return self._remember(bytes((0xA2 | self._number,)))

    def _next_piece(self) -> bytes:
        piece = self._pieces.pop(0)
        more = 0x10 if self._pieces else 0
        return self._remember(bytes((0x02 | more | self._number,)) + piece)

    def _remember(self, block: bytes) -> bytes:
        self._last = block
        return block


class IsoDepCard:
    """A card around `respond(apdu) -> bytes`, which answers at once."""

    def __init__(
        self, respond: Callable[[bytes], bytes], abilities: Abilities | None = None
    ) -> None:
        self._picc = Picc(abilities)
        self._respond = respond

    def receive(self, frame: bytes) -> bytes | None:
        """Take a frame, return the card's frame, or `None` if it stays silent."""
        match self._picc.receive(frame):
            case Ask(apdu):
                return self._picc.answer(self._respond(apdu))
            case reply:
                return reply

    def reset(self) -> None:
        """The field has gone."""
        self._picc.reset()
