"""Authorities, certificates and cards, made up for tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from shared.credential.card import Card
from shared.credential.p256 import PrivateKey
from shared.credential.piv.authorities import CARD_AUTHENTICATION
from shared.credential.piv.holder import CardPrivateKey, PivApplication
from shared.credential.piv.messages import CertificateObject
from tests.shared.credential.keys import key

Extensions: TypeAlias = Sequence[tuple[x509.ExtensionType, bool]]
Native: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ECC = key("staff card")


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """Somebody who issues certificates, and takes them back."""

    def __init__(
        self,
        text: str,
        issuer: Authority | None = None,
        *,
        ca: bool = True,
        years: int = 0,
        depth: int | None = None,
        extensions: Extensions = (),
    ) -> None:
        """`depth` is how many others it may have below it."""
        self.name = name(text)
        self.key = key(text).native
        by = issuer or self
        self.certificate = by.issue(
            self.key,
            self.name,
            start=NOW - years * 365 * DAY - DAY,
            extensions=[(x509.BasicConstraints(ca, depth), True), *extensions],
        )

    def issue(
        self,
        holder: Native,
        subject: x509.Name | None = None,
        *,
        start: datetime = NOW - DAY,
        end: datetime = NOW + DAY,
        serial: int = 7,
        extensions: Extensions = (),
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject or name("card"))
            .issuer_name(self.name)
            .public_key(holder.public_key())
            .serial_number(serial)
            .not_valid_before(start)
            .not_valid_after(end)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, SHA256())

    def revoke(self, *serials: int, until: datetime = NOW + DAY) -> x509.CertificateRevocationList:
        builder = x509.CertificateRevocationListBuilder(self.name, until - 2 * DAY, until)
        for serial in serials:
            entry = x509.RevokedCertificateBuilder(serial, NOW - DAY)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.key, SHA256())


ROOT = Authority("root", years=10)
MIDDLE = Authority("middle", ROOT)
LAST = Authority("last", MIDDLE)
FOR_CARDS = (x509.ExtendedKeyUsage([CARD_AUTHENTICATION]), True)


def card(
    certificate: x509.Certificate,
    holder: CardPrivateKey = ECC,
    *,
    compressed: bool = False,
) -> Card:
    kept = CertificateObject(certificate.public_bytes(Encoding.DER), compressed)
    return Card([PivApplication(holder, kept)])


def native(holder: CardPrivateKey) -> Native:
    return holder.native if isinstance(holder, PrivateKey) else holder
