"""What a PKOC reader and a card say to each other over NFC, in the profiles SE V1 and SE V2.

    SELECT        00 A4 04 00 08 A000000898000001 00
      answer      5C len version(2)...                        most recent first; more may follow
    AUTHENTICATE  80 80 00 01 38
                  5C 02 version | 4C 10 transaction id | 4D 20 site(16) location(16)   00
      answer      5A 41 key(65) | 9E 40 r|s

    INFO          00 CA 7F 63 00
      answer      7F63 04 5C 02 02 00                         a card of SE V2 says this and no other
    CERTIFICATE   00 CA 7F 21 00
      answer      7F21 ...                                    see `cvc`
    INTERNAL      00 88 00 00 20 challenge(32) 00
    AUTHENTICATE
      answer      9E 40 r|s

The card signs the transaction identifier, or the challenge, and nothing else. TLVs of SE V1 have
one-byte tags and lengths, those of SE V2 are BER; cards and readers skip what they do not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.credential.apdu import SHORT_MAX, CommandAPDU
from shared.credential.p256 import POINT_SIZE, SIGNATURE_SIZE
from shared.credential.tlv import (
    Fields,
    Lengths,
    Limits,
    Malformed,
    encode,
    encode_compact,
    parse,
    parse_compact,
    parse_either,
    take_compact,
)

AID = bytes.fromhex("A000000898000001")
SELECT = CommandAPDU(0x00, 0xA4, 0x04, 0x00, AID, SHORT_MAX)
AUTHENTICATE = (0x80, 0x80, 0x00, 0x01)  # CLA INS P1 P2

V1_0 = b"\x01\x00"
V1_1 = b"\x01\x01"

INFO = CommandAPDU(0x00, 0xCA, 0x7F, 0x63, le=SHORT_MAX)
CERTIFICATE = CommandAPDU(0x00, 0xCA, 0x7F, 0x21, le=SHORT_MAX)
INTERNAL_AUTHENTICATE = (0x00, 0x88, 0x00, 0x00)

TRANSACTION_ID_SIZE = 16
CHALLENGE_SIZE = 32

_VERSION = 0x5C
_TRANSACTION_ID = 0x4C
_READER_ID = 0x4D
_POINT = 0x5A
_SIGNATURE = 0x9E
_INFO = 0x7F63
_SE_V2 = b"\x02\x00"

_LIMITS = Limits(size=1024, count=16)


@dataclass(frozen=True, slots=True)
class SelectAnswer:
    """The protocol versions of a card, two bytes each, as it lists them."""

    versions: tuple[bytes, ...]

    def encode(self) -> bytes:
        return encode_compact(_VERSION, b"".join(self.versions))

    @classmethod
    def decode(cls, data: bytes) -> SelectAnswer:
        """Read up to the list and no further: some cards put a bare nonce behind it.

        Raises `Malformed`, also for a list that is empty or has half a version.
        """
        offset = 0
        tag = None
        while tag != _VERSION:
            (tag, value), offset = take_compact(data, offset)
        if not value or len(value) % 2:
            raise Malformed(f"a version list of {len(value)} bytes", offset)
        return cls(tuple(value[at : at + 2] for at in range(0, len(value), 2)))

    def choose(self, known: Sequence[bytes]) -> bytes:
        """The first of `known` that the card has, else the card's own first."""
        return next((version for version in known if version in self.versions), self.versions[0])


@dataclass(frozen=True, slots=True)
class Authenticate:
    """The challenge. TLVs go out in the order which all cards in the field take."""

    version: bytes
    transaction_id: bytes
    reader_identifier: bytes | None = None

    def encode(self) -> CommandAPDU:
        data = encode_compact(_VERSION, self.version)
        data += encode_compact(_TRANSACTION_ID, self.transaction_id)
        if self.reader_identifier is not None:
            data += encode_compact(_READER_ID, self.reader_identifier)
        return CommandAPDU(*AUTHENTICATE, data=data, le=SHORT_MAX)

    @classmethod
    def decode(cls, data: bytes) -> Authenticate:
        """Read a command's data. Raises `RuleBroken`: malformed or wrong_length.

        The transaction identifier has 16 bytes and no other number: what a credential key signs for
        NFC must never be something that it signs over BLE (33 or 96 bytes).
        """
        row = parse_compact(data, Lengths.ONE_BYTE, _LIMITS)
        fields = Fields(row, (_VERSION, _TRANSACTION_ID, _READER_ID))
        version = fields.exactly(_VERSION, 2)
        transaction_id = fields.exactly(_TRANSACTION_ID, TRANSACTION_ID_SIZE)
        return cls(version, transaction_id, fields.get(_READER_ID))


@dataclass(frozen=True, slots=True)
class AuthenticateAnswer:
    """The credential key and its signature over the transaction identifier."""

    point: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def encode(self) -> bytes:
        return encode_compact(_POINT, self.point) + encode_compact(_SIGNATURE, self.signature)

    @classmethod
    def decode(cls, data: bytes) -> AuthenticateAnswer:
        """Raises `RuleBroken`: malformed or wrong_length (a DER signature is of a wrong length)."""
        _, row = parse_either(data, _LIMITS)
        fields = Fields(row, (_POINT, _SIGNATURE))
        point = fields.exactly(_POINT, POINT_SIZE)
        return cls(point, fields.exactly(_SIGNATURE, SIGNATURE_SIZE))


def encode_info() -> bytes:
    """What a card of SE V2 answers to INFO."""
    return encode(_INFO, encode(_VERSION, _SE_V2))


def is_se_v2(info: bytes) -> bool:
    """Whether the answer to INFO is that of a card of SE V2; anything else is not."""
    try:
        outer = Fields(parse(info, _LIMITS), (_INFO,))
        inner = Fields(parse(outer.need(_INFO), _LIMITS), (_VERSION,))
        return inner.need(_VERSION) == _SE_V2
    except Malformed:
        return False


def internal_authenticate(challenge: bytes) -> CommandAPDU:
    """The command that makes a card of SE V2 sign `challenge`, 32 fresh random bytes."""
    return CommandAPDU(*INTERNAL_AUTHENTICATE, data=challenge, le=SHORT_MAX)


def encode_signature(signature: bytes) -> bytes:
    """What a card of SE V2 answers to a challenge."""
    return encode(_SIGNATURE, signature)


def decode_signature(data: bytes) -> bytes:
    """The signature, r | s. Raises `RuleBroken`: malformed or wrong_length."""
    fields = Fields(parse(data, _LIMITS), (_SIGNATURE,))
    return fields.exactly(_SIGNATURE, SIGNATURE_SIZE)
