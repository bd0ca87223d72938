"""What a reader and a PIV card say to each other for the card authentication key (slot 9E).

    SELECT                00 A4 04 00 09 A00000030800001000 00
      answer              61 ...                                        not looked into
    GET DATA              00 CB 3F FF 05 5C 03 5FC101 00
      answer              53 { 70 certificate, 71 01 info, [72], FE 00 }
    GENERAL AUTHENTICATE  00 87 algorithm 9E Lc 7C { 82 00, 81 challenge } 00
      answer              7C { 82 signature }

Info bit 0 (bit 7 in old cards): the certificate is compressed (gzip). Algorithms: 11 is ECC P-256,
the challenge a hash of 32 bytes and the signature DER; 07 is RSA 2048, the challenge a whole padded
block of 256 bytes, which the card raises to its private exponent. Sources: SP 800-73-4 part 1 (data
objects) and part 2 (commands), SP 800-78-4 (algorithms).
"""

from __future__ import annotations

import enum
import zlib
from dataclasses import dataclass, field

from shared.credential.apdu import SHORT_MAX, CommandAPDU
from shared.credential.tlv import Fields, Limits, Malformed, encode, parse

AID = bytes.fromhex("A000000308000010000100")
# The last two bytes are the version of the application; any will do.
SELECT = CommandAPDU(0x00, 0xA4, 0x04, 0x00, AID[:9], SHORT_MAX)
CARD_AUTHENTICATION = bytes.fromhex("5FC101")
GET_DATA = (0x00, 0xCB, 0x3F, 0xFF)
GENERAL_AUTHENTICATE = (0x00, 0x87)
KEY = 0x9E

# SP 800-73 gives the certificate 1,856 bytes; cards with long names have more.
MAX_CERTIFICATE = 4_096
LIMITS = Limits(size=MAX_CERTIFICATE + 64, count=16)

_LIST, _DATA, _CERTIFICATE, _INFO = 0x5C, 0x53, 0x70, 0x71
_TEMPLATE, _RESPONSE, _CHALLENGE = 0x7C, 0x82, 0x81
_COMPRESSED = 0x01
# What cards made by the first edition of SP 800-73 took the lowest bit to be.
_COMPRESSED_OF_OLD = 0x80
_GZIP = 16 + zlib.MAX_WBITS


class Algorithm(enum.IntEnum):
    """P1 of GENERAL AUTHENTICATE."""

    RSA_2048 = 0x07
    ECC_P256 = 0x11


def get_data(name: bytes) -> CommandAPDU:
    """Ask for the data object `name`."""
    return CommandAPDU(*GET_DATA, data=encode(_LIST, name), le=SHORT_MAX)


def decode_get_data(data: bytes) -> bytes:
    """The name of the object that a command asks for. Raises `Malformed`."""
    return Fields(parse(data, LIMITS), (_LIST,)).need(_LIST)


@dataclass(frozen=True, slots=True)
class CertificateObject:
    """A certificate in DER, as the card keeps it: plain, or compressed."""

    der: bytes = field(repr=False)
    compressed: bool = False

    def encode(self) -> bytes:
        kept = self.der
        if self.compressed:
            compressor = zlib.compressobj(wbits=_GZIP)
            kept = compressor.compress(self.der) + compressor.flush()
        info = bytes((_COMPRESSED if self.compressed else 0,))
        return encode(_DATA, encode(_CERTIFICATE, kept) + encode(_INFO, info) + encode(0xFE, b""))

    @classmethod
    def decode(cls, data: bytes) -> CertificateObject:
        """Raises `Malformed`; also for what would not come to an end when it is decompressed."""
        outer = Fields(parse(data, LIMITS), (_DATA,)).need(_DATA)
        fields = Fields(parse(outer, LIMITS), (_CERTIFICATE, _INFO))
        kept, info = fields.need(_CERTIFICATE), fields.get(_INFO) or b"\0"
        compressed = bool(info[0] & (_COMPRESSED | _COMPRESSED_OF_OLD))
        return cls(_decompress(kept) if compressed else kept, compressed)


def _decompress(data: bytes) -> bytes:
    decompressor = zlib.decompressobj(wbits=_GZIP)
    try:
        der = decompressor.decompress(data, MAX_CERTIFICATE)
    except zlib.error:
        raise Malformed("the certificate does not decompress") from None
    if not decompressor.eof or decompressor.unused_data:
        raise Malformed("the certificate is cut short, too long, or followed by something")
    return der


def general_authenticate(algorithm: Algorithm, challenge: bytes) -> CommandAPDU:
    """Have the card sign; an RSA challenge goes in chained commands."""
    template = encode(_RESPONSE, b"") + encode(_CHALLENGE, challenge)
    data = encode(_TEMPLATE, template)
    return CommandAPDU(*GENERAL_AUTHENTICATE, algorithm, KEY, data, SHORT_MAX)


def decode_challenge(data: bytes) -> bytes:
    """What a card is asked to sign. Raises `Malformed`."""
    fields = Fields(parse(_template(data), LIMITS), (_RESPONSE, _CHALLENGE))
    if fields.need(_RESPONSE):
        raise Malformed("a command with a response in it")
    return fields.need(_CHALLENGE)


def encode_signature(signature: bytes) -> bytes:
    """A card's answer."""
    return encode(_TEMPLATE, encode(_RESPONSE, signature))


def decode_signature(data: bytes) -> bytes:
    """The signature in a card's answer. Raises `Malformed`."""
    return Fields(parse(_template(data), LIMITS), (_RESPONSE,)).need(_RESPONSE)


def _template(data: bytes) -> bytes:
    return Fields(parse(data, LIMITS), (_TEMPLATE,)).need(_TEMPLATE)
