"""What a grant is found by: a whole key, or what stands in for one, told apart by the first byte.

    04 | X(32) | Y(32)               a point of P-256, uncompressed
    01 | SHA-256(32)                 the key of a PIV card, by its SubjectPublicKeyInfo (DER)
    02 | UID(4, 7 or 10)             the anti-collision number of a card; anybody can copy it
    03 | bits(1) | number            a Wiegand number of so many bits, right-aligned; likewise

A hash of 32 bytes cannot be met by a second key; anything shorter of a key never stands here. A PIV
card signs whatever hash it is handed, in any standard's words. So its key is never found by its
point, not even where it is one of P-256: what it proves as PKOC or Aliro is proven of nobody.
"""

from __future__ import annotations

import hashlib

UID_SIZES = (4, 7, 10)
# Formats in use have 26 to 48 bits; fewer are somebody pressing keys on a keypad.
MIN_WIEGAND_BITS, MAX_WIEGAND_BITS = 24, 64

_POINT, _HASH, _UID, _WIEGAND = 0x04, 0x01, 0x02, 0x03


def of_public_key(spki: bytes) -> bytes:
    """The identifier of a PIV card's key, from its SubjectPublicKeyInfo in DER."""
    return bytes((_HASH,)) + hashlib.sha256(spki).digest()


def of_uid(uid: bytes) -> bytes:
    """The identifier of a card by its UID. `ValueError` for a length that no card has."""
    if len(uid) not in UID_SIZES:
        raise ValueError(f"a UID of {len(uid)} bytes; cards have 4, 7 or 10")
    return bytes((_UID,)) + uid


def of_wiegand(bits: int, number: int) -> bytes:
    """The identifier of a card by all the `bits` that it sends, parity and all."""
    if not MIN_WIEGAND_BITS <= bits <= MAX_WIEGAND_BITS or not 0 <= number < 1 << bits:
        raise ValueError(f"no Wiegand number has {bits} bits, or this one has more")
    return bytes((_WIEGAND, bits)) + number.to_bytes((bits + 7) // 8, "big")


def wiegand_of(identifier: bytes) -> tuple[int, int] | None:
    """How many bits a Wiegand number has, and the number; None for another identifier."""
    if identifier[:1] != bytes((_WIEGAND,)):
        return None
    return identifier[1], int.from_bytes(identifier[2:], "big")


def is_point(identifier: bytes) -> bool:
    """Whether it is a point of P-256, whole."""
    return identifier[:1] == bytes((_POINT,))


def is_cloneable(identifier: bytes) -> bool:
    """Whether it is a number that proves nothing."""
    return identifier[:1] in (bytes((_UID,)), bytes((_WIEGAND,)))
