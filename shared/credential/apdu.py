"""Command and response APDUs (ISO 7816-4), in short and extended form.

    short     CLA INS P1 P2 [Lc data] [Le]                 Lc and Le one byte; Le 00 is 256
    extended  CLA INS P1 P2 00 [Lc(2) data] [Le(2)]        Le 0000 is 65536
    response  [data] SW1 SW2

`shared.credential.exchange` has the conversation around them, `shared.credential.card` the card.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace

from shared.credential.tlv import Malformed

SHORT_DATA = 0xFF  # bytes that one short command carries at most
SHORT_MAX = 256  # and one short response
EXTENDED_DATA = 0xFFFF
EXTENDED_MAX = 0x10000


class SW(enum.IntEnum):
    """Status words that we send or judge."""

    OK = 0x9000
    MORE = 0x6100  # the second byte says how many bytes
    FAILURE = 0x6400
    WRONG_LENGTH = 0x6700
    NOT_COMPLIANT = 0x6701
    LAST_COMMAND_EXPECTED = 0x6883
    SECURITY_STATUS = 0x6982
    CONDITIONS_NOT_SATISFIED = 0x6985
    WRONG_DATA = 0x6A80
    FUNCTION_NOT_SUPPORTED = 0x6A81
    NOT_FOUND = 0x6A82
    WRONG_PARAMETERS = 0x6A86
    REFERENCE_NOT_FOUND = 0x6A88
    WRONG_P1_P2 = 0x6B00
    UNKNOWN_INS = 0x6D00
    UNKNOWN_CLA = 0x6E00
    GENERAL_ERROR = 0x6F00


def describe(sw: int) -> str:
    """A status word for the log: `6A82 (not found)`."""
    try:
        name = SW(sw).name.replace("_", " ").lower()
    except ValueError:
        return f"{sw:04X}"
    return f"{sw:04X} ({name})"


@dataclass(frozen=True, slots=True)
class CommandAPDU:
    """A command. `le` is how many bytes are expected (1-65536), None for none."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = field(default=b"", repr=False)
    le: int | None = None

    def __post_init__(self) -> None:
        if len(self.data) > EXTENDED_DATA:
            raise ValueError(f"{len(self.data)} bytes do not fit an APDU")
        if self.le is not None and not 1 <= self.le <= EXTENDED_MAX:
            raise ValueError(f"Le {self.le} does not fit an APDU")

    @property
    def header(self) -> bytes:
        return bytes((self.cla, self.ins, self.p1, self.p2))

    @property
    def is_short(self) -> bool:
        """Whether the short form can hold it."""
        return len(self.data) <= SHORT_DATA and (self.le is None or self.le <= SHORT_MAX)

    def encode(self) -> bytes:
        """The short form, unless only the extended one can hold it."""
        if not self.is_short:
            return self.encode_extended()
        body = bytes((len(self.data),)) + self.data if self.data else b""
        end = b"" if self.le is None else bytes((self.le & 0xFF,))
        return self.header + body + end

    def encode_extended(self) -> bytes:
        body = len(self.data).to_bytes(2, "big") + self.data if self.data else b""
        end = b"" if self.le is None else (self.le & 0xFFFF).to_bytes(2, "big")
        return self.header + (b"\0" if body or end else b"") + body + end

    @classmethod
    def decode(cls, raw: bytes) -> CommandAPDU:
        """Read either form. Raises `Malformed`."""
        if len(raw) < 4:
            raise Malformed("a command has at least four bytes", len(raw))
        header, rest = cls(*raw[:4]), raw[4:]
        if not rest:
            return header
        if len(rest) == 1:
            return replace(header, le=rest[0] or SHORT_MAX)
        if rest[0] == 0:
            return _extended(header, rest[1:])
        end = 1 + rest[0]
        if not end <= len(rest) <= end + 1:
            raise Malformed(f"Lc is {rest[0]}, {len(rest) - 1} bytes follow", 4)
        le = (rest[end] or SHORT_MAX) if len(rest) > end else None
        return replace(header, data=rest[1:end], le=le)


def _extended(header: CommandAPDU, rest: bytes) -> CommandAPDU:
    """Read what follows the 00 that announces two-byte lengths."""
    first = int.from_bytes(rest[:2], "big")
    if len(rest) == 2:
        return replace(header, le=first or EXTENDED_MAX)
    end = 2 + first
    if first == 0 or len(rest) not in (end, end + 2):
        raise Malformed(f"extended Lc is {first}, {len(rest) - 2} bytes follow", 5)
    le = int.from_bytes(rest[end:], "big") or EXTENDED_MAX if len(rest) > end else None
    return replace(header, data=rest[2:end], le=le)


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
        if not 2 <= len(raw) <= EXTENDED_MAX + 2:
            raise Malformed(f"{len(raw)} bytes are no response")
        return cls(raw[:-2], int.from_bytes(raw[-2:], "big"))
