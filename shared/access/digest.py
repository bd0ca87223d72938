"""The digest of a set of rows: independent of order, updated row by row.

The sum modulo 2^256 of SHA-256 over each row, with the count. Two controllers' or readers' plans
are the same if and only if (up to hash collisions) digest and count are. The messages that carry a
digest are signed; it guards against mistakes and splices, not against somebody who may choose rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

MODULUS = 1 << 256


@dataclass(frozen=True, slots=True)
class SetDigest:
    """An immutable set hash. `SetDigest()` is the empty set."""

    total: int = 0
    count: int = 0

    def with_row(self, body: bytes) -> Self:
        """Return the digest after `body` joined the set."""
        return type(self)((self.total + _hash(body)) % MODULUS, self.count + 1)

    def without_row(self, body: bytes) -> Self:
        """Return the digest after `body`, which is in the set, left it."""
        return type(self)((self.total - _hash(body)) % MODULUS, self.count - 1)

    @property
    def value(self) -> bytes:
        """The 32 bytes that travel beside `count`."""
        return self.total.to_bytes(32, "big")

    @classmethod
    def of(cls, bodies: Iterable[bytes]) -> Self:
        """Return the digest of a whole set."""
        total = count = 0
        for body in bodies:
            total += _hash(body)
            count += 1
        return cls(total % MODULUS, count)

    @classmethod
    def from_value(cls, value: bytes, count: int) -> Self:
        """Return the digest whose `value` and `count` these are."""
        return cls(int.from_bytes(value, "big"), count)


def _hash(body: bytes) -> int:
    return int.from_bytes(hashlib.sha256(body).digest(), "big")
