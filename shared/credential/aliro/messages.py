"""What a reader and a user device say to each other before the secure channel, and its opening.

    SELECT     00 A4 04 00 09 AID 00
      answer   6F L  84 09 AID
                     A5 L  80 02 0000 | 5C 2n version(2)...
                           [ 7F66 08 02 02 longest command  02 02 longest response ]
    AUTH0      80 80 00 00 L  41 01 fast | 42 01 policy | 5C 02 version | 87 41 reader ephemeral
                              4C 10 transaction id | 4D 20 reader identifier | [ B1 vendor ]   00
      answer   86 41 device ephemeral | [ 9D 40 cryptogram ] | [ B2 vendor ]
    LOAD CERT  80 D1 00 00 L  certificate   00                           (see `certificate`)
    AUTH1      80 81 00 00 L  41 01 full key | 9E 40 r|s | [ 90 certificate ]   00
      answer   sealed: 4E 08 key slot, or 5A 41 key | 9E 40 r|s
                       what the device offers                            (see `offer`)

Both ends skip objects that they do not know. A device wants those it knows in this order; a reader
takes them in any.
"""

from __future__ import annotations

import enum
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.credential.aliro.keys import READER_ID_SIZE, TRANSACTION_ID_SIZE
from shared.credential.aliro.offer import NOTHING, OFFER_TAGS, Offer
from shared.credential.apdu import SHORT_MAX, CommandAPDU
from shared.credential.p256 import POINT_SIZE, SIGNATURE_SIZE, PublicKey
from shared.credential.tlv import Fields, Malformed, Tlv, encode, parse

EXPEDITED_AID = bytes.fromhex("A000000909ACCE5501")
STEP_UP_AID = bytes.fromhex("A000000909ACCE5502")
SELECT = CommandAPDU(0x00, 0xA4, 0x04, 0x00, EXPEDITED_AID, SHORT_MAX)

V1_0 = b"\1\0"
VERSION_SIZE = 2
CRYPTOGRAM_SIZE = 64
SLOT_SIZE = 8
MAX_VENDOR = 127


class Ins(enum.IntEnum):
    """Commands of class 80; P1 and P2 are 00."""

    AUTH0 = 0x80
    AUTH1 = 0x81
    LOAD_CERT = 0xD1
    EXCHANGE = 0xC9
    CONTROL_FLOW = 0x3C

    def command(self, data: bytes) -> CommandAPDU:
        le = None if self is Ins.CONTROL_FLOW else SHORT_MAX
        return CommandAPDU(0x80, self, 0x00, 0x00, data, le)


class AuthenticationPolicy(enum.IntEnum):
    """Whether the holder has to unlock the phone."""

    USER_SETTING = 0x01
    USER_SETTING_SECURE = 0x02  # the action is one that the phone calls secure
    FORCE = 0x03


def key_slot(credential: PublicKey) -> bytes:
    """The short name of a credential. It finds a key; it never stands for one."""
    return hashlib.sha1(credential.point, usedforsecurity=False).digest()[:SLOT_SIZE]


@dataclass(frozen=True, slots=True)
class SelectAnswer:
    """What the application is, and which versions of the protocol the device speaks."""

    aid: bytes
    versions: tuple[bytes, ...]
    max_command: int | None  # bytes of a whole command; None without extended lengths
    proprietary: bytes  # the A5 TLV, all of it, as it goes into every salt

    @classmethod
    def of(
        cls, aid: bytes, versions: Sequence[bytes], lengths: tuple[int, int] | None = None
    ) -> SelectAnswer:
        """`lengths` are the longest command and response, for extended lengths."""
        value = encode(0x80, b"\0\0") + encode(0x5C, b"".join(versions))
        if lengths:
            limits = (encode(0x02, length.to_bytes(2, "big")) for length in lengths)
            value += encode(0x7F66, b"".join(limits))
        return cls(aid, tuple(versions), lengths[0] if lengths else None, encode(0xA5, value))

    def encode(self) -> bytes:
        return encode(0x6F, encode(0x84, self.aid) + self.proprietary)

    @classmethod
    @functools.lru_cache(maxsize=16)  # all phones of a make answer alike
    def decode(cls, data: bytes) -> SelectAnswer:
        """Raises `Malformed`."""
        outer = Fields(parse(data), (0x6F,))
        fields = Fields(parse(outer.need(0x6F)), (0x84, 0xA5))
        proprietary = fields.need(0xA5)
        inner = Fields(parse(proprietary), (0x5C, 0x7F66))
        versions = inner.need(0x5C)
        if not versions or len(versions) % VERSION_SIZE:
            raise Malformed(f"a version list of {len(versions)} bytes")
        return cls(
            fields.need(0x84),
            tuple(versions[at : at + 2] for at in range(0, len(versions), VERSION_SIZE)),
            _longest_command(inner.get(0x7F66)),
            encode(0xA5, proprietary),
        )


def _longest_command(limits: bytes | None) -> int | None:
    if limits is None:
        return None
    row = parse(limits)
    if [(tag, len(value)) for tag, value in row] != [(0x02, 2), (0x02, 2)]:
        raise Malformed("length limits that are not two numbers of two bytes")
    return int.from_bytes(row[0].value, "big")


@dataclass(frozen=True, slots=True)
class Auth0:
    """The reader's ephemeral key, who it says it is, and what it asks for."""

    fast: bool
    policy: AuthenticationPolicy
    version: bytes
    ephemeral: bytes
    transaction_id: bytes
    reader_identifier: bytes
    vendor: bytes | None = None  # the value of B1

    _TAGS = (0x41, 0x42, 0x5C, 0x87, 0x4C, 0x4D, 0xB1)

    @property
    def parameters(self) -> bytes:
        """The two bytes of it that go into every salt."""
        return bytes((self.fast, self.policy))

    @property
    def vendor_tlv(self) -> bytes:
        return _optional(0xB1, self.vendor)

    def encode(self) -> bytes:
        return b"".join(
            (
                encode(0x41, bytes((self.fast,))),
                encode(0x42, bytes((self.policy,))),
                encode(0x5C, self.version),
                encode(0x87, self.ephemeral),
                encode(0x4C, self.transaction_id),
                encode(0x4D, self.reader_identifier),
                self.vendor_tlv,
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> Auth0:
        """Raises `RuleBroken`: malformed or wrong_length."""
        fields = ordered(data, cls._TAGS)
        return cls(
            _flag(fields.exactly(0x41, 1)),
            _policy(fields.exactly(0x42, 1)),
            fields.exactly(0x5C, VERSION_SIZE),
            fields.exactly(0x87, POINT_SIZE),
            fields.exactly(0x4C, TRANSACTION_ID_SIZE),
            fields.exactly(0x4D, READER_ID_SIZE),
            _vendor(fields, 0xB1),
        )


@dataclass(frozen=True, slots=True)
class Auth0Answer:
    """The device's ephemeral key, and a cryptogram if one was asked for."""

    ephemeral: bytes
    cryptogram: bytes | None = field(default=None, repr=False)
    vendor: bytes | None = None  # the value of B2

    @property
    def vendor_tlv(self) -> bytes:
        return _optional(0xB2, self.vendor)

    def encode(self) -> bytes:
        cryptogram = _optional(0x9D, self.cryptogram)
        return encode(0x86, self.ephemeral) + cryptogram + self.vendor_tlv

    @classmethod
    def decode(cls, data: bytes) -> Auth0Answer:
        """Raises `RuleBroken`: malformed or wrong_length."""
        fields = Fields(parse(data), (0x86, 0x9D, 0xB2))
        ephemeral = fields.exactly(0x86, POINT_SIZE)
        cryptogram = fields.exactly(0x9D, CRYPTOGRAM_SIZE) if 0x9D in fields else None
        return cls(ephemeral, cryptogram, _vendor(fields, 0xB2))


@dataclass(frozen=True, slots=True)
class Auth1:
    """The reader's signature. It asks for the whole key of the credential, or its slot."""

    full_key: bool
    signature: bytes = field(repr=False)
    certificate: bytes | None = field(default=None, repr=False)

    def encode(self) -> bytes:
        start = encode(0x41, bytes((self.full_key,))) + encode(0x9E, self.signature)
        return start + _optional(0x90, self.certificate)

    @classmethod
    def decode(cls, data: bytes) -> Auth1:
        """Raises `RuleBroken`: malformed or wrong_length."""
        fields = ordered(data, (0x41, 0x9E, 0x90))
        full_key = _flag(fields.exactly(0x41, 1))
        return cls(full_key, fields.exactly(0x9E, SIGNATURE_SIZE), fields.get(0x90))


@dataclass(frozen=True, slots=True)
class Auth1Answer:
    """Which credential it is (one of `key` and `slot`), its signature, and what else it has."""

    signature: bytes = field(repr=False)
    key: bytes | None = field(default=None, repr=False)
    slot: bytes | None = field(default=None, repr=False)
    offer: Offer = NOTHING

    def encode(self) -> bytes:
        name = _optional(0x4E, self.slot) + _optional(0x5A, self.key)
        return name + encode(0x9E, self.signature) + self.offer.encode()

    @classmethod
    def read(cls, row: Sequence[Tlv]) -> Auth1Answer:
        """Take it out of the objects of a message. Raises `RuleBroken`."""
        fields = Fields(row, (0x4E, 0x5A, 0x9E, *OFFER_TAGS))
        if (0x4E in fields) is (0x5A in fields):
            raise Malformed("a key and a key slot, or neither")
        return cls(
            fields.exactly(0x9E, SIGNATURE_SIZE),
            fields.exactly(0x5A, POINT_SIZE) if 0x5A in fields else None,
            fields.exactly(0x4E, SLOT_SIZE) if 0x4E in fields else None,
            Offer.read(fields),
        )


def ordered(data: bytes, tags: Sequence[int]) -> Fields:
    """The objects of a command, as a device reads it: those of `tags` in this order."""
    row = parse(data)
    places = [tags.index(tag) for tag, _ in row if tag in tags]
    if places != sorted(places):
        raise Malformed("objects are out of order")
    return Fields(row, tags)


def _optional(tag: int, value: bytes | None) -> bytes:
    return b"" if value is None else encode(tag, value)


def _flag(value: bytes) -> bool:
    if value[0] > 1:
        raise Malformed("command parameters with bits that have no meaning")
    return bool(value[0])


def _policy(value: bytes) -> AuthenticationPolicy:
    try:
        return AuthenticationPolicy(value[0])
    except ValueError:
        raise Malformed("an authentication policy that there is not") from None


def _vendor(fields: Fields, tag: int) -> bytes | None:
    """What a vendor has put in; nobody looks inside."""
    value = fields.get(tag)
    if value is not None and len(value) > MAX_VENDOR:
        raise Malformed(f"a vendor extension of {len(value)} bytes")
    return value
