"""The certificate of a reader (PKOC 2.0.1): the site's issuer says which key a location has.

    offset 0   01                        version
           1   location identifier (16)  must be the one of the hello
          17   site identifier (16)      likewise
          33   not before (4)            Unix seconds, 0: open
          37   not after (4)             Unix seconds, inclusive, FFFFFFFF: open
          41   reader key (33)           compressed
          74   r | s (64)                the issuer's signature over bytes 0 to 73

A revocation list takes certificates back before their time:

    01 | site identifier (16) | issued (4) | count (2) | count x (location (16) | since (4)) | r | s
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field, replace

from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.p256 import COMPRESSED_SIZE, SIGNATURE_SIZE, PrivateKey, PublicKey
from shared.credential.pkoc.identity import ID_SIZE
from shared.credential.tlv import Malformed

SIZE = 138
OPEN_START, OPEN_END = 0, 0xFFFFFFFF
# Somebody who walks from site to site; the least recently met is met anew, at a signature's cost.
MAX_PINS = 256
# A site that has lost a thousand readers has other worries.
MAX_REVOKED = 1_000

_VERSION = b"\x01"
_ENTRY = ID_SIZE + 4
_LIST_HEAD = 1 + ID_SIZE + 4 + 2


@dataclass(frozen=True, slots=True)
class ReaderCertificate:
    """What an issuer says of a reader; nobody has checked it before `check`."""

    location: bytes
    site: bytes
    not_before: int
    not_after: int
    key: PublicKey
    signature: bytes = field(repr=False)

    @classmethod
    def issue(
        cls,
        issuer: PrivateKey,
        *,
        site: bytes,
        location: bytes,
        key: PublicKey,
        not_before: int = OPEN_START,
        not_after: int = OPEN_END,
    ) -> ReaderCertificate:
        """`ValueError` for dates that leave no time, or identifiers that are none."""
        if len(site) != ID_SIZE or len(location) != ID_SIZE:
            raise ValueError("site and location identifiers are 16 bytes each")
        if not 0 <= not_before <= not_after <= OPEN_END:
            raise ValueError(f"no moment lies from {not_before} to {not_after}")
        draft = cls(location, site, not_before, not_after, key, b"")
        return replace(draft, signature=issuer.sign(draft.signed))

    def encode(self) -> bytes:
        return self.signed + self.signature

    @classmethod
    def decode(cls, data: bytes) -> ReaderCertificate:
        """Raises `RuleBroken`: wrong_length, malformed or off_curve."""
        if len(data) != SIZE:
            raise RuleBroken(
                Reason.WRONG_LENGTH, f"a reader certificate has {SIZE} bytes, not {len(data)}"
            )
        if data[:1] != _VERSION:
            raise Malformed("a reader certificate of another version")
        return cls(
            location=data[1:17],
            site=data[17:33],
            not_before=int.from_bytes(data[33:37], "big"),
            not_after=int.from_bytes(data[37:41], "big"),
            key=PublicKey.parse(data[41 : 41 + COMPRESSED_SIZE]),
            signature=data[74:],
        )

    def check(self, site: bytes, location: bytes, *, at: int | None) -> None:
        """Whether it is for this reader, and good `at` (Unix seconds; None: no clock to trust).

        Raises `RuleBroken`: bad_certificate, certificate_expired or no_clock.
        """
        if (self.site, self.location) != (site, location):
            raise RuleBroken(Reason.BAD_CERTIFICATE, "the certificate is for another reader")
        if (self.not_before, self.not_after) == (OPEN_START, OPEN_END):
            return
        if at is None:
            raise RuleBroken(Reason.NO_CLOCK, "the certificate has dates, the clock is not set")
        if at < self.not_before or (self.not_after != OPEN_END and at > self.not_after):
            raise RuleBroken(Reason.CERTIFICATE_EXPIRED, "the reader's certificate is out of date")

    def is_signed_by(self, issuer: PublicKey) -> bool:
        return issuer.verifies(self.signature, self.signed)

    @property
    def signed(self) -> bytes:
        """What the issuer's signature covers."""
        return (
            _VERSION
            + self.location
            + self.site
            + self.not_before.to_bytes(4, "big")
            + self.not_after.to_bytes(4, "big")
            + self.key.compressed
        )


@dataclass(frozen=True, slots=True)
class RevocationList:
    """The locations of a site whose certificates no longer count, and since when."""

    site: bytes
    issued: int
    revoked: tuple[tuple[bytes, int], ...]
    signature: bytes = field(repr=False)

    @classmethod
    def issue(
        cls, issuer: PrivateKey, *, site: bytes, issued: int, revoked: tuple[tuple[bytes, int], ...]
    ) -> RevocationList:
        """`ValueError` for more than `MAX_REVOKED`."""
        if len(revoked) > MAX_REVOKED:
            raise ValueError(f"{len(revoked)} revoked readers; at most {MAX_REVOKED} are listed")
        draft = cls(site, issued, revoked, b"")
        return replace(draft, signature=issuer.sign(draft.signed))

    def encode(self) -> bytes:
        return self.signed + self.signature

    @classmethod
    def decode(cls, data: bytes) -> RevocationList:
        """Raises `RuleBroken`: malformed or wrong_length."""
        if len(data) < _LIST_HEAD + SIGNATURE_SIZE or data[:1] != _VERSION:
            raise Malformed("no revocation list of this version")
        count = int.from_bytes(data[21:23], "big")
        if count > MAX_REVOKED or len(data) != _LIST_HEAD + count * _ENTRY + SIGNATURE_SIZE:
            raise RuleBroken(
                Reason.WRONG_LENGTH, f"{len(data)} bytes are no list of {count} readers"
            )
        entries = [data[_LIST_HEAD + at * _ENTRY :][:_ENTRY] for at in range(count)]
        revoked = tuple((each[:ID_SIZE], int.from_bytes(each[ID_SIZE:], "big")) for each in entries)
        return cls(data[1:17], int.from_bytes(data[17:21], "big"), revoked, data[-SIGNATURE_SIZE:])

    def names(self, location: bytes) -> bool:
        return any(location == each for each, _ in self.revoked)

    def is_signed_by(self, issuer: PublicKey) -> bool:
        return issuer.verifies(self.signature, self.signed)

    @property
    def signed(self) -> bytes:
        """What the issuer's signature covers."""
        entries = b"".join(place + since.to_bytes(4, "big") for place, since in self.revoked)
        head = _VERSION + self.site + self.issued.to_bytes(4, "big")
        return head + len(self.revoked).to_bytes(2, "big") + entries


class Issuers:
    """The issuers of reader certificates that a holder trusts, one a site; and what they said.

    Certificates that were good once are remembered by location, and not verified again while they
    stay the same; who they are for, their dates and the revocation list are looked at every time.
    """

    def __init__(self, keys: dict[bytes, PublicKey]) -> None:
        self._keys = dict(keys)
        self._lists: dict[bytes, RevocationList] = {}
        self._pins: OrderedDict[bytes, bytes] = OrderedDict()

    def knows(self, site: bytes) -> bool:
        """Whether certificates of this site can be judged."""
        return site in self._keys

    def accept(self, revocations: RevocationList) -> None:
        """Take a list that is newer than the one there is.

        Raises `RuleBroken`: unknown_issuer, bad_signature, or out_of_order for an older one.
        """
        issuer = self._keys.get(revocations.site)
        if issuer is None:
            raise RuleBroken(Reason.UNKNOWN_ISSUER, "a revocation list of an unknown site")
        if not revocations.is_signed_by(issuer):
            raise RuleBroken(Reason.BAD_SIGNATURE, "the site has not signed the revocation list")
        known = self._lists.get(revocations.site)
        if known is not None and revocations.issued <= known.issued:
            raise RuleBroken(Reason.OUT_OF_ORDER, "a newer revocation list is here already")
        self._lists[revocations.site] = revocations

    def reader_key(
        self, shown: bytes, site: bytes, location: bytes, *, at: int | None
    ) -> PublicKey:
        """The key that certificate `shown` gives to the reader that greets as `site`, `location`.

        Raises `RuleBroken`: malformed, wrong_length, off_curve, bad_certificate, unknown_issuer,
        certificate_revoked, certificate_expired, no_clock.
        """
        certificate = ReaderCertificate.decode(shown)
        issuer = self._keys.get(site)
        if issuer is None:
            raise RuleBroken(Reason.UNKNOWN_ISSUER, "no issuer is known for this site")
        certificate.check(site, location, at=at)
        revocations = self._lists.get(site)
        if revocations is not None and revocations.names(location):
            raise RuleBroken(Reason.CERTIFICATE_REVOKED, "the site has revoked this reader")
        self._verify(certificate, shown, site + location, issuer)
        return certificate.key

    def _verify(
        self, certificate: ReaderCertificate, shown: bytes, place: bytes, issuer: PublicKey
    ) -> None:
        digest = hashlib.sha256(shown).digest()
        if self._pins.get(place) != digest:
            if not certificate.is_signed_by(issuer):
                raise RuleBroken(Reason.BAD_CERTIFICATE, "the site has not signed the certificate")
            self._pins[place] = digest
        self._pins.move_to_end(place)
        if len(self._pins) > MAX_PINS:
            self._pins.popitem(last=False)
