"""Messages in their envelopes: signed where anybody may have to check, authenticated where two do.

| Leaf | Envelope | Why |
|---|---|---|
| plan, deny, cmd | COSE_Sign1, controller's plan key | no broker and no other reader can forge it |
| event | COSE_Sign1, reader's identity key | the controller can prove it later |
| all others | COSE_Mac0, pairwise key | as hard to forge, in microseconds |

The leaf is part of what is signed, the message names its reader, and `open_*` checks both: a
message cannot be moved to another topic.
"""

from __future__ import annotations

from typing import TypeVar

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.cbor import Malformed
from shared.credential.p256 import PrivateKey, PublicKey
from shared.wire import cose, messages
from shared.wire.cose import Forged
from shared.wire.messages import MAX_MESSAGE, Message
from shared.wire.topics import Leaf, Place

T = TypeVar("T", bound=Message)

# What is longer is nothing that could be opened: the message, the frame, the tag before it.
MAX_ENVELOPE = MAX_MESSAGE + cose.FRAME + 1


class PairwiseKey:
    """The secret that one reader and its controller share. Shows nothing."""

    def __init__(self, own: PrivateKey, other: PublicKey, reader: str) -> None:
        """Agree on the key between `own` and `other` for `reader`; both ends get the same."""
        self._key = HKDF(
            SHA256(), 32, salt=None, info=b"doorward pairwise v1 " + reader.encode()
        ).derive(own.agree(other))

    def seal(self, message: Message, leaf: Leaf) -> bytes:
        """Return `message` authenticated for `leaf`."""
        return cose.mac0(messages.encode(message), self._key, _context(leaf))

    def open(self, data: bytes, place: Place, *kinds: type[T]) -> T:
        """Return the message of one of `kinds` that `data` is. Raises `Malformed` or `Forged`."""
        payload = cose.verify0(data, self._key, _context(place.leaf), limit=MAX_MESSAGE)
        return _for(place, messages.decode(payload, *kinds))


def seal_signed(message: Message, key: PrivateKey, leaf: Leaf) -> bytes:
    """Return `message` signed by `key` for `leaf`."""
    return cose.sign1(messages.encode(message), key, _context(leaf))


def open_signed(data: bytes, signer: PublicKey, place: Place, *kinds: type[T]) -> T:
    """Return the message of one of `kinds` that `signer` signed. Raises `Malformed` or `Forged`."""
    kid = cose.key_id(signer)
    payload = cose.verify1(
        data,
        lambda named: signer if named == kid else None,
        _context(place.leaf),
        limit=MAX_MESSAGE,
    )
    return _for(place, messages.decode(payload, *kinds))


def is_signed(data: bytes) -> bool:
    """Return whether `data` claims to be signed rather than authenticated (`cmd` carries both)."""
    return data[:1] == b"\xd2"


def _context(leaf: Leaf) -> bytes:
    return b"doorward v1 " + leaf.value.encode()


def _for(place: Place, message: T) -> T:
    if message.reader != place.reader:
        raise Forged("the message is for another reader")
    return message


__all__ = [
    "MAX_ENVELOPE",
    "Forged",
    "Malformed",
    "PairwiseKey",
    "is_signed",
    "open_signed",
    "seal_signed",
]
