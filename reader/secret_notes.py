"""What this reader keeps for itself in the journal's file, sealed under a key that only it has."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from reader.identity import Keys
from reader.journal import Journal

T = TypeVar("T")

_NONCE_SIZE = 12


class SealedNotes:
    """Notes of the journal by name; one cannot stand in for another."""

    def __init__(self, keys: Keys, journal: Journal) -> None:
        self._journal = journal
        at_rest = HKDF(SHA256(), 32, salt=None, info=b"doorward kpersistents at rest v1")
        self._seal = AESGCM(at_rest.derive(keys.identity.secret_bytes()))

    def load(self, name: str, decode: Callable[[bytes], T], bound: bytes = b"") -> T | None:
        """Return what `decode` makes of the note, or None if there is none.

        `bound` is what it was bound to; without, a note is bound to its name.
        Raises `ValueError` if it was not sealed here, or `decode` does, and `Unusable`.
        """
        sealed = self._journal.note(name, bytes)
        if sealed is None:
            return None
        nonce, body = sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:]
        try:
            opened = self._seal.decrypt(nonce, body, bound or name.encode())
        except (InvalidTag, ValueError):
            raise ValueError("what is kept was not sealed here, or for another group") from None
        return decode(opened)

    async def keep(self, bodies: Mapping[str, bytes], bound: bytes = b"") -> None:
        """Write `bodies` durably under their names: all of them or none. Raises `Unusable`."""
        await self._journal.keep_all(
            {name: self._sealed(bodies[name], bound or name.encode()) for name in bodies}
        )

    def _sealed(self, body: bytes, bound: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE_SIZE)
        return nonce + self._seal.encrypt(nonce, body, bound)
