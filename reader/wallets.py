"""Aliro at this door: the reader's key for phone wallets, and whom it remembers for a quick tap.

What makes the next tap fast opens this door as the credential does. It lies in the journal's file,
sealed under a key that only this reader has, and is written when somebody new has been let in. It
is worth nothing to the wallets of another group, and forgotten when the reader becomes part of one.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable

from reader.database import Unusable
from reader.identity import Keys, new_private_key
from reader.journal import Journal
from reader.secret_notes import SealedNotes
from shared.credential.aliro.endings import ReaderStatus
from shared.credential.aliro.identity import ReaderIdentity
from shared.credential.aliro.keys import TRANSACTION_ID_SIZE
from shared.credential.aliro.kpersistent import KpersistentStore
from shared.credential.aliro.reader import Transaction
from shared.credential.exchange import Dialogue
from shared.credential.p256 import OwnKeys, PrivateKey

logger = logging.getLogger(__name__)

NOTE = "kpersistents"


def aliro_key(pkoc: PrivateKey) -> PrivateKey:
    """Return the key that this reader proves to wallets: one of its own, drawn from its PKOC key.

    No signature made in one standard means anything in the other.
    """
    return pkoc.derive(b"doorward aliro reader key v1")


class Wallets:
    """Makes a transaction for every wallet that comes, and keeps what it leaves behind."""

    def __init__(self, keys: Keys, journal: Journal) -> None:
        """Whom earlier taps left behind is read when the first wallet of the group comes."""
        self._notes = SealedNotes(keys, journal)
        self._group: bytes | None = None
        self.store = KpersistentStore()
        self._kept = self._members()

    def transaction(self, identity: ReaderIdentity, own_keys: OwnKeys) -> Transaction:
        """Return a transaction with fresh keys, for the reader as which it shows itself now."""
        self._join(identity)
        return Transaction(
            identity,
            new_private_key(),
            secrets.token_bytes(TRANSACTION_ID_SIZE),
            own_keys=own_keys,
            store=self.store,
        )

    async def remember(self) -> None:
        """Write down whom the last tap has added or removed, if it has."""
        members = self._members()
        if members == self._kept or self._group is None:
            return  # who came last may be lost; that makes nobody's tap slower
        try:
            await self._notes.keep({NOTE: self.store.encode()}, self._group)
            self._kept = members
        except Unusable as error:
            logger.warning("%s; quick taps are forgotten at the next start", error)

    def _join(self, identity: ReaderIdentity) -> None:
        """Go on as part of this group, with those whom it has met; a new certificate is no news."""
        group = NOTE.encode() + identity.reader_identifier + identity.group_key.point
        if group != self._group:
            self._group, self.store = group, self._load(group)
            self._kept = self._members()

    def _load(self, group: bytes) -> KpersistentStore:
        try:
            return self._notes.load(NOTE, KpersistentStore.decode, group) or KpersistentStore()
        except (Unusable, ValueError) as error:
            logger.warning("nobody is remembered for quick taps: %s", error)
        return KpersistentStore()

    def _members(self) -> frozenset[tuple[bytes, bytes]]:
        return frozenset((credential.point, key) for credential, key in self.store)


def last_word(transaction: Transaction) -> Callable[[bool], Dialogue[None] | None]:
    """Return what tells the wallet of `transaction` how it ended."""

    def conclude(granted: bool) -> Dialogue[None] | None:  # noqa: FBT001 - an answer, not an option
        return transaction.conclude(ReaderStatus.UNSECURED if granted else ReaderStatus.NO_ACCESS)

    return conclude
