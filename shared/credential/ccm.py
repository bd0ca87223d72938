"""AES-CCM with a 16-byte tag, as the credential standards use it (NIST SP 800-38C)."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason

TAG_SIZE = 16


class AesCcm:
    """One key. The caller sees to it that no nonce (7 to 13 bytes) seals twice."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESCCM(key, TAG_SIZE)

    def seal(self, nonce: bytes, plaintext: bytes, associated: bytes = b"") -> bytes:
        """Ciphertext with its tag appended."""
        return self._aead.encrypt(nonce, plaintext, associated)

    def open(self, nonce: bytes, sealed: bytes, associated: bytes = b"") -> bytes:
        """The plaintext. Raises `RuleBroken` with decryption_failed."""
        try:
            return self._aead.decrypt(nonce, sealed, associated)
        except InvalidTag:
            raise RuleBroken(Reason.DECRYPTION_FAILED, "the AES-CCM tag does not match") from None
