"""The card-verifiable certificate of a PKOC card (SE V2), signed by the supplier of the card.

    7F21                      certificate
      7F4E                    body; what is signed is this whole object, tag and length included
        5F29 01 00            profile
        42   10               issuer identification reference (IIR), 16 of A-Z 0-9
        7F49                  public key: 06 object identifier, 86 point(65)
        5F20 10               subject reference, 16 characters
        5F25 06, 5F24 06      effective and expiry date: Y Y M M D D, one digit a byte, from 2000
        65                    extensions, each 73 { 06 object identifier, 53 value }; may be missing
      5F37                    signature: r | s, or PKCS#1 v1.5 of an RSA supplier

Fields of the body come in any order, unknown ones are ignored, and the outer 7F21 may be missing.
The certificate names no algorithm: that is a matter of the supplier's key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.p256 import POINT_SIZE, PrivateKey
from shared.credential.pkoc.suppliers import REFERENCE, Suppliers
from shared.credential.tlv import Fields, Limits, Malformed, Tlv, encode, parse

P256_OID = bytes.fromhex("2A8648CE3D030107")
UUID_EXTENSION = bytes.fromhex("2B0601040183D2250801")

_CERTIFICATE, _BODY, _SIGNATURE = 0x7F21, 0x7F4E, 0x5F37
_PROFILE, _IIR, _KEY, _SUBJECT = 0x5F29, 0x42, 0x7F49, 0x5F20
_EFFECTIVE, _EXPIRY, _EXTENSIONS = 0x5F25, 0x5F24, 0x65
_OID, _POINT, _EXTENSION, _VALUE = 0x06, 0x86, 0x73, 0x53
_FIELDS = (_PROFILE, _IIR, _KEY, _SUBJECT, _EFFECTIVE, _EXPIRY, _EXTENSIONS)
# 250 bytes with one extension; an RSA supplier signs 512 more.
LIMITS = Limits(size=2048, count=32)
_MAX_REFERENCE = 16


@dataclass(frozen=True, slots=True)
class Claims:
    """What a certificate says, and nobody has checked; `point` may not even be on the curve."""

    profile: bytes
    issuer: bytes
    subject: bytes
    point: bytes = field(repr=False)
    effective: date
    expires: date  # the last day it is good for
    extensions: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)

    def encode(self) -> bytes:
        """The signed body, in the order of the cards in the field."""
        key = encode(_KEY, encode(_OID, P256_OID) + encode(_POINT, self.point))
        listed = b"".join(
            encode(_EXTENSION, encode(_OID, oid) + encode(_VALUE, value))
            for oid, value in self.extensions
        )
        body = (
            encode(_PROFILE, self.profile)
            + encode(_IIR, self.issuer)
            + key
            + encode(_SUBJECT, self.subject)
            + encode(_EFFECTIVE, _digits(self.effective))
            + encode(_EXPIRY, _digits(self.expires))
            + (encode(_EXTENSIONS, listed) if listed else b"")
        )
        return encode(_BODY, body)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as it came: `claims` out of `signed`, and the signature over `signed`."""

    claims: Claims
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @classmethod
    def issue(cls, claims: Claims, supplier: PrivateKey) -> Certificate:
        signed = claims.encode()
        return cls(claims, signed, supplier.sign(signed))

    def encode(self) -> bytes:
        return encode(_CERTIFICATE, self.signed + encode(_SIGNATURE, self.signature))

    @classmethod
    def decode(cls, data: bytes) -> Certificate:
        """Raises `RuleBroken`: malformed, wrong_length, or bad_certificate (no key of P-256)."""
        objects = parse(data, LIMITS)
        if len(objects) == 1 and objects[0].tag == _CERTIFICATE:
            objects = parse(objects[0].value, LIMITS)
        outer = Fields(objects, (_BODY, _SIGNATURE))
        body = outer.need(_BODY)
        return cls(_claims(body), encode(_BODY, body), outer.need(_SIGNATURE))

    def validate(self, suppliers: Suppliers, *, today: date | None, dates: bool) -> str:
        """The reference of the supplier who signed this; with `dates` it must be good `today`.

        Raises `RuleBroken`: bad_certificate, unknown_issuer, certificate_expired, no_clock.
        """
        claims = self.claims
        issuer = claims.issuer.decode("ascii", "replace")
        if claims.profile != b"\0" or not REFERENCE.fullmatch(issuer):
            raise RuleBroken(Reason.BAD_CERTIFICATE, "the certificate is of another profile")
        key = suppliers.find(issuer)
        if key is None:
            raise RuleBroken(Reason.UNKNOWN_ISSUER, "the card is of a supplier that is not set up")
        if not key.verifies(self.signature, self.signed):
            raise RuleBroken(Reason.BAD_CERTIFICATE, "the supplier has not signed this certificate")
        if dates:
            self._check_dates(today)
        return issuer

    def _check_dates(self, today: date | None) -> None:
        if today is None:
            raise RuleBroken(Reason.NO_CLOCK, "the certificate has dates, the clock is not set")
        if not self.claims.effective <= today <= self.claims.expires:
            raise RuleBroken(Reason.CERTIFICATE_EXPIRED, "the certificate is not good today")


def _claims(body: bytes) -> Claims:
    fields = Fields(parse(body, LIMITS), _FIELDS)
    return Claims(
        fields.need(_PROFILE),
        fields.need(_IIR),
        fields.need(_SUBJECT)[:_MAX_REFERENCE],
        _point(fields.need(_KEY)),
        _date(fields.exactly(_EFFECTIVE, 6)),
        _date(fields.exactly(_EXPIRY, 6)),
        tuple(_extension(each.value) for each in _extensions(fields.get(_EXTENSIONS))),
    )


def _point(value: bytes) -> bytes:
    fields = Fields(parse(value, LIMITS), (_OID, _POINT))
    if fields.need(_OID) != P256_OID:
        raise RuleBroken(Reason.BAD_CERTIFICATE, "the card's key is not one of P-256")
    return fields.exactly(_POINT, POINT_SIZE)


def _extensions(value: bytes | None) -> list[Tlv]:
    objects = parse(value, LIMITS) if value else ()
    return [each for each in objects if each.tag == _EXTENSION]


def _extension(value: bytes) -> tuple[bytes, bytes]:
    fields = Fields(parse(value, LIMITS), (_OID, _VALUE))
    return fields.need(_OID), fields.need(_VALUE)


def _digits(day: date) -> bytes:
    return bytes(int(digit) for digit in f"{day:%y%m%d}")


def _date(digits: bytes) -> date:
    if max(digits) > 9:
        raise Malformed("a date is six bytes, each a digit")
    year, month, day = (10 * digits[at] + digits[at + 1] for at in (0, 2, 4))
    try:
        return date(2000 + year, month, day)
    except ValueError:
        raise Malformed("a date that no calendar has") from None
