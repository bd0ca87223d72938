"""Aliro at this door: who the reader is to phone wallets, and whom it remembers for a quick tap.

What makes the next tap fast opens this door as the credential does. It lies in the journal's file,
sealed under a key that only this reader has, and is written when somebody new has been let in.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from reader.database import Unusable
from reader.identity import Enrolment, Keys, new_private_key
from reader.journal import Journal
from shared.credential.aliro.endings import ReaderStatus
from shared.credential.aliro.identity import ReaderIdentity
from shared.credential.aliro.keys import TRANSACTION_ID_SIZE
from shared.credential.aliro.kpersistent import KpersistentStore
from shared.credential.aliro.reader import Transaction
from shared.credential.exchange import Dialogue
from shared.credential.p256 import ORDER, OwnKeys, PrivateKey

logger = logging.getLogger(__name__)

NOTE = "kpersistents"
_NONCE_SIZE = 12


def aliro_key(pkoc: PrivateKey) -> PrivateKey:
    """Return the key that this reader proves to wallets: one of its own, drawn from its PKOC key.

    No signature made in one standard means anything in the other.
    """
    # Sixteen bytes more than the order has, so that every key is as likely as any other.
    drawn = HKDF(SHA256(), 48, salt=None, info=b"doorward aliro reader key v1").derive(
        pkoc.secret_bytes()
    )
    scalar = int.from_bytes(drawn, "big") % (ORDER - 1) + 1
    return PrivateKey.from_bytes(scalar.to_bytes(32, "big"))


class Wallets:
    """Makes a transaction for every wallet that comes, and keeps what it leaves behind."""

    def __init__(
        self, enrolment: Enrolment, keys: Keys, own_keys: OwnKeys, journal: Journal
    ) -> None:
        """Read whom earlier taps left behind; nobody, if that cannot be read."""
        self._identity = ReaderIdentity(enrolment.site, enrolment.location, aliro_key(keys.pkoc))
        self._own_keys = own_keys
        self._journal = journal
        secret = keys.identity.secret_bytes()
        at_rest = HKDF(SHA256(), 32, salt=None, info=b"doorward kpersistents at rest v1")
        self._seal = AESGCM(at_rest.derive(secret))
        self._store = self._load()
        self._kept = self._members()

    def transaction(self) -> Transaction:
        """Return a transaction with fresh keys."""
        return Transaction(
            self._identity,
            new_private_key(),
            secrets.token_bytes(TRANSACTION_ID_SIZE),
            own_keys=self._own_keys,
            store=self._store,
        )

    async def remember(self) -> None:
        """Write down whom the last tap has added or removed, if it has."""
        members = self._members()
        if members == self._kept:
            return  # who came last may be lost; that makes nobody's tap slower
        nonce = secrets.token_bytes(_NONCE_SIZE)
        sealed = nonce + self._seal.encrypt(nonce, self._store.encode(), NOTE.encode())
        try:
            await self._journal.keep(NOTE, sealed)
            self._kept = members
        except Unusable as error:
            logger.warning("%s; quick taps are forgotten at the next start", error)

    def _load(self) -> KpersistentStore:
        try:
            sealed = self._journal.note(NOTE, bytes)
            if sealed is None:
                return KpersistentStore()
            nonce, body = sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:]
            return KpersistentStore.decode(self._seal.decrypt(nonce, body, NOTE.encode()))
        except InvalidTag:
            logger.warning("nobody is remembered for quick taps: what is kept was not sealed here")
        except (Unusable, ValueError) as error:
            logger.warning("nobody is remembered for quick taps: %s", error)
        return KpersistentStore()

    def _members(self) -> frozenset[tuple[bytes, bytes]]:
        return frozenset((credential.point, key) for credential, key in self._store)


def last_word(transaction: Transaction) -> Callable[[bool], Dialogue[None] | None]:
    """Return what tells the wallet of `transaction` how it ended."""

    def conclude(granted: bool) -> Dialogue[None] | None:  # noqa: FBT001 - an answer, not an option
        return transaction.conclude(ReaderStatus.UNSECURED if granted else ReaderStatus.NO_ACCESS)

    return conclude
