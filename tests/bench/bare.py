"""Calls of `cryptography` that a reader cannot do without, one by one, with nothing around them."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.credential.p256 import PrivateKey

CURVE, SHA256, ECDH = ec.SECP256R1(), hashes.SHA256(), ec.ECDH()
SIGN = ec.ECDSA(SHA256, deterministic_signing=True)
VERIFY = ec.ECDSA(SHA256)
MESSAGE = bytes(100)


def draw() -> bytes:
    """Draw an ephemeral key, and write its public half."""
    public = ec.generate_private_key(CURVE).public_key()
    return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def load(point: bytes) -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicKey.from_encoded_point(CURVE, point)


def sign(key: ec.EllipticCurvePrivateKey) -> None:
    """Sign, and take r and s out of it."""
    decode_dss_signature(key.sign(MESSAGE, SIGN))


def check_shown(key: PrivateKey) -> Callable[[], None]:
    """Load a key that is shown, and check its signature r | s."""
    point, signed = key.public.point, key.sign(MESSAGE)
    r, s = (int.from_bytes(half, "big") for half in (signed[:32], signed[32:]))
    return lambda: load(point).verify(encode_dss_signature(r, s), MESSAGE, VERIFY)


def check_known(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> Callable[[], None]:
    """Check a signature by a key that is loaded."""
    if isinstance(key, rsa.RSAPrivateKey):
        public, signature = key.public_key(), key.sign(MESSAGE, PKCS1v15(), SHA256)
        return lambda: public.verify(signature, MESSAGE, PKCS1v15(), SHA256)
    point, signed = key.public_key(), key.sign(MESSAGE, VERIFY)
    return lambda: point.verify(signed, MESSAGE, VERIFY)
