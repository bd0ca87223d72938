"""Whose documents count: issuers known by their key, and authorities that certify issuers.

    issuer id    SHA-256("key-identifier" | point(65))
    key id       its first eight bytes, which find a key and never stand for one

A certificate in a document leads over no other to one of the authorities' keys; then the key in it
counts, whatever else is known of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import SignatureAlgorithmOID

from shared.credential.aliro.documents.messages import KEY_ID_SIZE, IssuerAuth
from shared.credential.aliro.documents.security import Validity
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.p256 import SCALAR_SIZE, SIGNATURE_SIZE, PublicKey

_UNDERSTOOD = (x509.BasicConstraints, x509.KeyUsage)
# All that the library raises over bytes which are no certificate, or a strange one.
_UNREADABLE: tuple[type[Exception], ...] = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def issuer_id(key: PublicKey) -> bytes:
    """What an issuer is remembered by, 32 bytes."""
    return hashlib.sha256(b"key-identifier" + key.point).digest()


def key_id(key: PublicKey) -> bytes:
    return issuer_id(key)[:KEY_ID_SIZE]


@dataclass(frozen=True, slots=True)
class Signer:
    """The key that a document has to be signed with, and its certificate, if that is why."""

    key: PublicKey
    anchor: bytes  # issuer id of the key that this site trusts: this one, or an authority's
    certificate: x509.Certificate | None = None

    def check_dates(self, validity: Validity, now: int | None) -> Validity:
        """Whether it could sign that then, and is still good `now` (None: no clock).

        A document outlives no certificate: what comes back ends with it, if not before. Raises
        `RuleBroken` with certificate_expired.
        """
        if self.certificate is None:
            return validity
        moments = (validity.signed,) if now is None else (validity.signed, now)
        if not all(_covers(self.certificate, moment) for moment in moments):
            what = "the issuer's certificate is out of date, or was when the document was signed"
            raise RuleBroken(Reason.CERTIFICATE_EXPIRED, what)
        until = (self.certificate.not_valid_after_utc - _EPOCH) // timedelta(seconds=1)
        return replace(validity, valid_until=min(validity.valid_until, until))


class Issuers:
    """What one site trusts. `ValueError` for two issuers of one key id.

    An authority here certifies issuers of documents, and nobody for any other purpose: whoever has
    a certificate from it may sign documents.
    """

    def __init__(
        self, keys: Iterable[PublicKey] = (), authorities: Iterable[PublicKey] = ()
    ) -> None:
        known = tuple(keys)
        self._keys = {key_id(key): key for key in known}
        if len(self._keys) != len(known):
            raise ValueError("two issuers have the same key id; each is needed once")
        self._authorities = tuple(authorities)

    def trusts(self, anchor: bytes) -> bool:
        """Whether the key of this issuer id is one of those trusted."""
        trusted = (*self._keys.values(), *self._authorities)
        return any(issuer_id(key) == anchor for key in trusted)

    def signer(self, said: IssuerAuth) -> Signer:
        """Who has to have signed it. Raises `RuleBroken`: unknown_issuer or bad_certificate."""
        if said.certificate is not None:
            return self._certified(said.certificate, said.key_id)
        key = None if said.key_id is None else self._keys.get(said.key_id)
        if key is None:
            what = "the document names no issuer, or none that is trusted here"
            raise RuleBroken(Reason.UNKNOWN_ISSUER, what)
        return Signer(key, issuer_id(key))

    def _certified(self, encoded: bytes, named: bytes | None) -> Signer:
        certificate, key = _read(encoded)
        found = (each for each in self._authorities if _is_signed_by(certificate, each))
        authority = next(found, None)
        if authority is None:
            raise RuleBroken(Reason.UNKNOWN_ISSUER, "no authority of ours certifies this issuer")
        if named is not None and named != key_id(key):
            what = "the document names one issuer and has the certificate of another"
            raise RuleBroken(Reason.UNKNOWN_ISSUER, what)
        return Signer(key, issuer_id(authority), certificate)


def _read(encoded: bytes) -> tuple[x509.Certificate, PublicKey]:
    """A certificate that may sign documents, and the key in it."""
    try:
        certificate = x509.load_der_x509_certificate(encoded)
        key = _p256(certificate.public_key())
        _check_purpose(certificate)
        _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except _UNREADABLE:
        raise RuleBroken(Reason.BAD_CERTIFICATE, "the certificate cannot be read") from None
    return certificate, key


def _p256(key: object) -> PublicKey:
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise RuleBroken(Reason.BAD_CERTIFICATE, "the issuer's key is not on P-256")
    return PublicKey.parse(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


def _check_purpose(certificate: x509.Certificate) -> None:
    for each in certificate.extensions:
        if isinstance(each.value, x509.KeyUsage) and not each.value.digital_signature:
            raise RuleBroken(Reason.BAD_CERTIFICATE, "the certificate is not for signing")
        if each.critical and not isinstance(each.value, _UNDERSTOOD):
            raise RuleBroken(Reason.BAD_CERTIFICATE, "a critical extension is not understood")


def _is_signed_by(certificate: x509.Certificate, authority: PublicKey) -> bool:
    if certificate.signature_algorithm_oid != SignatureAlgorithmOID.ECDSA_WITH_SHA256:
        return False
    covered = certificate.tbs_certificate_bytes
    return any(authority.verifies(raw, covered) for raw in _raw(certificate.signature))


def _raw(signature: bytes) -> Iterable[bytes]:
    """The signature as r | s; a version of the certification harness writes it like this."""
    if len(signature) == SIGNATURE_SIZE:
        yield signature
    try:
        r, s = decode_dss_signature(signature)
        yield r.to_bytes(SCALAR_SIZE, "big") + s.to_bytes(SCALAR_SIZE, "big")
    except (ValueError, OverflowError):
        return


def _covers(certificate: x509.Certificate, moment: int) -> bool:
    at = _EPOCH + timedelta(seconds=moment)
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc
