"""Whose certificates count at the doors of a site: as an operator writes it, keeps it, compiles it.

Kept are JSON and PEM, which can be looked at; the plan has DER. Everything is read before it is
kept, so that a reader never meets what it cannot read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from shared.access.rows import MAX_ROW, CardIssuers, Documents, Supplier, encode_row
from shared.credential.errors import RuleBroken
from shared.credential.p256 import PublicKey
from shared.credential.piv.authorities import UNREADABLE, Authorities
from shared.credential.pkoc.suppliers import REFERENCE, load_key

T = TypeVar("T")


def normal_reference(text: str) -> str:
    """Return a supplier's reference. `ValueError` with a text for whoever sent another."""
    if not REFERENCE.fullmatch(text):
        raise ValueError(
            "must be 16 capital letters and digits, as the cards' certificates have it"
        )
    return text


def normal_key(text: str) -> str:
    """Return a supplier's key: a point in 130 hex digits, or an RSA key in PEM. `ValueError`."""
    key = _key(text)
    load_key(key)
    return text.lower() if len(key) * 2 == len(text) else text.strip() + "\n"


def normal_certificate(text: str) -> str:
    """Return one certificate in PEM that may issue others. `ValueError`."""
    certificate = _read(x509.load_pem_x509_certificate, text, "certificate")
    Authorities([certificate])
    return certificate.public_bytes(Encoding.PEM).decode()


def normal_list(text: str) -> str:
    """Return one revocation list in PEM. `ValueError`."""
    return (
        _read(x509.load_pem_x509_crl, text, "revocation list").public_bytes(Encoding.PEM).decode()
    )


def normal_document_issuer(text: str) -> str:
    """Return the key of an issuer of documents: a point in 130 hex digits. `ValueError`."""
    try:
        return PublicKey.parse(bytes.fromhex(text)).point.hex()
    except (ValueError, RuleBroken):
        raise ValueError("must be a public key on P-256 in 130 hex digits, 04...") from None


def normal_document_authority(text: str) -> str:
    """Return the certificate in PEM of somebody who certifies issuers of documents. `ValueError`.

    Only its key counts, which signs the issuers' certificates: it has to be on P-256.
    """
    certificate = normal_certificate(text)
    _point(certificate)
    return certificate


def check_documents(kept: dict[str, Any]) -> None:
    """`ValueError` if documents could never open a door, or not be told apart."""
    documents = row_of(kept).documents
    keys = [*documents.issuers, *documents.authorities]
    if len(set(keys)) != len(keys):
        raise ValueError("the same key twice among the issuers and authorities of documents")
    if documents and not documents.access:
        raise ValueError("access_elements: name those by which documents open doors, at least one")
    if not documents and (documents.access or documents.revocation):
        raise ValueError("elements without document_issuers and document_authorities to sign them")


def row_of(kept: dict[str, Any]) -> CardIssuers:
    """Return the row of the plan for what is kept of a site."""
    return CardIssuers(
        suppliers=tuple(
            Supplier(each["reference"], _key(each["public_key"]))
            for each in kept.get("suppliers", [])
        ),
        authorities=_all_der(x509.load_pem_x509_certificate, kept.get("authorities", [])),
        intermediates=_all_der(x509.load_pem_x509_certificate, kept.get("intermediates", [])),
        revocations=_all_der(x509.load_pem_x509_crl, kept.get("revocation_lists", [])),
        documents=Documents(
            issuers=tuple(map(bytes.fromhex, kept.get("document_issuers", []))),
            authorities=tuple(map(_point, kept.get("document_authorities", []))),
            access=tuple(kept.get("access_elements", [])),
            revocation=tuple(kept.get("revocation_elements", [])),
        ),
        revocations_required=kept.get("revocation_lists_required", False),
    )


def check_whole(kept: dict[str, Any]) -> None:
    """`ValueError` if a reader would not take all of that at once."""
    row = row_of(kept)
    if len({each.reference for each in row.suppliers}) < len(row.suppliers):
        raise ValueError("a supplier is listed twice; give a new key a new reference")
    if Authorities.load(row.authorities, row.intermediates, row.revocations).unheeded:
        raise ValueError(
            "a revocation list is of none of the authorities and intermediates,"
            " or not signed by a current algorithm: it would take nothing back"
        )
    size = len(encode_row(row))
    if size > MAX_ROW:
        raise ValueError(f"{size} bytes together; a reader takes {MAX_ROW}")


def _point(text: str) -> bytes:
    key = x509.load_pem_x509_certificate(text.encode()).public_key()
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("its key must be on P-256")  # noqa: TRY004
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _key(text: str) -> bytes:
    if len(text) == 130:
        return bytes.fromhex(text)
    key = _read(load_pem_public_key, text, "public key")
    if not isinstance(key, RSAPublicKey):
        raise ValueError("must be 130 hex digits, or an RSA key in PEM")  # noqa: TRY004
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _read(load: Callable[[bytes], T], text: str, what: str) -> T:
    try:
        return load(text.encode())
    except UNREADABLE:
        raise ValueError(f"is no {what} in PEM") from None


def _all_der(load: Callable[[bytes], Any], texts: list[str]) -> tuple[bytes, ...]:
    return tuple(load(text.encode()).public_bytes(Encoding.DER) for text in texts)
