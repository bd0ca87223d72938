"""Whose cards a door takes: suppliers by issuer identification reference (IIR), with their keys.

To change a supplier's key, add the new reference beside the old one and retire the old one later.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from shared.credential.errors import RuleBroken
from shared.credential.p256 import POINT_SIZE, PublicKey

REFERENCE = re.compile(r"[A-Z0-9]{16}")
# Below this a factorisation is within reach; above, a verification takes a door's whole patience.
_RSA_BITS = range(2048, 4096 + 1)


class IssuerKey(Protocol):
    """The public key of a supplier."""

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether the supplier signed `message`."""


class RsaKey:
    """An RSA key of 2048 to 4096 bits: PKCS#1 v1.5 with SHA-256. (A P-256 one is a `PublicKey`.)"""

    def __init__(self, native: rsa.RSAPublicKey) -> None:
        """`ValueError` for a length that is not taken."""
        if native.key_size not in _RSA_BITS:
            raise ValueError(f"an RSA key of {native.key_size} bits; 2048 to 4096 are taken")
        self._native = native

    def verifies(self, signature: bytes, message: bytes) -> bool:
        try:
            self._native.verify(signature, message, PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True

    def __repr__(self) -> str:
        return f"RsaKey({self._native.key_size} bits)"


def load_key(data: bytes) -> IssuerKey:
    """Read a point (65 bytes, uncompressed), or an RSA key as SubjectPublicKeyInfo in DER.

    `ValueError` for anything else.
    """
    if len(data) == POINT_SIZE:
        try:
            return PublicKey.parse(data)
        except RuleBroken as broken:
            raise ValueError(str(broken)) from None
    try:
        native = load_der_public_key(data)
    except UnsupportedAlgorithm:
        native = None
    if isinstance(native, rsa.RSAPublicKey):
        return RsaKey(native)
    raise ValueError("neither a P-256 point nor an RSA key")


class Suppliers:
    """The suppliers of one site. `ValueError` for a reference that is none."""

    def __init__(self, keys: Mapping[str, IssuerKey]) -> None:
        for reference in keys:
            if not REFERENCE.fullmatch(reference):
                raise ValueError(f"{reference!a:.40} is no supplier: 16 of A-Z and 0-9")
        self._keys = dict(keys)

    def find(self, reference: str) -> IssuerKey | None:
        return self._keys.get(reference)

    def __bool__(self) -> bool:
        return bool(self._keys)
