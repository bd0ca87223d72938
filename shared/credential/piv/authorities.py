"""Whose certificates count: authorities with their intermediates and cached revocation lists.

A card's certificate leads over at most two intermediates to an authority that the site has chosen.
Every certificate on the way must be good now, every issuer must be allowed to issue, and no list
may name anything on the way. A list that is out of date still names what it names; where lists are
required, a missing or outdated one refuses.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason

# From when to when a certificate is good, both included.
Dates: TypeAlias = tuple[datetime, datetime]
Kind = TypeVar("Kind", bound=x509.ExtensionType)

MAX_INTERMEDIATES = 2
# The regulars of a door; whoever else comes costs a signature more.
MAX_KNOWN = 256
# id-PIV-cardAuth (FIPS 201): a certificate made for this purpose says so.
CARD_AUTHENTICATION = x509.ObjectIdentifier("2.16.840.1.101.3.6.8")
_LEAST_RSA, _LEAST_EC = 2048, 256
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


@dataclass(frozen=True, slots=True, eq=False)
class _Issuer:
    """An authority or an intermediate, and what it has taken back."""

    certificate: x509.Certificate
    name: str
    dates: Dates
    below: int | None  # so many other issuers it may have below it; None: any number
    lists: tuple[x509.CertificateRevocationList, ...]


# The issuers of a certificate, the nearest first; an authority is the last.
_Path: TypeAlias = tuple[_Issuer, ...]


class Authorities:
    """What one site trusts. `ValueError` for an authority or intermediate that may not issue,
    or whose key is weak.

    What a card's certificate is for, and whose signatures lead to an authority, is found out once.
    Dates and revocations are looked at every time.
    """

    def __init__(
        self,
        anchors: Iterable[x509.Certificate],
        intermediates: Iterable[x509.Certificate] = (),
        revocations: Iterable[x509.CertificateRevocationList] = (),
        *,
        lists_required: bool = False,
    ) -> None:
        lists = tuple(revocations)
        self._anchors = [_issuer(each, lists) for each in anchors]
        self._intermediates = [_issuer(each, lists) for each in intermediates]
        for intermediate in self._intermediates:
            _check_understood(intermediate)
        # Lists that none of them has signed, which say nothing here.
        self.unheeded = len(lists) - len(
            {id(each) for one in (*self._anchors, *self._intermediates) for each in one.lists}
        )
        self._lists_required = lists_required
        self._known: OrderedDict[x509.Certificate, list[_Path]] = OrderedDict()

    @classmethod
    def load(
        cls,
        anchors: Iterable[bytes],
        intermediates: Iterable[bytes],
        revocations: Iterable[bytes],
        *,
        lists_required: bool = False,
    ) -> Authorities:
        """Read all of them from DER. `ValueError` for what cannot be read, or may not issue."""
        try:
            return cls(
                map(x509.load_der_x509_certificate, anchors),
                map(x509.load_der_x509_certificate, intermediates),
                map(x509.load_der_x509_crl, revocations),
                lists_required=lists_required,
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
        broken = RuleBroken(Reason.UNKNOWN_ISSUER, "the certificate leads to no authority of ours")
        for path in self._paths(certificate):
            try:
                self._check_path(certificate, path, clock)
            except RuleBroken as error:
                broken = error
            else:
                return path[-1].name
        raise broken

    def _paths(self, certificate: x509.Certificate) -> list[_Path]:
        """All ways to an authority: more than one where one was renewed. Raises `RuleBroken`."""
        found = self._known.get(certificate)
        if found is None:
            try:
                _check_purpose(certificate)
                found = list(self._ways(certificate, MAX_INTERMEDIATES))
            except UNREADABLE:
                raise RuleBroken(Reason.BAD_CERTIFICATE, "the certificate cannot be read") from None
        if found:
            self._known[certificate] = found
            self._known.move_to_end(certificate)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return found

    def _ways(self, subject: x509.Certificate, more: int) -> Iterator[_Path]:
        for anchor in self._anchors:
            if _is_issued_by(subject, anchor.certificate):
                yield (anchor,)
        for one in self._intermediates if more else ():
            if one.certificate != subject and _is_issued_by(subject, one.certificate):
                for rest in self._ways(one.certificate, more - 1):
                    yield (one, *rest)

    def _check_path(self, certificate: x509.Certificate, path: _Path, clock: Clock) -> None:
        dates = (_dates(certificate), *(issuer.dates for issuer in path))
        if not all(first <= clock.now <= last for first, last in dates):
            raise RuleBroken(Reason.CERTIFICATE_EXPIRED, "a certificate is out of date")
        for below, issuer in enumerate(path):
            if issuer.below is not None and below > issuer.below:
                what = "an authority has more authorities below it than it may"
                raise RuleBroken(Reason.BAD_CERTIFICATE, what)
        subjects = (certificate, *(issuer.certificate for issuer in path))
        for subject, issuer in zip(subjects, path, strict=False):
            self._check_revoked(subject, issuer, clock)

    def _check_revoked(self, subject: x509.Certificate, issuer: _Issuer, clock: Clock) -> None:
        current = False
        for revocations in issuer.lists:
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
    if not _is_understood(certificate):
        raise RuleBroken(Reason.BAD_CERTIFICATE, "a critical extension is not understood")


def _issuer(
    certificate: x509.Certificate, lists: Iterable[x509.CertificateRevocationList]
) -> _Issuer:
    """`ValueError` for a certificate that does not let its holder, and no other, issue."""
    constraints = _extension(certificate, x509.BasicConstraints)
    usage = _extension(certificate, x509.KeyUsage)
    signs = usage is None or usage.key_cert_sign
    name = certificate.subject.rfc4514_string()
    if constraints is None or not constraints.ca or not signs:
        raise ValueError(f"{name!a:.80} may not issue")
    if not _is_strong(certificate):
        raise ValueError(f"{name!a:.80} has a weak key; take RSA from 2048 bits, EC from 256")
    own = tuple(each for each in lists if _is_list_of(each, certificate))
    return _Issuer(certificate, name[:64], _dates(certificate), constraints.path_length, own)


def _is_strong(certificate: x509.Certificate) -> bool:
    """Whether nobody else can make signatures by its key, as far as we can tell."""
    try:
        key = certificate.public_key()
    except UNREADABLE:
        return False
    match key:
        case rsa.RSAPublicKey():
            return key.key_size >= _LEAST_RSA
        case ec.EllipticCurvePublicKey():
            return key.key_size >= _LEAST_EC
        case _:
            return isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey)


def _dates(certificate: x509.Certificate) -> Dates:
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


def _check_understood(intermediate: _Issuer) -> None:
    """`ValueError` where its issuer has bound it to conditions that nobody here looks at.

    An authority is not bound by anybody: it is trusted by its name and key.
    """
    if not _is_understood(intermediate.certificate):
        raise ValueError(
            f"{intermediate.name!a:.80} has a critical extension that is not understood; "
            "list it as an authority if you trust it without"
        )


def _is_understood(certificate: x509.Certificate) -> bool:
    return all(
        isinstance(each.value, _UNDERSTOOD) for each in certificate.extensions if each.critical
    )


def _is_issued_by(subject: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        subject.verify_directly_issued_by(issuer)
    except _UNPROVEN:
        return False
    return True


def _is_list_of(revocations: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    if revocations.issuer != issuer.subject:
        return False
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
