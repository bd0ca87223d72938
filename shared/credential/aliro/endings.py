"""What is said inside the secure channel (EXCHANGE), and how a transaction ends.

    EXCHANGE   80 C9 00 00 L  sealed: [ BA mailbox request ] [ AE notice ] [ 97 02 status ]   00
      answer   sealed: length(2) data, for every read in order | 00 02 result(2)
      notice   B5 L  04 03 vendor id | 80 n product | 81 n firmware         the reader descriptor
    CONTROL    80 3C 00 00 L  41 01 S1 | 42 01 S2 | [ 43 L  B5 descriptor ]
      FLOW     answer  9000

Status (97) ends a transaction that has a secure channel, CONTROL FLOW one that has none. Result 0
is success.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.credential.aliro.mailbox import MailboxRequest
from shared.credential.aliro.messages import ordered
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.tlv import Fields, Malformed, encode, parse

VENDOR_ID_SIZE = 3
MAX_NOTICE = 250
# The result of a device whose mailbox is not that long.
OUT_OF_BOUNDS = 0xFFFF

_MAILBOX, _NOTICE, _STATUS = 0xBA, 0xAE, 0x97
_DESCRIPTOR = 0xB5


class ReaderStatus(enum.IntEnum):
    """The reader's last word. The first byte says whether it lets the holder in."""

    KEY_NOT_FOUND = 0x0001
    KEY_EXPIRED = 0x0002
    KEY_NOT_TRUSTED = 0x0003
    SIGNATURE_INVALID = 0x0004
    INVALID_FORMAT = 0x0006
    INVALID_CONTENT = 0x0007
    STATUS_WORD = 0x0020
    SLOT_MISSING = 0x0021
    KEY_MISSING = 0x0022
    SIGNATURE_MISSING = 0x0023
    NO_ACCESS = 0x0025
    HARDWARE = 0x0026
    SECURED = 0x0100
    UNSECURED = 0x0101
    JAMMED = 0x0102
    SECURING = 0x0180
    UNSECURING = 0x0181
    UNKNOWN_STATE = 0x0182

    @property
    def is_success(self) -> bool:
        return self >> 8 == 1


class Cause(enum.IntEnum):
    """S2 of CONTROL FLOW: why there will be no secure channel."""

    NO_INFORMATION = 0x00
    NO_COMMON_VERSION = 0x27


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Whose reader it is, and which. `ValueError` for a vendor id that is not 3 bytes."""

    vendor: bytes
    product: bytes
    firmware: bytes

    def __post_init__(self) -> None:
        if len(self.vendor) != VENDOR_ID_SIZE:
            raise ValueError(f"a vendor id has {VENDOR_ID_SIZE} bytes, not {len(self.vendor)}")
        if len(self.encode()) > MAX_NOTICE:
            raise ValueError(f"a reader descriptor has at most {MAX_NOTICE} bytes")

    def encode(self) -> bytes:
        vendor, product = encode(0x04, self.vendor), encode(0x80, self.product)
        return encode(_DESCRIPTOR, vendor + product + encode(0x81, self.firmware))

    @classmethod
    def decode(cls, value: bytes) -> Descriptor:
        """Read the value of tag B5. Raises `RuleBroken`."""
        fields = Fields(parse(value), (0x04, 0x80, 0x81))
        vendor = fields.exactly(0x04, VENDOR_ID_SIZE)
        try:
            return cls(vendor, fields.need(0x80), fields.need(0x81))
        except ValueError as error:
            raise Malformed(str(error)) from None


def _descriptor_in(notice: bytes | None) -> Descriptor | None:
    if notice is None:
        return None
    value = Fields(parse(notice), (_DESCRIPTOR,)).get(_DESCRIPTOR)
    return None if value is None else Descriptor.decode(value)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One EXCHANGE, as it reads inside the channel; with a status it is the last."""

    status: int | None = None
    mailbox: MailboxRequest | None = None
    descriptor: Descriptor | None = None

    def encode(self) -> bytes:
        parts = []
        if self.mailbox is not None:
            parts.append(encode(_MAILBOX, self.mailbox.encode()))
        if self.descriptor is not None:
            parts.append(encode(_NOTICE, self.descriptor.encode()))
        if self.status is not None:
            parts.append(encode(_STATUS, self.status.to_bytes(2, "big")))
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes) -> Exchange:
        """Raises `RuleBroken`. A status may be one that we do not know."""
        fields = ordered(data, (_MAILBOX, _NOTICE, _STATUS))
        mailbox = fields.get(_MAILBOX)
        return cls(
            int.from_bytes(fields.exactly(_STATUS, 2), "big") if _STATUS in fields else None,
            None if mailbox is None else MailboxRequest.decode(mailbox),
            _descriptor_in(fields.get(_NOTICE)),
        )


@dataclass(frozen=True, slots=True)
class ExchangeAnswer:
    """What was read from the mailbox, in the order it was asked for, and the result."""

    reads: tuple[bytes, ...] = field(default=(), repr=False)
    result: int = 0

    def encode(self) -> bytes:
        pieces = (*self.reads, self.result.to_bytes(2, "big"))
        return b"".join(len(piece).to_bytes(2, "big") + piece for piece in pieces)

    @classmethod
    def decode(cls, data: bytes, lengths: Sequence[int] = ()) -> ExchangeAnswer:
        """Read an answer to reads of so many bytes each.

        Raises `RuleBroken`: malformed, or card_error for another result than success.
        """
        pieces = _pieces(data, len(lengths) + 1)
        if not pieces or len(pieces[-1]) != 2:
            raise Malformed("an answer that does not end with a result")
        if any(pieces[-1]):
            raise RuleBroken(Reason.CARD_ERROR, "the device has not done what EXCHANGE asked for")
        *reads, _ = pieces
        if [len(read) for read in reads] != list(lengths):
            raise Malformed("other bytes of the mailbox than were asked for")
        return cls(tuple(reads))


def _pieces(data: bytes, most: int) -> list[bytes]:
    pieces: list[bytes] = []
    while data:
        end = 2 + int.from_bytes(data[:2], "big")
        if len(data) < end or len(pieces) == most:
            raise Malformed("an answer that is cut off or too long")
        pieces.append(data[2:end])
        data = data[end:]
    return pieces


@dataclass(frozen=True, slots=True)
class ControlFlow:
    """The end before there is a secure channel. S1 is 00, finished with failure."""

    cause: int = Cause.NO_INFORMATION
    descriptor: Descriptor | None = None

    def encode(self) -> bytes:
        start = encode(0x41, b"\0") + encode(0x42, bytes((self.cause,)))
        return start + (encode(0x43, self.descriptor.encode()) if self.descriptor else b"")

    @classmethod
    def decode(cls, data: bytes) -> ControlFlow:
        """Raises `RuleBroken`. A cause may be one that we do not know."""
        fields = ordered(data, (0x41, 0x42, 0x43))
        if fields.exactly(0x41, 1) != b"\0":
            raise Malformed("CONTROL FLOW says something else than failure")
        return cls(fields.exactly(0x42, 1)[0], _descriptor_in(fields.get(0x43)))
