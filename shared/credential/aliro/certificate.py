"""The certificate of a reader, in the compressed form of Aliro (profile 0000).

    30 L  04 02 0000                             the profile
          30 L  80 n serial (1-20 bytes)         left out where it is 01
                81 n issuer's name (1-32)        left out where it is "issuer"
                82 n not before (YYMMDDhhmmssZ)  left out where it is 200101000000Z
                83 n not after                   left out where it is 490101000000Z
                84 n subject's name (1-32)       left out where it is "subject"
                85 42 00 | point(65)             the reader's key
                86 n 00 | DER signature          by the issuer, over the expanded certificate

It stands for an X.509 v3 certificate that has nothing else in it: ECDSA with SHA-256, one common
name each for issuer and subject (UTF8String), and as extensions the SHA-1 of the issuer's point,
empty basic constraints, and the key usage "digital signature", the last two critical.
"""

from __future__ import annotations

import datetime
import hashlib
import re
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.p256 import SCALAR_SIZE, PrivateKey, PublicKey
from shared.credential.tlv import Fields, Limits, Malformed, encode, parse

MAX_SERIAL = 20
MAX_NAME = 32
# The profile says 32; certificates with longer names are about, and X.520 has room for them.
_LONGEST_NAME = 64

_SEQUENCE, _SET, _INTEGER, _BITS, _OCTETS, _UTF8, _TIME = 0x30, 0x31, 0x02, 0x03, 0x04, 0x0C, 0x17
_PROFILE = bytes.fromhex("0402 0000")
_SERIAL, _ISSUER, _NOT_BEFORE, _NOT_AFTER, _SUBJECT, _KEY, _SIGNATURE = range(0x80, 0x87)
_TAGS = range(_SERIAL, _SIGNATURE + 1)
_DEFAULTS = {
    _SERIAL: b"\1",
    _ISSUER: b"issuer",
    _NOT_BEFORE: b"200101000000Z",
    _NOT_AFTER: b"490101000000Z",
    _SUBJECT: b"subject",
}
# With everything at its longest it has some 320 bytes.
_LIMITS = Limits(size=512, count=16)

_VERSION_3 = bytes.fromhex("A003 0201 02")
_ECDSA_SHA256 = bytes.fromhex("300A 0608 2A8648CE3D040302")
_COMMON_NAME = bytes.fromhex("0603 550403")
_EC_P256 = bytes.fromhex("3013 0607 2A8648CE3D0201 0608 2A8648CE3D030107")
_AUTHORITY_KEY = bytes.fromhex("0603 551D23")
_NO_CA = bytes.fromhex("300C 0603 551D13 0101FF 0402 3000")
_SIGNS = bytes.fromhex("300E 0603 551D0F 0101FF 0404 03020780")


@dataclass(frozen=True, slots=True)
class ReaderCertificate:
    """What a reader system issuer says of a reader; nobody has checked it before `check`."""

    key: PublicKey
    signature: bytes = field(repr=False)  # DER
    serial: bytes = _DEFAULTS[_SERIAL]
    issuer: bytes = _DEFAULTS[_ISSUER]
    subject: bytes = _DEFAULTS[_SUBJECT]
    not_before: bytes = _DEFAULTS[_NOT_BEFORE]
    not_after: bytes = _DEFAULTS[_NOT_AFTER]

    @classmethod
    def issue(
        cls,
        issuer: PrivateKey,
        key: PublicKey,
        *,
        serial: int = 1,
        issuer_name: str = "issuer",
        subject_name: str = "subject",
        not_before: int | None = None,
        not_after: int | None = None,
    ) -> ReaderCertificate:
        """Certify `key`; dates are Unix seconds, None the default of the profile.

        `ValueError` for what the profile has no room for.
        """
        draft = cls(
            key,
            b"",
            serial.to_bytes(serial.bit_length() // 8 + 1, "big"),
            issuer_name.encode(),
            subject_name.encode(),
            _DEFAULTS[_NOT_BEFORE] if not_before is None else _utc_time(not_before),
            _DEFAULTS[_NOT_AFTER] if not_after is None else _utc_time(not_after),
        )
        _check_form(draft, MAX_NAME)
        signature = issuer.sign(draft.to_be_signed(issuer.public))
        r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        return replace(draft, signature=encode_dss_signature(r, s))

    def encode(self) -> bytes:
        """The compressed form, with everything left out that may be."""
        values = {
            _SERIAL: self.serial,
            _ISSUER: self.issuer,
            _NOT_BEFORE: self.not_before,
            _NOT_AFTER: self.not_after,
            _SUBJECT: self.subject,
            _KEY: b"\0" + self.key.point,
            _SIGNATURE: b"\0" + self.signature,
        }
        body = (encode(tag, value) for tag, value in values.items() if _DEFAULTS.get(tag) != value)
        return encode(_SEQUENCE, _PROFILE + encode(_SEQUENCE, b"".join(body)))

    @classmethod
    def decode(cls, data: bytes) -> ReaderCertificate:
        """Read the compressed form. Raises `RuleBroken`: malformed, wrong_length or off_curve."""
        fields = _fields(data)
        key = fields.exactly(_KEY, 66)
        signature = fields.need(_SIGNATURE)
        if key[0] or signature[:1] != b"\0":
            raise Malformed("a bit string with unused bits")
        given = {tag: value for tag in _DEFAULTS if (value := fields.get(tag)) is not None}
        defaulted = _DEFAULTS | given
        found = cls(
            PublicKey.parse(key[1:]),
            signature[1:],
            defaulted[_SERIAL],
            defaulted[_ISSUER],
            defaulted[_SUBJECT],
            defaulted[_NOT_BEFORE],
            defaulted[_NOT_AFTER],
        )
        try:
            _check_form(found, _LONGEST_NAME)
        except ValueError as error:
            raise Malformed(str(error)) from None
        return found

    def check(self, issuer: PublicKey, *, at: int | None) -> None:
        """Whether `issuer` has signed it and it is good `at` (Unix seconds; None: no clock).

        Raises `RuleBroken`: bad_certificate or certificate_expired.
        """
        if not issuer.verifies(_raw(self.signature), self.to_be_signed(issuer)):
            raise RuleBroken(Reason.BAD_CERTIFICATE, "not signed by the issuer of this group")
        if at is not None and not _seconds(self.not_before) <= at <= _seconds(self.not_after):
            raise RuleBroken(Reason.CERTIFICATE_EXPIRED, "the reader's certificate is out of date")

    def x509(self, issuer: PublicKey) -> bytes:
        """The expanded certificate, DER."""
        signature = encode(_BITS, b"\0" + self.signature)
        return encode(_SEQUENCE, self.to_be_signed(issuer) + _ECDSA_SHA256 + signature)

    def to_be_signed(self, issuer: PublicKey) -> bytes:
        """The part of the expanded certificate that its signature covers."""
        validity = encode(_TIME, self.not_before) + encode(_TIME, self.not_after)
        body = (
            _VERSION_3,
            encode(_INTEGER, self.serial),
            _ECDSA_SHA256,
            _name(self.issuer),
            encode(_SEQUENCE, validity),
            _name(self.subject),
            encode(_SEQUENCE, _EC_P256 + encode(_BITS, b"\0" + self.key.point)),
            encode(0xA3, encode(_SEQUENCE, _authority(issuer) + _NO_CA + _SIGNS)),
        )
        return encode(_SEQUENCE, b"".join(body))


def _fields(data: bytes) -> Fields:
    outer = parse(data, _LIMITS)
    if [tag for tag, _ in outer] != [_SEQUENCE]:
        raise Malformed("a compressed certificate is one sequence")
    inner = parse(outer[0].value, _LIMITS)
    if [tag for tag, _ in inner] != [_OCTETS, _SEQUENCE]:
        raise Malformed("a compressed certificate has a profile and a body")
    if encode(*inner[0]) != _PROFILE:
        raise Malformed("a certificate of another profile than 0000")
    row = parse(inner[1].value, _LIMITS)
    tags = [tag for tag, _ in row]
    if tags != sorted(tags) or any(tag not in _TAGS for tag in tags):
        raise Malformed("fields of a certificate that are unknown or out of order")
    return Fields(row, _TAGS)


def _check_form(certificate: ReaderCertificate, longest_name: int) -> None:
    """`ValueError` unless every field has the length and the form that X.509 gives it."""
    serial = certificate.serial
    padded = len(serial) > 1 and serial[0] == 0 and serial[1] < 0x80
    if not 1 <= len(serial) <= MAX_SERIAL or serial[0] >= 0x80 or padded:
        raise ValueError(f"a serial number is positive and has at most {MAX_SERIAL} bytes")
    for name in (certificate.issuer, certificate.subject):
        if not 1 <= len(name) <= longest_name:
            raise ValueError(f"a name has 1 to {longest_name} bytes, not {len(name)}")
        try:
            name.decode()
        except UnicodeDecodeError:
            raise ValueError("a name that is not UTF-8") from None
    if _seconds(certificate.not_before) > _seconds(certificate.not_after):
        raise ValueError("no moment lies between the dates of the certificate")


def _seconds(utc_time: bytes) -> int:
    """Unix seconds of YYMMDDhhmmssZ (years 50 to 99 are of the last century); or `ValueError`."""
    if not re.fullmatch(rb"[0-9]{12}Z", utc_time):
        raise ValueError("a date that is not YYMMDDhhmmssZ")
    century = "19" if utc_time >= b"5" else "20"
    try:
        moment = datetime.datetime.strptime(century + utc_time.decode(), "%Y%m%d%H%M%S%z")
    except ValueError:
        raise ValueError("a date that no calendar has") from None
    return int(moment.timestamp())


def _utc_time(seconds: int) -> bytes:
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    moment = epoch + datetime.timedelta(seconds=seconds)
    if not 1950 <= moment.year < 2050:
        raise ValueError(f"the year {moment.year} does not fit two digits")
    return moment.strftime("%y%m%d%H%M%SZ").encode()


def _name(common_name: bytes) -> bytes:
    attribute = encode(_SEQUENCE, _COMMON_NAME + encode(_UTF8, common_name))
    return encode(_SEQUENCE, encode(_SET, attribute))


def _authority(issuer: PublicKey) -> bytes:
    """The extension that names the issuer's key."""
    digest = hashlib.sha1(issuer.point, usedforsecurity=False).digest()
    value = encode(_OCTETS, encode(_SEQUENCE, encode(0x80, digest)))
    return encode(_SEQUENCE, _AUTHORITY_KEY + value)


def _raw(signature: bytes) -> bytes:
    """r | s of a DER signature; nothing, which verifies nowhere, of anything else."""
    try:
        r, s = decode_dss_signature(signature)
        return r.to_bytes(SCALAR_SIZE, "big") + s.to_bytes(SCALAR_SIZE, "big")
    except (ValueError, OverflowError):
        return b""
