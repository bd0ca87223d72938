"""The secure channel of Aliro: AES-256-GCM, one key and one counter for each direction.

    nonce      prefix(8) | counter(4)    prefix 0 from the reader, 1 from the device
    message    ciphertext | tag(16)      no associated data

Counters begin at 1 and count every message, also one that does not decrypt. The cryptogram of the
fast phase is a single message under a key and a nonce (12 times 00) of its own.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason

TAG_SIZE = 16

_FROM_READER = bytes(8)
_FROM_DEVICE = bytes(7) + b"\1"
_NO_COUNTER = bytes(12)
# No transaction has a hundred messages; where implementations stop differs, all before this.
_LAST_COUNTER = 0xFFFE


class SecureChannel:
    """One end of it."""

    def __init__(self, seal: _Direction, open_: _Direction) -> None:
        self._seal, self._open = seal, open_

    @classmethod
    def of_reader(cls, reader_key: bytes, device_key: bytes) -> SecureChannel:
        return cls(_Direction(reader_key, _FROM_READER), _Direction(device_key, _FROM_DEVICE))

    @classmethod
    def of_device(cls, reader_key: bytes, device_key: bytes) -> SecureChannel:
        return cls(_Direction(device_key, _FROM_DEVICE), _Direction(reader_key, _FROM_READER))

    def seal(self, plaintext: bytes) -> bytes:
        """The next message to the other end."""
        return self._seal.aead.encrypt(self._seal.nonce(), plaintext, None)

    def open(self, sealed: bytes) -> bytes:
        """The next message from the other end. Raises `RuleBroken` with decryption_failed."""
        return _open(self._open.aead, self._open.nonce(), sealed)


class _Direction:
    def __init__(self, key: bytes, prefix: bytes) -> None:
        self.aead, self._prefix, self._counter = AESGCM(key), prefix, 0

    def nonce(self) -> bytes:
        if self._counter == _LAST_COUNTER:
            raise RuleBroken(Reason.OUT_OF_ORDER, "more messages than one transaction may have")
        self._counter += 1
        return self._prefix + self._counter.to_bytes(4, "big")


def seal_cryptogram(key: bytes, plaintext: bytes) -> bytes:
    return AESGCM(key).encrypt(_NO_COUNTER, plaintext, None)


def open_cryptogram(key: bytes, sealed: bytes) -> bytes:
    """Raises `RuleBroken` with decryption_failed: it was made with another key."""
    return _open(AESGCM(key), _NO_COUNTER, sealed)


def _open(aead: AESGCM, nonce: bytes, sealed: bytes) -> bytes:
    try:
        return aead.decrypt(nonce, sealed, None)
    except InvalidTag:
        raise RuleBroken(Reason.DECRYPTION_FAILED, "the AES-GCM tag does not match") from None
