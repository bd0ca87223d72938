"""Command and response APDUs (ISO 7816-4, short form), and the exchange of one command.

    command   CLA INS P1 P2 [Lc data] [Le]     Lc and Le one byte; Le 00 stands for 256
    response  [data] SW1 SW2

`Exchange` hides two habits of real cards: 61xx ("more is waiting, fetch it") and 6Cxx ("ask again
with this length"). It is one processor of a chain: others (extended length, command chaining) have
the same two verbs and can stand before it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace

from shared.credential.tlv import Malformed

SHORT_MAX = 256  # bytes which one short response carries at most


class SW(enum.IntEnum):
    """Status words that we send or judge."""

    OK = 0x9000
    WRONG_LENGTH = 0x6700
    CONDITIONS_NOT_SATISFIED = 0x6985
    FUNCTION_NOT_SUPPORTED = 0x6A81
    NOT_FOUND = 0x6A82
    WRONG_PARAMETERS = 0x6A86
    WRONG_P1_P2 = 0x6B00
    UNKNOWN_INS = 0x6D00
    UNKNOWN_CLA = 0x6E00
    GENERAL_ERROR = 0x6F00


_MORE = 0x61
_OTHER_LE = 0x6C


def describe(sw: int) -> str:
    """A status word for the log: `6A82 (not found)`."""
    try:
        name = SW(sw).name.replace("_", " ").lower()
    except ValueError:
        return f"{sw:04X}"
    return f"{sw:04X} ({name})"


@dataclass(frozen=True, slots=True)
class CommandAPDU:
    """A short command. `le` is how many bytes are expected (1-256), None for none."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = field(default=b"", repr=False)
    le: int | None = None

    def __post_init__(self) -> None:
        if len(self.data) > 0xFF:
            raise ValueError(f"{len(self.data)} bytes do not fit a short APDU")
        if self.le is not None and not 1 <= self.le <= SHORT_MAX:
            raise ValueError(f"Le {self.le} does not fit a short APDU")

    def encode(self) -> bytes:
        body = bytes((len(self.data),)) + self.data if self.data else b""
        end = b"" if self.le is None else bytes((self.le & 0xFF,))
        return bytes((self.cla, self.ins, self.p1, self.p2)) + body + end

    @classmethod
    def decode(cls, raw: bytes) -> CommandAPDU:
        """Raises `Malformed`, also for an APDU of extended length."""
        if len(raw) < 4:
            raise Malformed("a command has at least four bytes", len(raw))
        header, rest = cls(*raw[:4]), raw[4:]
        if not rest:
            return header
        if len(rest) == 1:
            return replace(header, le=rest[0] or SHORT_MAX)
        end = 1 + rest[0]
        if rest[0] == 0 or not end <= len(rest) <= end + 1:
            raise Malformed(f"Lc is {rest[0]}, {len(rest) - 1} bytes follow", 4)
        le = (rest[end] or SHORT_MAX) if len(rest) > end else None
        return replace(header, data=rest[1:end], le=le)


@dataclass(frozen=True, slots=True)
class ResponseAPDU:
    """What a card answers: data and a status word."""

    data: bytes = field(repr=False)
    sw: int

    def __repr__(self) -> str:
        return f"ResponseAPDU({len(self.data)} bytes, {describe(self.sw)})"

    def encode(self) -> bytes:
        return self.data + self.sw.to_bytes(2, "big")

    @classmethod
    def decode(cls, raw: bytes) -> ResponseAPDU:
        """Raises `Malformed`; an empty answer, which some drivers hand out, is one."""
        if not 2 <= len(raw) <= SHORT_MAX + 2:
            raise Malformed(f"{len(raw)} bytes are no short response")
        return cls(raw[:-2], int.from_bytes(raw[-2:], "big"))


class Exchange:
    """One command until its complete response: send `first()`, feed `receive`, obey its answer.

    A card may make the reader ask `rounds` times in all, so that endless chaining ends.
    """

    def __init__(self, command: CommandAPDU, *, rounds: int = 16) -> None:
        self._pending = command
        self._rounds = rounds
        self._corrected = False
        self._data = b""

    def first(self) -> bytes:
        return self._ask(self._pending)

    def receive(self, raw: bytes) -> bytes | ResponseAPDU:
        """Bytes are the next command to send; a response is complete. Raises `Malformed`."""
        response = ResponseAPDU.decode(raw)
        self._data += response.data
        high, low = divmod(response.sw, 0x100)
        if high == _MORE:
            self._corrected = False
            return self._ask(CommandAPDU(0x00, 0xC0, 0x00, 0x00, le=low or SHORT_MAX))
        if high == _OTHER_LE and not self._corrected:
            self._corrected = True
            return self._ask(replace(self._pending, le=low or SHORT_MAX))
        return ResponseAPDU(self._data, response.sw)

    def _ask(self, command: CommandAPDU) -> bytes:
        if self._rounds == 0:
            raise Malformed("the card chains its response without end", len(self._data))
        self._rounds -= 1
        self._pending = command
        return command.encode()
