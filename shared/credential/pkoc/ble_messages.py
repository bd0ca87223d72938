"""What a PKOC reader and a phone say to each other over BLE. (The reader's hello: `hello`.)

    DeviceEphemeral  07 41 D(65)                         [0C 05 protocol]   ECDHE, second message
    ReaderProof      03 40 r|s                                              ECDHE, third
    Encrypted        40 len sealed Credential                               ECDHE, fourth
    Credential       01 41 key(65)  03 40 r|s  [09 04 time]  [0C 05 protocol]  normal, in clear
    Response         04 01 status                                           last

Every GATT write or notification is one row of whole TLVs with one-byte tags. The camps in the field
differ in how they write a length from 128 up, which concerns 40 and the certificate 10: one byte,
or as BER does. Both are read. Unknown tags are skipped; phones send the TLVs of a row in any order.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TypeAlias

from shared.credential.p256 import POINT_SIZE, SIGNATURE_SIZE
from shared.credential.tlv import (
    Fields,
    Lengths,
    Limits,
    Malformed,
    Tlv,
    encode_compact,
    parse_either,
)

# An attribute value has at most 512 bytes, and the longest message we know has five TLVs.
LIMITS = Limits(size=512, count=16)


class Tag(enum.IntEnum):
    PUBLIC_KEY = 0x01
    READER_EPHEMERAL = 0x02
    SIGNATURE = 0x03
    RESPONSE = 0x04
    DEVICE_EPHEMERAL = 0x07
    LAST_UPDATE = 0x09
    PROTOCOL = 0x0C
    LOCATION = 0x0D
    SITE = 0x0E
    CERTIFICATE = 0x10
    ENCRYPTED = 0x40


class Status(enum.IntEnum):
    """TLV 04. Neither encrypted nor authenticated: a hint, and never above 8 (apps crash)."""

    UNKNOWN = 0
    COMPLETED = 1  # the decision is made elsewhere
    DENIED = 2
    GRANTED = 3
    DECRYPTION_ERROR_GCM = 4
    INVALID_SECURITY = 5
    SIGNATURE_INVALID = 6
    DECRYPTION_ERROR_CCM = 7
    UNRECOGNIZED = 8


def parse_row(data: bytes) -> tuple[Lengths, tuple[Tlv, ...]]:
    """Read one write or notification, and say how it wrote lengths. Raises `Malformed`."""
    return parse_either(data, LIMITS)


@dataclass(frozen=True, slots=True)
class ProtocolId:
    """TLV 0C: specification version (1 byte), vendor sub-version (2), features (2)."""

    spec: int
    vendor: int
    features: int  # bit 0 AES-CCM, bit 1 AES-GCM

    def encode(self) -> bytes:
        return (
            bytes((self.spec,)) + self.vendor.to_bytes(2, "big") + self.features.to_bytes(2, "big")
        )

    @classmethod
    def decode(cls, value: bytes) -> ProtocolId:
        """Reads five bytes, or the two of older readers (a vendor sub-version)."""
        if len(value) == 2:
            return cls(0, int.from_bytes(value, "big"), 1)
        if len(value) != 5:
            raise Malformed(f"a protocol identifier has 5 bytes, not {len(value)}")
        return cls(value[0], int.from_bytes(value[1:3], "big"), int.from_bytes(value[3:], "big"))

    def echo(self) -> ProtocolId:
        """What a phone sends back: the same, with the two known feature bits."""
        return ProtocolId(self.spec, self.vendor, self.features & 3)


@dataclass(frozen=True, slots=True)
class DeviceEphemeral:
    """The phone chooses the ECDHE flow. iPhones leave the protocol identifier out."""

    point: bytes
    protocol: bytes | None = None

    def encode(self) -> bytes:
        return encode_compact(Tag.DEVICE_EPHEMERAL, self.point) + _protocol(self.protocol)


@dataclass(frozen=True, slots=True)
class Credential:
    """The credential key and its signature: in clear (normal flow), or inside `Encrypted`.

    `last_update` (Unix seconds of the key's creation) and the protocol are covered by no signature.
    """

    point: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    last_update: bytes | None = field(default=None, repr=False)
    protocol: bytes | None = None

    def encode(self) -> bytes:
        row = encode_compact(Tag.PUBLIC_KEY, self.point)
        row += encode_compact(Tag.SIGNATURE, self.signature)
        if self.last_update is not None:
            row += encode_compact(Tag.LAST_UPDATE, self.last_update)
        return row + _protocol(self.protocol)

    @classmethod
    def decode(cls, data: bytes) -> Credential:
        """Read a decrypted row. Raises `RuleBroken`: malformed or wrong_length."""
        message = decode_device(data)
        if not isinstance(message, Credential):
            raise Malformed("the encrypted message holds no credential")
        return message


@dataclass(frozen=True, slots=True)
class Encrypted:
    """A sealed `Credential`, tag included, and how its length is written."""

    sealed: bytes = field(repr=False)
    lengths: Lengths = Lengths.ONE_BYTE

    def encode(self) -> bytes:
        return encode_compact(Tag.ENCRYPTED, self.sealed, self.lengths)


DeviceMessage: TypeAlias = DeviceEphemeral | Credential | Encrypted

_DEVICE_TAGS = frozenset(
    (
        Tag.PUBLIC_KEY,
        Tag.SIGNATURE,
        Tag.DEVICE_EPHEMERAL,
        Tag.LAST_UPDATE,
        Tag.PROTOCOL,
        Tag.ENCRYPTED,
    )
)
_KINDS = (Tag.DEVICE_EPHEMERAL, Tag.PUBLIC_KEY, Tag.ENCRYPTED)


def decode_device(data: bytes) -> DeviceMessage:
    """Read one write of a phone. Raises `RuleBroken`: malformed or wrong_length."""
    lengths, row = parse_row(data)
    fields = Fields(row, _DEVICE_TAGS)
    kinds = [tag for tag in _KINDS if tag in fields]
    if len(kinds) != 1:
        raise Malformed("a message has exactly one of the tags 01, 07 and 40")
    if kinds[0] is Tag.DEVICE_EPHEMERAL:
        point = fields.exactly(Tag.DEVICE_EPHEMERAL, POINT_SIZE)
        return DeviceEphemeral(point, fields.get(Tag.PROTOCOL))
    if kinds[0] is Tag.ENCRYPTED:
        return Encrypted(fields.need(Tag.ENCRYPTED), lengths)
    return Credential(
        fields.exactly(Tag.PUBLIC_KEY, POINT_SIZE),
        fields.exactly(Tag.SIGNATURE, SIGNATURE_SIZE),
        fields.get(Tag.LAST_UPDATE),
        fields.get(Tag.PROTOCOL),
    )


@dataclass(frozen=True, slots=True)
class ReaderProof:
    """The reader's signature over the transcript: the phone may now show itself."""

    signature: bytes

    def encode(self) -> bytes:
        return encode_compact(Tag.SIGNATURE, self.signature)


PROOF_SIZE = 2 + SIGNATURE_SIZE


@dataclass(frozen=True, slots=True)
class Response:
    """The reader's last word."""

    status: Status

    def encode(self) -> bytes:
        return encode_compact(Tag.RESPONSE, bytes((self.status,)))


ReaderMessage: TypeAlias = ReaderProof | Response

_READER_TAGS = frozenset((Tag.SIGNATURE, Tag.RESPONSE))


def decode_reader(row: tuple[Tlv, ...]) -> ReaderMessage | None:
    """What a row of the reader's says after its hello; None if neither proof nor response.

    Raises `RuleBroken`: malformed or wrong_length.
    """
    fields = Fields(row, _READER_TAGS)
    if Tag.RESPONSE in fields:
        value = fields.exactly(Tag.RESPONSE, 1)[0]
        return Response(Status(value) if value <= max(Status) else Status.UNKNOWN)
    if Tag.SIGNATURE in fields:
        return ReaderProof(fields.exactly(Tag.SIGNATURE, SIGNATURE_SIZE))
    return None


def _protocol(value: bytes | None) -> bytes:
    return b"" if value is None else encode_compact(Tag.PROTOCOL, value)
