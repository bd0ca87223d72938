"""Who a reader is, as it knows itself, and as a credential knows the group that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass

from shared.credential.aliro.certificate import ReaderCertificate
from shared.credential.errors import RuleBroken
from shared.credential.p256 import PrivateKey, PublicKey

ID_SIZE = 16


@dataclass(frozen=True, slots=True)
class Certified:
    """A reader that speaks for an issuer: credentials know the issuer's key, not the reader's."""

    issuer: PublicKey
    certificate: ReaderCertificate


@dataclass(frozen=True, slots=True)
class ReaderIdentity:
    """A reader. `ValueError` for wrong lengths and for a certificate that is not its own."""

    group: bytes  # group identifier, 16 bytes: what credentials find their key by
    sub_group: bytes  # group sub identifier, 16 bytes: this reader
    key: PrivateKey
    certified: Certified | None = None

    def __post_init__(self) -> None:
        if len(self.group) != ID_SIZE or len(self.sub_group) != ID_SIZE:
            raise ValueError(f"group and sub group identifiers are {ID_SIZE} bytes each")
        if self.certified is not None:
            self._check(self.certified)

    @property
    def reader_identifier(self) -> bytes:
        """Both identifiers together, 32 bytes."""
        return self.group + self.sub_group

    @property
    def group_key(self) -> PublicKey:
        """What credentials hold for the group; its X opens every salt."""
        return self.certified.issuer if self.certified else self.key.public

    def _check(self, certified: Certified) -> None:
        if certified.certificate.key != self.key.public:
            raise ValueError("the certificate is for another reader's key")
        try:
            certified.certificate.check(certified.issuer, at=None)
        except RuleBroken:
            raise ValueError("the certificate is not signed by the issuer beside it") from None
