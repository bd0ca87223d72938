"""The numbers that old access panels, and the official apps, show for a PKOC key. For display only.

All of them are cut from the end of X, most significant bit first: 64, 75, 128, 200 or all 256 bits.
Whoever finds a key whose X ends in somebody's 64 bits has that person's number; a door matches
whole keys, and no function here gives anything that a grant could be found by.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.credential.p256 import POINT_SIZE

# 64 is the least that the standard allows, 75 what it recommends; the rest are options of the apps.
SIZES = (64, 75, 128, 200, 256)
_LEAST, _MOST = 8, 256


@dataclass(frozen=True, slots=True)
class CredentialNumber:
    """So many bits of a key, as a panel would take them. Compares equal to nothing that opens."""

    bits: int
    value: int

    @classmethod
    def of(cls, point: bytes, bits: int) -> CredentialNumber:
        """The last `bits` (8-256) of X of the point 04 | X | Y."""
        if len(point) != POINT_SIZE or not _LEAST <= bits <= _MOST:
            raise ValueError(f"{len(point)} bytes are no point, or {bits} bits no number")
        return cls(bits, int.from_bytes(point[1:33], "big") % (1 << bits))

    @property
    def hexadecimal(self) -> str:
        """Upper-case, right-aligned in whole bytes."""
        return self.value.to_bytes((self.bits + 7) // 8, "big").hex().upper()

    @property
    def decimal(self) -> str:
        """Without leading zeros."""
        return str(self.value)

    @property
    def binary(self) -> str:
        """All bits, the most significant first."""
        return f"{self.value:0{self.bits}b}"
