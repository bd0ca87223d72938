"""The two kinds of card authentication keys: what they are asked to sign, and whether they did."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.credential import identifier
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.p256 import ORDER, PublicKey
from shared.credential.piv.messages import Algorithm

RSA_BITS = 2048
RSA_BYTES = RSA_BITS // 8
# DigestInfo of SHA-256 (RFC 8017, section 9.2, note 1).
_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


@dataclass(frozen=True, slots=True)
class EccKey:
    """A P-256 key."""

    public: PublicKey
    algorithm = Algorithm.ECC_P256

    @property
    def identifier(self) -> bytes:
        """A hash of the whole key."""
        return _identifier(self.public.native)

    def challenge(self, message: bytes) -> bytes:
        """What the card is sent so that it signs `message`."""
        return hashlib.sha256(message).digest()

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` (DER, in the one form that DER has) is this key's over `message`."""
        try:
            r, s = decode_dss_signature(signature)
        except ValueError:
            return False
        if not (0 < r < ORDER and 0 < s < ORDER) or encode_dss_signature(r, s) != signature:
            return False
        return self.public.verifies(r.to_bytes(32, "big") + s.to_bytes(32, "big"), message)


@dataclass(frozen=True, slots=True, eq=False)
class RsaKey:
    """An RSA key of 2048 bits."""

    native: rsa.RSAPublicKey
    algorithm = Algorithm.RSA_2048

    @property
    def identifier(self) -> bytes:
        """A hash of the whole key."""
        return _identifier(self.native)

    def challenge(self, message: bytes) -> bytes:
        """The block that the card raises to its exponent: EMSA-PKCS1-v1_5 of `message`."""
        info = _DIGEST_INFO + hashlib.sha256(message).digest()
        return b"\x00\x01" + b"\xff" * (RSA_BYTES - 3 - len(info)) + b"\x00" + info

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` is this key's over `message`."""
        try:
            self.native.verify(signature, message, PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True

    def __repr__(self) -> str:
        return f"RsaKey({self.native.key_size} bits)"


CardKey: TypeAlias = EccKey | RsaKey


def _identifier(native: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> bytes:
    spki = native.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return identifier.of_public_key(spki)


def card_key(native: object) -> CardKey:
    """The key of a certificate. Raises `RuleBroken`, bad_certificate, for another kind."""
    if isinstance(native, ec.EllipticCurvePublicKey) and native.curve.name == "secp256r1":
        return EccKey(PublicKey.wrap(native))
    if isinstance(native, rsa.RSAPublicKey) and native.key_size == RSA_BITS:
        return RsaKey(native)
    raise RuleBroken(Reason.BAD_CERTIFICATE, "the card's key is neither P-256 nor RSA 2048")
