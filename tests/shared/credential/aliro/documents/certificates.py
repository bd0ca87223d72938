"""Certificates of issuers, good ones and others."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from shared.credential.p256 import PrivateKey
from shared.credential.tlv import encode, parse
from tests.shared.credential.aliro.documents.ends import AUTHORITY, CERTIFIED_ISSUER, NOW

SHA256 = hashes.SHA256()
Subject = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


def certificate(
    subject: Subject = CERTIFIED_ISSUER.public.native,
    authority: PrivateKey = AUTHORITY,
    *,
    since: int = NOW - 10 * 86400,
    until: int = NOW + 10 * 86400,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    digest: hashes.SHA256 | hashes.SHA384 = SHA256,
) -> bytes:
    """A certificate in DER; with no more in it than it is told."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name("credential issuer"))
        .issuer_name(_name("issuer CA"))
        .public_key(subject)
        .serial_number(7)
        .not_valid_before(_at(since))
        .not_valid_after(_at(until))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(authority.native, digest).public_bytes(Encoding.DER)


def usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=not signs,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def with_raw_signature(der: bytes) -> bytes:
    """As one version of the certification harness writes it: r | s where DER belongs."""
    covered, algorithm, signature = parse(parse(der)[0].value)
    r, s = decode_dss_signature(signature.value[1:])
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return encode(0x30, encode(*covered) + encode(*algorithm) + encode(0x03, b"\0" + raw))


def with_empty_key(der: bytes) -> bytes:
    """The point is gone; the signature is of before, which nobody gets as far as to check."""
    covered, algorithm, signature = parse(parse(der)[0].value)
    fields = [
        encode(0x30, encode(*parse(each.value)[0]) + encode(0x03, b"\0"))
        if each.tag == 0x30 and parse(each.value)[-1].tag == 0x03
        else encode(*each)
        for each in parse(covered.value)
    ]
    body = encode(0x30, b"".join(fields)) + encode(*algorithm) + encode(*signature)
    return encode(0x30, body)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _at(moment: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC)
