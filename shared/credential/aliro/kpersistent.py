"""What a reader remembers of credentials it has met: the keys that make the next tap fast.

    encoded    01 | { point(65) | Kpersistent(32) }...        the most recently used first

A Kpersistent opens this reader's door as its credential does, and no other door. Whoever stores
the encoding encrypts it, and forgets a credential the moment it is revoked.
"""

from __future__ import annotations

from collections.abc import Iterator

from shared.credential.aliro.keys import KEY_SIZE
from shared.credential.errors import RuleBroken
from shared.credential.p256 import POINT_SIZE, PublicKey

# Each is tried in turn, a few microseconds each (tens on a small board); a door has its regulars.
CAPACITY = 64

_FORMAT = b"\1"
_ENTRY = POINT_SIZE + KEY_SIZE


class KpersistentStore:
    """At most `capacity` credentials, the least recently used going first."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        if capacity < 1:
            raise ValueError("a store of Kpersistents has room for one at least")
        self._capacity = capacity
        self._keys: dict[PublicKey, bytes] = {}  # the most recently used last

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[tuple[PublicKey, bytes]]:
        """Each credential with its Kpersistent, the most recently used first."""
        return iter([*reversed(self._keys.items())])

    def __repr__(self) -> str:
        return f"KpersistentStore({len(self)} of {self._capacity})"

    def remember(self, credential: PublicKey, kpersistent: bytes) -> None:
        """Keep it, in the place of an older one of the same credential."""
        if len(kpersistent) != KEY_SIZE:
            raise ValueError(f"a Kpersistent has {KEY_SIZE} bytes, not {len(kpersistent)}")
        self._keys.pop(credential, None)
        self._keys[credential] = kpersistent
        if len(self._keys) > self._capacity:
            del self._keys[next(iter(self._keys))]

    def touch(self, credential: PublicKey) -> None:
        """It has just been used."""
        if credential in self._keys:
            self._keys[credential] = self._keys.pop(credential)

    def forget(self, credential: PublicKey) -> None:
        self._keys.pop(credential, None)

    def clear(self) -> None:
        self._keys.clear()

    def encode(self) -> bytes:
        """All of it, secrets included, to be encrypted and stored."""
        return _FORMAT + b"".join(credential.point + key for credential, key in self)

    @classmethod
    def decode(cls, data: bytes, capacity: int = CAPACITY) -> KpersistentStore:
        """Read what `encode` wrote; `ValueError` for anything else. What has no room is dropped."""
        if data[:1] != _FORMAT or len(data) % _ENTRY != 1:
            raise ValueError("these bytes are no stored Kpersistents; start with an empty store")
        store = cls(capacity)
        for at in range(len(data) - _ENTRY, 0, -_ENTRY):
            point = data[at : at + POINT_SIZE]
            try:
                credential = PublicKey.parse(point)
            except RuleBroken as broken:
                raise ValueError(f"a stored Kpersistent is of no credential: {broken}") from None
            store.remember(credential, data[at + POINT_SIZE : at + _ENTRY])
        return store
