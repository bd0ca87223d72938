"""Revocation Data, and the list of revoked credentials that a reader keeps from it.

    element    {0: 1, 1: mode, 2: [entry...], 3: [entry to remove...], 4: extensions}
    mode       0 overwrite: the list becomes these entries; 1 change: add, then remove
    entry      {0: SHA-256 of the credential's point, 1: id, 2: 1(expiry)}     0 or 1 or both
    encoded    [1, [[issuer id, iteration, signed, [[hash, id, expiry]...]]...]]

An entry is of one credential, by its hash. Only where it has none, it is of every credential whose
Access Data has the id, by the same issuer. An issuer changes its own entries and nobody else's.
Documents come from the devices of those whom they concern: one that is older than what has been
applied changes nothing.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass, field
from typing import Any

from cbor2 import CBORTag

from shared import cbor
from shared.credential.aliro.documents import encoding
from shared.credential.aliro.documents.encoding import (
    SECONDS,
    array,
    mapping,
    member,
    octets,
    uint,
)
from shared.credential.aliro.documents.security import Validity
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.p256 import PublicKey
from shared.credential.tlv import Malformed

VERSION = 1
HASH_SIZE = 32
MAX_ID = 16
# Of one issuer. A reader that is full refuses whoever brings more, rather than forget.
MAX_ENTRIES = 4096
MAX_ISSUERS = 64
# What is read back at most: more than it can grow to.
STORED_SIZE = 1 << 25

_FORMAT = 1


def credential_hash(credential: PublicKey) -> bytes:
    """What an entry knows a credential by."""
    return hashlib.sha256(credential.point).digest()


@dataclass(frozen=True, slots=True)
class Entry:
    """Who is revoked; until when it matters (Unix seconds, None: for good)."""

    hash: bytes | None = field(default=None, repr=False)
    id: bytes | None = field(default=None, repr=False)
    expiry: int | None = None

    @property
    def plain(self) -> dict[int, Any]:
        said: dict[int, Any] = {}
        if self.hash is not None:
            said[0] = self.hash
        if self.id is not None:
            said[1] = self.id
        if self.expiry is not None:
            said[2] = CBORTag(SECONDS, self.expiry)
        return said

    @property
    def key(self) -> bytes:
        """What it is found by. The lengths tell hashes from ids."""
        return self.hash or self.id or b""

    def is_over(self, now: int | None) -> bool:
        return self.expiry is not None and now is not None and self.expiry <= now

    @property
    def row(self) -> list[Any]:
        return [self.hash, self.id, self.expiry]

    @classmethod
    def of_row(cls, row: Any) -> Entry:
        """Read what `row` gave. Raises `Malformed`."""
        hash_, id_, expiry = array(row)
        said = {0: hash_, 1: id_, 2: None if expiry is None else CBORTag(SECONDS, expiry)}
        return cls.read({key: value for key, value in said.items() if value is not None})

    @classmethod
    def read(cls, value: Any) -> Entry:
        """Raises `Malformed`."""
        said = mapping(value)
        if said.keys() - {0, 1, 2} or not said.keys() & {0, 1}:
            raise Malformed("a revocation of nobody, or with what this version does not know")
        return cls(
            octets(said[0], (HASH_SIZE,)) if 0 in said else None,
            octets(said[1], range(1, MAX_ID + 1)) if 1 in said else None,
            encoding.seconds(said[2]) if 2 in said else None,
        )


class Mode(enum.IntEnum):
    """What becomes of the entries that there are."""

    OVERWRITE = 0
    CHANGE = 1


@dataclass(frozen=True, slots=True)
class RevocationData:
    """An element that has been read."""

    mode: Mode
    entries: tuple[Entry, ...] = ()
    removed: tuple[Entry, ...] = ()

    @property
    def plain(self) -> dict[int, Any]:
        """The element's value, as an issuer signs it."""
        said: dict[int, Any] = {0: VERSION, 1: int(self.mode)}
        for key, row in ((2, self.entries), (3, self.removed)):
            if row:
                said[key] = [each.plain for each in row]
        return said

    @classmethod
    def read(cls, value: Any) -> RevocationData:
        """Raises `RuleBroken` with bad_data_element. Extensions are ignored."""
        try:
            return cls._read(mapping(value))
        except Malformed as malformed:
            raise RuleBroken(Reason.BAD_DATA_ELEMENT, f"Revocation Data: {malformed}") from None

    @classmethod
    def _read(cls, said: dict[Any, Any]) -> RevocationData:
        if uint(member(said, 0)) != VERSION or said.keys() - {0, 1, 2, 3, 4}:
            raise Malformed(f"another version than {VERSION}")
        mode = Mode(uint(member(said, 1), 1))
        if mode is Mode.OVERWRITE and 3 in said:
            raise Malformed("removals from a list that is overwritten")
        rows = [tuple(Entry.read(each) for each in array(said.get(key, []))) for key in (2, 3)]
        return cls(mode, rows[0], rows[1])


@dataclass(slots=True)
class _Issuer:
    """The entries of one issuer by their key, and the document that they are from."""

    iteration: int = 0
    signed: int = 0
    entries: dict[bytes, Entry] = field(default_factory=dict)


class RevocationList:
    """Who has been revoked, by all issuers."""

    def __init__(self) -> None:
        self._issuers: dict[bytes, _Issuer] = {}

    def __len__(self) -> int:
        return sum(len(each.entries) for each in self._issuers.values())

    def __repr__(self) -> str:
        return f"RevocationList({len(self)} of {len(self._issuers)} issuers)"

    def apply(self, issuer: bytes, validity: Validity, data: RevocationData) -> None:
        """Do what a verified document says, unless it is older than the last one applied.

        Raises `RuleBroken` with bad_data_element, having done nothing, if there is no room.
        """
        found = self._issuers.get(issuer, _Issuer())
        if (validity.iteration, validity.signed) < (found.iteration, found.signed):
            return
        entries = {} if data.mode is Mode.OVERWRITE else dict(found.entries)
        entries |= {each.key: each for each in data.entries}
        for each in data.removed:
            entries.pop(each.key, None)
        ids = {each.id for each in data.removed if each.hash is None}
        entries = {key: each for key, each in entries.items() if each.id not in ids}
        self._put(issuer, _Issuer(validity.iteration, validity.signed, entries))

    def revokes(
        self,
        credential: PublicKey,
        *,
        issuer: bytes = b"",
        id: bytes = b"",  # noqa: A002  (the name that Access Data gives it)
        now: int | None = None,
    ) -> bool:
        """Whether `credential` is revoked `now` (None: expiry does not count).

        With an access document, `id` is that of its Access Data and `issuer` who signed it.
        """
        wanted = credential_hash(credential)
        entries = [each.entries.get(wanted) for each in self._issuers.values()]
        if issuer in self._issuers:
            entries.append(self._issuers[issuer].entries.get(id))
        return any(each is not None and not each.is_over(now) for each in entries)

    def purge(self, now: int) -> None:
        """Drop what has expired."""
        for each in self._issuers.values():
            each.entries = {key: one for key, one in each.entries.items() if not one.is_over(now)}

    def encode(self) -> bytes:
        """All of it, to be stored."""
        rows = [
            [issuer, each.iteration, each.signed, [one.row for one in each.entries.values()]]
            for issuer, each in self._issuers.items()
        ]
        return cbor.encode([_FORMAT, rows])

    @classmethod
    def decode(cls, data: bytes) -> RevocationList:
        """Read what `encode` wrote; `ValueError` for anything else."""
        found = cls()
        try:
            version, rows = array(cbor.decode(data, limit=STORED_SIZE))
            if version != _FORMAT:
                raise Malformed("another format")
            for issuer, iteration, signed, entries in rows:
                read = [Entry.of_row(each) for each in array(entries)]
                by_key = {each.key: each for each in read}
                kept = _Issuer(uint(iteration), uint(signed), by_key)
                found._put(octets(issuer, (HASH_SIZE,)), kept)
        except (RuleBroken, ValueError, TypeError):
            raise ValueError("these bytes are no stored revocations") from None
        return found

    def _put(self, issuer: bytes, entries: _Issuer) -> None:
        full = issuer not in self._issuers and len(self._issuers) == MAX_ISSUERS
        if full or len(entries.entries) > MAX_ENTRIES:
            raise RuleBroken(Reason.BAD_DATA_ELEMENT, "more revocations than are kept here")
        self._issuers[issuer] = entries
