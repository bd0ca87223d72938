"""What a device has beyond its key, said at the end of AUTH1 or in the cryptogram.

AUTH1       5E 02 signaling | [ 91 14 time ] | [ 92 14 time ]
cryptogram  5E 02 signaling | 91 14 time | 92 14 time            (all 00 for no document)
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from shared.credential.tlv import Fields, Malformed, encode

OFFER_TAGS = (0x5E, 0x91, 0x92)
TIMESTAMP_SIZE = 20

_NEVER = bytes(TIMESTAMP_SIZE)
_CRYPTOGRAM_SIZE = 48


class Signaling(enum.IntFlag):
    """What a device has to offer after authentication."""

    NONE = 0
    ACCESS_DOCUMENT = 1 << 0
    REVOCATION_DOCUMENT = 1 << 1
    SELECT_STEP_UP = 1 << 2  # its application has to be selected before the documents are fetched
    MAILBOX_USED = 1 << 3  # not all zero
    MAILBOX_READABLE = 1 << 4
    MAILBOX_WRITABLE = 1 << 5
    NOTIFY_ISSUER = 1 << 6
    NOTIFY_APP = 1 << 7
    UPDATE_DOCUMENT = 1 << 9
    STEP_UP_MAILBOX = 1 << 10
    STEP_UP_NOTIFY = 1 << 11
    STEP_UP_UPDATE_DOCUMENT = 1 << 12


@dataclass(frozen=True, slots=True)
class Offer:
    """What a device has beyond its key: the signaling bitmap, and how old its documents are.

    A time is the text `YYYY-MM-DDTHH:MM:SSZ`, the moment the document was signed; None without one.
    """

    signaling: Signaling = Signaling.NONE
    access_signed: bytes | None = None
    revocation_signed: bytes | None = None

    def encode(self) -> bytes:
        """As it ends the answer to AUTH1: a time only where there is a document."""
        times = ((0x91, self.access_signed), (0x92, self.revocation_signed))
        said = (encode(tag, time) for tag, time in times if time is not None)
        return encode(0x5E, self.signaling.to_bytes(2, "big")) + b"".join(said)

    def encode_cryptogram(self) -> bytes:
        """The 48 bytes that a cryptogram seals."""
        access, revocation = self.access_signed or _NEVER, self.revocation_signed or _NEVER
        return Offer(self.signaling, access, revocation).encode()

    @classmethod
    def decode_cryptogram(cls, data: bytes) -> Offer:
        """Raises `Malformed`: every one has the same 48 bytes but for what they say."""
        heads = data[:2], data[4:6], data[26:28]
        if len(data) != _CRYPTOGRAM_SIZE or heads != (b"\x5e\x02", b"\x91\x14", b"\x92\x14"):
            raise Malformed("a cryptogram that does not say what one says")
        signaling = Signaling(int.from_bytes(data[2:4], "big"))
        return cls(signaling, _known(data[6:26]), _known(data[28:]))

    @classmethod
    def read(cls, fields: Fields) -> Offer:
        """Take it out of the objects of a message. Raises `RuleBroken`."""
        signaling = int.from_bytes(fields.exactly(0x5E, 2), "big")
        return cls(Signaling(signaling), _time(fields, 0x91), _time(fields, 0x92))


NOTHING = Offer()


def _time(fields: Fields, tag: int) -> bytes | None:
    if tag not in fields:
        return None
    return _known(fields.exactly(tag, TIMESTAMP_SIZE))


def _known(time: bytes) -> bytes | None:
    return None if time == _NEVER else time
