"""Who a reader is: its two identifiers and its key, as the reader and as a holder knows them.

Phone apps keep one key for each site identifier; hence every reader has a site identifier, a
location identifier and a key of its own, and a stolen reader speaks for itself alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shared.credential.p256 import PrivateKey, PublicKey

ID_SIZE = 16  # bytes of a UUID, in the order of its text form

# Identifiers of demonstration sites. The private key of one is published; nobody may rely on
# either.
_DEMO_SITES = frozenset(
    bytes.fromhex(text.replace("-", ""))
    for text in (
        "b9897ed0-5272-4341-979a-b69850112d80",
        "e1a7ec00-0002-4000-8000-00805f9b34fb",
    )
)
_DEMO_LOCATIONS = frozenset(
    bytes.fromhex(text.replace("-", ""))
    for text in (
        "ad0cbc8f-c353-427a-b479-37b5efcff6be",
        "e1a7ec00-0001-4000-8000-00805f9b34fb",
    )
)


def _check(site: bytes, location: bytes) -> None:
    if len(site) != ID_SIZE or len(location) != ID_SIZE:
        raise ValueError("site and location identifiers are 16 bytes each")
    if site in _DEMO_SITES or location in _DEMO_LOCATIONS:
        raise ValueError(
            "this is the identifier of a demonstration site whose key is public; make a new UUID"
        )


@dataclass(frozen=True, slots=True)
class ReaderIdentity:
    """A reader, as it knows itself. `ValueError` for wrong lengths and for demonstration sites."""

    site: bytes
    location: bytes
    key: PrivateKey

    def __post_init__(self) -> None:
        _check(self.site, self.location)

    @property
    def reader_identifier(self) -> bytes:
        """Site and location together, 32 bytes, as NFC sends them."""
        return self.site + self.location


@dataclass(frozen=True, slots=True)
class KnownReader:
    """A reader, as a holder learnt it with its invitation or from a QR code."""

    site: bytes
    location: bytes
    key: PublicKey

    def __post_init__(self) -> None:
        _check(self.site, self.location)


class Keyring:
    """The readers that a holder trusts. To all others it says nothing.

    Sites in `normal_sites` are answered in the normal flow, which shows the credential to anybody
    who claims to be that site. It takes an explicit choice of the holder for each one.
    """

    def __init__(self, readers: Iterable[KnownReader], normal_sites: Iterable[bytes] = ()) -> None:
        self._readers: dict[tuple[bytes, bytes], KnownReader] = {}
        for reader in readers:
            if (reader.site, reader.location) in self._readers:
                raise ValueError("two entries for one reader; keep the one that is right")
            self._readers[reader.site, reader.location] = reader
        self._normal_sites = frozenset(normal_sites)
        for site in self._normal_sites:
            _check(site, bytes(ID_SIZE))

    def find(self, site: bytes, location: bytes) -> KnownReader | None:
        return self._readers.get((site, location))

    def speaks_normal(self, site: bytes) -> bool:
        return site in self._normal_sites
