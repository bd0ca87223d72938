"""What a site's issuer says of a reader, for as long as the site's calendar is planned.

Signatures are deterministic: compiled again from the same, a certificate has the same bytes.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from controller.compiler.offsets import certificate_dates
from controller.reader_issuer import ReaderIssuer
from controller.store import tables
from shared.access.rows import (
    ALIRO_METHODS,
    AliroCertificate,
    Method,
    PkocCertificate,
    ReaderCertificates,
)
from shared.credential.aliro import certificate as aliro
from shared.credential.p256 import PrivateKey, PublicKey
from shared.credential.pkoc import reader_certificate as pkoc

ISSUER_NAME = "Doorward site"
_SERIAL_BYTES = 8
# Every edit of a door compiles all of its frame; its certificates are signed once.
_signed_once = lru_cache(maxsize=32_768)


def certificates_row(
    issuer: ReaderIssuer, site: tables.Site, door: tables.Door, reader: tables.Reader
) -> ReaderCertificates:
    """Return what `reader` is told of itself at `door`: only what the door's settings need.

    Nothing before it has said which key it proves to wallets.
    """
    if reader.aliro_key is None or reader.pkoc_key is None:
        return ReaderCertificates()
    keys, dates = issuer.of(site.wallet_group), certificate_dates(site.offsets_until // 1000)
    asked = ALIRO_METHODS & {Method(value) for value in door.methods}
    return ReaderCertificates(
        AliroCertificate(
            keys.group,
            keys.aliro.public.point,
            _aliro(keys.aliro, reader.aliro_key, reader.pkoc_location, dates),
        )
        if asked
        else None,
        PkocCertificate(
            keys.pkoc.public.point,
            _pkoc(keys.pkoc, reader.pkoc_key, reader.pkoc_site, reader.pkoc_location, dates),
        )
        if door.reader_certificate
        else None,
    )


@_signed_once
def _aliro(issuer: PrivateKey, key: bytes, location: bytes, dates: tuple[int, int]) -> bytes:
    # Renewed, it is another certificate, and has another number.
    drawn = hashlib.sha256(b"%b%b%d %d" % (key, location, *dates)).digest()[:_SERIAL_BYTES]
    made = aliro.ReaderCertificate.issue(
        issuer,
        PublicKey.parse(key),
        serial=int.from_bytes(drawn, "big") >> 1 | 1,
        issuer_name=ISSUER_NAME,
        subject_name=location.hex(),
        not_before=dates[0],
        not_after=dates[1],
    )
    return made.encode()


@_signed_once
def _pkoc(
    issuer: PrivateKey, key: bytes, site: bytes, location: bytes, dates: tuple[int, int]
) -> bytes:
    made = pkoc.ReaderCertificate.issue(
        issuer,
        site=site,
        location=location,
        key=PublicKey.parse(key),
        not_before=dates[0],
        not_after=dates[1],
    )
    return made.encode()
