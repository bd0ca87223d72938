"""P-256: the one place that parses points and signatures, signs, verifies and agrees on secrets.

    point      04 | X(32) | Y(32), or compressed 02/03 | X(32)
    signature  r(32) | s(32), big-endian, 0 < r, s < n; never DER
    hash       SHA-256, once

Signing is deterministic (RFC 6979), always: this layer owns no randomness, a door computer that has
just booted may not have good randomness either, and published vectors can be replayed byte for
byte.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason

POINT_SIZE = 65
COMPRESSED_SIZE = 33
SCALAR_SIZE = 32
SIGNATURE_SIZE = 64

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

_CURVE = ec.SECP256R1()
_ECDH = ec.ECDH()
_VERIFY = ec.ECDSA(hashes.SHA256())
_SIGN = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PublicKey:
    """A point on the curve. Made by `parse`; equal when the points are."""

    point: bytes  # 65 bytes, 04 | X | Y
    native: ec.EllipticCurvePublicKey

    @classmethod
    def parse(cls, data: bytes) -> PublicKey:
        """Read a point of 65 or 33 bytes. Raises `RuleBroken`: wrong_length or off_curve."""
        if len(data) not in (POINT_SIZE, COMPRESSED_SIZE):
            what = f"a point has 65 or 33 bytes, not {len(data)}"
            raise RuleBroken(Reason.WRONG_LENGTH, what)
        compressed = data[0] in (2, 3)
        if compressed is not (len(data) == COMPRESSED_SIZE):
            raise RuleBroken(Reason.OFF_CURVE, "the first byte does not fit the point's length")
        try:
            key = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, data)
        except ValueError:
            raise RuleBroken(Reason.OFF_CURVE, "the point is not on P-256") from None
        return cls(_uncompressed(key) if compressed else data, key)

    @classmethod
    def wrap(cls, native: ec.EllipticCurvePublicKey) -> PublicKey:
        """Take a key that has been read already. `ValueError` for one on another curve."""
        if native.curve.name != _CURVE.name:
            raise ValueError(f"the key is on {native.curve.name}; make one on secp256r1")
        return cls(_uncompressed(native), native)

    @property
    def x(self) -> bytes:
        return self.point[1:33]

    @property
    def compressed(self) -> bytes:
        return bytes((2 | self.point[-1] & 1,)) + self.point[1:33]

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` (r | s) over `message` was made with this point's private key."""
        if len(signature) != SIGNATURE_SIZE:
            return False
        r = int.from_bytes(signature[:32], "big")
        s = int.from_bytes(signature[32:], "big")
        if not (0 < r < ORDER and 0 < s < ORDER):
            return False
        try:
            self.native.verify(encode_dss_signature(r, s), message, _VERIFY)
        except InvalidSignature:
            return False
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and hmac.compare_digest(self.point, other.point)

    def __hash__(self) -> int:
        return hash(self.point)

    def __repr__(self) -> str:
        return f"PublicKey({hashlib.sha256(self.point).hexdigest()[:8]})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PrivateKey:
    """A private key with its public half at hand. Nothing secret shows unless asked for by name."""

    public: PublicKey
    native: ec.EllipticCurvePrivateKey

    @classmethod
    def wrap(cls, key: ec.EllipticCurvePrivateKey) -> PrivateKey:
        """Take a key that `ec.generate_private_key(ec.SECP256R1())` made at the edge."""
        return cls(PublicKey.wrap(key.public_key()), key)

    @classmethod
    def from_bytes(cls, secret: bytes) -> PrivateKey:
        """Take the 32-byte scalar itself, 0 < scalar < n; otherwise `ValueError`."""
        scalar = int.from_bytes(secret, "big")
        if len(secret) != SCALAR_SIZE or not 0 < scalar < ORDER:
            raise ValueError("a P-256 private key is 32 bytes, above zero and below the order")
        return cls.wrap(ec.derive_private_key(scalar, _CURVE))

    def derive(self, purpose: bytes, salt: bytes | None = None) -> PrivateKey:
        """A key of its own for `purpose`: always the same, and it tells nothing of this one."""
        # Sixteen bytes more than the order has, so that every key is as likely as any other.
        drawn = HKDF(hashes.SHA256(), SCALAR_SIZE + 16, salt, purpose).derive(self.secret_bytes())
        scalar = int.from_bytes(drawn, "big") % (ORDER - 1) + 1
        return PrivateKey.from_bytes(scalar.to_bytes(SCALAR_SIZE, "big"))

    def secret_bytes(self) -> bytes:
        """The scalar, to be stored. Whoever calls this answers for where it goes."""
        return self.native.private_numbers().private_value.to_bytes(SCALAR_SIZE, "big")

    def sign(self, message: bytes) -> bytes:
        """r | s over SHA-256 of `message`, 64 bytes."""
        r, s = decode_dss_signature(self.native.sign(message, _SIGN))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def agree(self, peer: PublicKey) -> bytes:
        """The x coordinate of ECDH with `peer`, 32 bytes. Hash it before use as a key."""
        return self.native.exchange(_ECDH, peer.native)

    def __repr__(self) -> str:
        return f"PrivateKey(of {self.public!r})"


class OwnKeys:
    """The keys of our own site, readers and issuers, which are never anybody's credential.

    Compared by X: a point and its negative share it, and the standards sign and store X alone.
    """

    def __init__(self, keys: Iterable[PublicKey]) -> None:
        self._xs = frozenset(key.x for key in keys)

    def __contains__(self, key: PublicKey) -> bool:
        return key.x in self._xs


def _uncompressed(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
