"""Whose certificates count: authorities with their intermediates and cached revocation lists.

A card's certificate leads over at most two intermediates to an authority that the site has chosen.
Every certificate on the way must be good now, every issuer must be allowed to issue, and no list
may name anything on the way. A list that is out of date still names what it names; where lists are
required, a missing or outdated one refuses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID

from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason

Kind = TypeVar("Kind", bound=x509.ExtensionType)

MAX_INTERMEDIATES = 2
# id-PIV-cardAuth (FIPS 201): a certificate made for this purpose says so.
CARD_AUTHENTICATION = x509.ObjectIdentifier("2.16.840.1.101.3.6.8")
_UNDERSTOOD = (
    x509.BasicConstraints,
    x509.KeyUsage,
    x509.ExtendedKeyUsage,
    x509.SubjectAlternativeName,
    x509.CertificatePolicies,
    x509.CRLDistributionPoints,
)
# All that the library raises over bytes which are no certificate, or a strange one.
UNREADABLE: tuple[type[Exception], ...] = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
_UNPROVEN: tuple[type[Exception], ...] = (InvalidSignature, *UNREADABLE)


@dataclass(frozen=True, slots=True)
class Clock:
    """The time, UTC and aware, by which certificates are judged."""

    now: datetime


class Authorities:
    """What one site trusts. `ValueError` for an authority or intermediate that may not issue."""

    def __init__(
        self,
        anchors: Iterable[x509.Certificate],
        intermediates: Iterable[x509.Certificate] = (),
        revocations: Iterable[x509.CertificateRevocationList] = (),
        *,
        lists_required: bool = False,
    ) -> None:
        self._anchors = tuple(anchors)
        self._intermediates = tuple(intermediates)
        self._lists_required = lists_required
        for issuer in (*self._anchors, *self._intermediates):
            if not _may_issue(issuer):
                raise ValueError(f"{issuer.subject.rfc4514_string()!a:.80} may not issue")
        self._revocations = tuple(revocations)

    @classmethod
    def load(
        cls, anchors: Iterable[bytes], intermediates: Iterable[bytes], revocations: Iterable[bytes]
    ) -> Authorities:
        """Read all of them from DER. `ValueError` for what cannot be read, or may not issue."""
        try:
            return cls(
                map(x509.load_der_x509_certificate, anchors),
                map(x509.load_der_x509_certificate, intermediates),
                map(x509.load_der_x509_crl, revocations),
            )
        except UNREADABLE as error:
            raise ValueError(str(error)) from None

    def check(self, certificate: x509.Certificate, clock: Clock | None) -> str:
        """The name of the authority to which `certificate`, a card's, leads.

        Raises `RuleBroken`: no_clock, unknown_issuer, bad_certificate, certificate_expired,
        certificate_revoked or revocation_unknown.
        """
        if clock is None:
            raise RuleBroken(Reason.NO_CLOCK, "certificates have dates, the clock is not set")
        try:
            _check_purpose(certificate)
            *path, anchor = self._path(certificate, MAX_INTERMEDIATES)
        except UNREADABLE:
            raise RuleBroken(Reason.BAD_CERTIFICATE, "the certificate cannot be read") from None
        chain = [certificate, *path, anchor]
        for one in chain:
            if not one.not_valid_before_utc <= clock.now <= one.not_valid_after_utc:
                raise RuleBroken(Reason.CERTIFICATE_EXPIRED, "a certificate is out of date")
        for subject, issuer in pairwise(chain):
            self._check_revoked(subject, issuer, clock)
        return anchor.subject.rfc4514_string()[:64]

    def _path(self, subject: x509.Certificate, more: int) -> list[x509.Certificate]:
        """The issuers of `subject`, up to an authority. Raises `RuleBroken`: unknown_issuer."""
        for anchor in self._anchors:
            if _is_issued_by(subject, anchor):
                return [anchor]
        for intermediate in self._intermediates if more else ():
            if intermediate != subject and _is_issued_by(subject, intermediate):
                return [intermediate, *self._path(intermediate, more - 1)]
        raise RuleBroken(Reason.UNKNOWN_ISSUER, "the certificate leads to no authority of ours")

    def _check_revoked(
        self, subject: x509.Certificate, issuer: x509.Certificate, clock: Clock
    ) -> None:
        current = False
        for revocations in self._revocations:
            if revocations.issuer != issuer.subject or not _is_list_of(revocations, issuer):
                continue
            if revocations.get_revoked_certificate_by_serial_number(subject.serial_number):
                raise RuleBroken(Reason.CERTIFICATE_REVOKED, "a certificate has been revoked")
            until = revocations.next_update_utc
            current |= until is not None and clock.now <= until
        if self._lists_required and not current:
            what = "there is no current revocation list of the issuer"
            raise RuleBroken(Reason.REVOCATION_UNKNOWN, what)


def _check_purpose(certificate: x509.Certificate) -> None:
    """A card's certificate may say what it is for; then it must be for this."""
    usage = _extension(certificate, x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        raise RuleBroken(Reason.BAD_CERTIFICATE, "the certificate is not for signing")
    extended = _extension(certificate, x509.ExtendedKeyUsage)
    allowed = (CARD_AUTHENTICATION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    if extended is not None and not any(each in extended for each in allowed):
        raise RuleBroken(Reason.BAD_CERTIFICATE, "the certificate is not for card authentication")
    for each in certificate.extensions:
        if each.critical and not isinstance(each.value, _UNDERSTOOD):
            raise RuleBroken(Reason.BAD_CERTIFICATE, "a critical extension is not understood")


def _may_issue(certificate: x509.Certificate) -> bool:
    constraints = _extension(certificate, x509.BasicConstraints)
    usage = _extension(certificate, x509.KeyUsage)
    signs = usage is None or usage.key_cert_sign
    return constraints is not None and constraints.ca and signs


def _is_issued_by(subject: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        subject.verify_directly_issued_by(issuer)
    except _UNPROVEN:
        return False
    return True


def _is_list_of(revocations: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    key = issuer.public_key()
    try:
        return revocations.is_signature_valid(key)  # type: ignore[arg-type]  # else TypeError
    except _UNPROVEN:
        return False


def _extension(certificate: x509.Certificate, kind: type[Kind]) -> Kind | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
