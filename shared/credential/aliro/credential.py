"""A credential as its holder has it: a key for one reader group, and what goes with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.credential.aliro.documents.messages import Document
from shared.credential.aliro.identity import ID_SIZE
from shared.credential.aliro.mailbox import Mailbox
from shared.credential.aliro.offer import Offer, Signaling
from shared.credential.p256 import PrivateKey, PublicKey

# A holder has a few dozen doors; whoever makes up more only costs himself the fast phase.
MAX_READERS = 256


@dataclass(slots=True, repr=False)
class Credential:
    """`group_key` is the readers' own key, or the key of the issuer that certifies them.

    `signaling` is what the device can do beyond its mailbox; the bits for mailbox and documents
    follow from what is here. The two times are those of `Offer`.
    """

    key: PrivateKey
    group: bytes
    group_key: PublicKey
    mailbox: Mailbox | None = None
    signaling: Signaling = Signaling.NONE
    access_signed: bytes | None = None
    revocation_signed: bytes | None = None
    documents: tuple[Document, ...] = ()  # what the two times are about
    kpersistents: dict[bytes, bytes] = field(default_factory=dict)  # by reader identifier

    def __post_init__(self) -> None:
        if len(self.group) != ID_SIZE:
            raise ValueError(f"a group identifier has {ID_SIZE} bytes, not {len(self.group)}")

    @property
    def offer(self) -> Offer:
        """What a reader is told at the end of authentication."""
        found = self.signaling
        if self.mailbox is not None:
            found |= Signaling.MAILBOX_READABLE | Signaling.MAILBOX_WRITABLE
            if self.mailbox.is_used:
                found |= Signaling.MAILBOX_USED
        if self.access_signed is not None:
            found |= Signaling.ACCESS_DOCUMENT
        if self.revocation_signed is not None:
            found |= Signaling.REVOCATION_DOCUMENT
        return Offer(found, self.access_signed, self.revocation_signed)

    def remember(self, reader_identifier: bytes, kpersistent: bytes) -> None:
        """Keep it for the next transaction with this reader, the oldest going first."""
        self.kpersistents.pop(reader_identifier, None)
        self.kpersistents[reader_identifier] = kpersistent
        if len(self.kpersistents) > MAX_READERS:
            del self.kpersistents[next(iter(self.kpersistents))]
