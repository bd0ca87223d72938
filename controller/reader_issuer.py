"""Who vouches for readers: one secret, and from it two keys for every site.

Wallets (Aliro) know the doors of a site by its group identifier and the one key; phones (PKOC)
judge a reader's certificate by the other. A reader that was certified at one site is nobody at the
next, and neither key tells anything of the secret or of any other.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from shared.credential.aliro.identity import ID_SIZE
from shared.credential.p256 import PrivateKey, PublicKey

_ALIRO, _PKOC = b"doorward aliro issuer of a site v1", b"doorward pkoc issuer of a site v1"


@dataclass(frozen=True, slots=True, eq=False)
class SiteIssuer:
    """The two issuers of the readers of one site."""

    group: bytes
    aliro: PrivateKey = field(repr=False)
    pkoc: PrivateKey = field(repr=False)

    @property
    def public(self) -> tuple[PublicKey, PublicKey]:
        """Both public halves: they can never be anybody's credential."""
        return self.aliro.public, self.pkoc.public


class ReaderIssuer:
    """Loaded once per process. Sites are told apart by their group identifiers (16 bytes)."""

    def __init__(self, secret: PrivateKey) -> None:
        self._secret = secret
        self._sites: dict[bytes, SiteIssuer] = {}

    @property
    def fingerprint(self) -> str:
        """What an installation knows its issuer by; it tells nothing of the secret."""
        return hashlib.sha256(self._secret.public.point).hexdigest()

    def of(self, group: bytes) -> SiteIssuer:
        """Return the issuers of the site with this group identifier, the same every time."""
        found = self._sites.get(group)
        if found is None:
            if len(group) != ID_SIZE:
                raise ValueError(f"a group identifier has {ID_SIZE} bytes, not {len(group)}")
            aliro, pkoc = (self._secret.derive(purpose, group) for purpose in (_ALIRO, _PKOC))
            found = self._sites[group] = SiteIssuer(group, aliro, pkoc)
        return found
