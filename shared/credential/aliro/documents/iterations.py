"""How far each issuer has come: documents that are far behind the newest are void.

    encoded    [1, [[issuer id(32), access, revocation]...]]

An issuer counts its documents in iterations. An access document may be a few behind, as another
holder may have a newer one; a revocation document may not, as it would bring back who was revoked.
"""

from __future__ import annotations

from shared.credential.aliro.documents.encoding import (
    MAX_UINT,
    array,
    decode,
    encode,
    octets,
    uint,
)
from shared.credential.aliro.documents.messages import DocumentType
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.tlv import Malformed

# An access document this far behind is void.
LAG = 8
# A site has one or two; certificates may bring new ones over the years.
MAX_ISSUERS = 256

_FORMAT = 1


class Iterations:
    """The highest iteration accepted of every issuer, of either type of document."""

    def __init__(self) -> None:
        self._highest: dict[tuple[bytes, DocumentType], int] = {}

    def highest(self, issuer: bytes, kind: DocumentType) -> int:
        return self._highest.get((issuer, kind), 0)

    def check(self, issuer: bytes, kind: DocumentType, iteration: int) -> None:
        """Raises `RuleBroken` with document_superseded."""
        behind = self.highest(issuer, kind) - iteration
        if behind >= (LAG if kind is DocumentType.ACCESS else 1):
            what = f"the document is {behind} iterations behind"
            raise RuleBroken(Reason.DOCUMENT_SUPERSEDED, what)

    def advance(self, issuer: bytes, kind: DocumentType, iteration: int) -> None:
        """A document of this iteration has been accepted.

        Raises `RuleBroken` with unknown_issuer for more issuers than are remembered.
        """
        if iteration <= self.highest(issuer, kind):
            return
        known = {each for each, _ in self._highest}
        if issuer not in known and len(known) == MAX_ISSUERS:
            raise RuleBroken(Reason.UNKNOWN_ISSUER, "more issuers than are remembered here")
        self._highest[issuer, kind] = iteration

    def encode(self) -> bytes:
        """All of it, to be stored: whoever loses it lets old documents in again."""
        issuers = dict.fromkeys(issuer for issuer, _ in self._highest)
        rows = [
            [issuer, *(self.highest(issuer, kind) for kind in DocumentType)] for issuer in issuers
        ]
        return encode([_FORMAT, rows])

    @classmethod
    def decode(cls, data: bytes) -> Iterations:
        """Read what `encode` wrote; `ValueError` for anything else."""
        found = cls()
        try:
            version, rows = array(decode(data))
            if version != _FORMAT:
                raise Malformed("another format")
            for row in rows:
                issuer, *highest = array(row)
                for kind, iteration in zip(DocumentType, highest, strict=True):
                    found.advance(octets(issuer, (32,)), kind, uint(iteration, MAX_UINT))
        except (RuleBroken, ValueError, TypeError):
            raise ValueError("these bytes are no stored iterations") from None
        return found
