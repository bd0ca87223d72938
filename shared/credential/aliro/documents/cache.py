"""The documents of those who have been let in, for when they come back and are recognised.

    encoded    [1, [[point(65), issuer id, anchor, signed, from, until, iteration, required,
               [[element id, element]...]]...]]      the most recently used last

A fast transaction has no step-up phase, so a door judges what it has kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from shared import cbor
from shared.credential.aliro.documents import encoding
from shared.credential.aliro.documents.encoding import MAX_SIZE, array, flag, octets, text, uint
from shared.credential.aliro.documents.security import Validity
from shared.credential.aliro.kpersistent import CAPACITY
from shared.credential.errors import RuleBroken
from shared.credential.p256 import PublicKey
from shared.credential.tlv import Malformed

# What is read back at most: more than it can grow to.
STORED_SIZE = 1 << 24

_FORMAT = 1
_ID = (32,)


@dataclass(frozen=True, slots=True)
class Kept:
    """A verified access document: who signed it, how long it is good, its elements.

    These are those that were asked for, with their ids, in CBOR.
    """

    issuer: bytes
    anchor: bytes
    validity: Validity
    elements: tuple[tuple[str, bytes], ...] = field(repr=False)

    @property
    def row(self) -> list[Any]:
        dates = self.validity
        return [
            self.issuer,
            self.anchor,
            dates.signed,
            dates.valid_from,
            dates.valid_until,
            dates.iteration,
            dates.time_required,
            [list(each) for each in self.elements],
        ]

    @classmethod
    def of_row(cls, row: list[Any]) -> Kept:
        """Read what `row` gave. Raises `RuleBroken`, or `ValueError`."""
        issuer, anchor, signed, since, until, iteration, required, elements = row
        validity = Validity(uint(signed), uint(since), uint(until), uint(iteration), flag(required))
        pairs = [array(each) for each in array(elements)]
        found = tuple((text(name), octets(value, range(MAX_SIZE))) for name, value in pairs)
        if not found:
            raise Malformed("a document without elements")
        for _, value in found:
            encoding.decode(value)
        return cls(octets(issuer, _ID), octets(anchor, _ID), validity, found)


class DocumentCache:
    """At most `capacity` documents, one of a credential, the least recently used going first."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        if capacity < 1:
            raise ValueError("a cache of documents has room for one at least")
        self._capacity = capacity
        self._kept: dict[PublicKey, Kept] = {}  # the most recently used last

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[tuple[PublicKey, Kept]]:
        return iter([*self._kept.items()])

    def __repr__(self) -> str:
        return f"DocumentCache({len(self)} of {self._capacity})"

    def keep(self, credential: PublicKey, document: Kept) -> None:
        """Keep it, in the place of an older one of the same credential."""
        self._kept.pop(credential, None)
        self._kept[credential] = document
        if len(self._kept) > self._capacity:
            del self._kept[next(iter(self._kept))]

    def find(self, credential: PublicKey) -> Kept | None:
        return self._kept.get(credential)

    def forget(self, credential: PublicKey) -> None:
        self._kept.pop(credential, None)

    def encode(self) -> bytes:
        """All of it, to be stored."""
        return cbor.encode([_FORMAT, [[key.point, *kept.row] for key, kept in self]])

    @classmethod
    def decode(cls, data: bytes, capacity: int = CAPACITY) -> DocumentCache:
        """Read what `encode` wrote; `ValueError` for anything else. What has no room is dropped."""
        found = cls(capacity)
        try:
            version, rows = array(cbor.decode(data, limit=STORED_SIZE))
            if version != _FORMAT:
                raise Malformed("another format")
            for point, *row in rows:
                found.keep(PublicKey.parse(octets(point, (65,))), Kept.of_row(row))
        except (RuleBroken, ValueError, TypeError):
            raise ValueError("these bytes are no stored documents") from None
        return found
