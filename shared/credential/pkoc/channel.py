"""PKOC over BLE, ECDHE flow: what both ends sign, and how the credential is sealed.

    signed   site(16) | location(16) | D.x(32) | R.x(32)
    key      SHA-256 of the x coordinate of ECDH(R, D)
    nonce    00 00 00 00 00 00 00 01 | counter(4), the first message counting 1

D and R are the ephemeral keys of device and reader. One message is ever sealed, so there is one
nonce.
"""

from __future__ import annotations

import hashlib

from shared.credential.ccm import AesCcm
from shared.credential.p256 import PrivateKey, PublicKey

_FIRST_NONCE = bytes.fromhex("000000000000000100000001")


def transcript(site: bytes, location: bytes, device: PublicKey, reader: PublicKey) -> bytes:
    """The 96 bytes which reader and holder each sign."""
    return site + location + device.x + reader.x


class Channel:
    """Carries the one encrypted message of a session, from the holder to the reader."""

    def __init__(self, own: PrivateKey, peer: PublicKey) -> None:
        self._cipher = AesCcm(hashlib.sha256(own.agree(peer)).digest())

    def seal(self, plaintext: bytes) -> bytes:
        return self._cipher.seal(_FIRST_NONCE, plaintext)

    def open(self, sealed: bytes) -> bytes:
        """Raises `RuleBroken` with decryption_failed."""
        return self._cipher.open(_FIRST_NONCE, sealed)
