"""What phones and readers learn from QR codes: the texts that the official PKOC apps scan and show.

    reader      {"siteUuid", "readerUuid", "publicKey"}, and from 2.0.1 "siteIssuerKey", "cert"
    supplier    {"v": 1, "type": "pkoc_supplier", "iir", "issuerPublicKey"}
    credential  130 hexadecimal digits, the whole public key

No code is signed: whoever gets somebody to scan a foreign one plants a rogue reader or supplier. An
app keeps one key for each site, so every door needs its own scan and every reader its own site.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

import msgspec

from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.p256 import PublicKey
from shared.credential.pkoc.identity import KnownReader
from shared.credential.pkoc.reader_certificate import ReaderCertificate
from shared.credential.tlv import Malformed

# The largest QR code that a phone reads from a sticker holds some 1,500 characters.
MAX_TEXT = 2_048

_Uuid = Annotated[
    str, msgspec.Meta(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
]
_Point = Annotated[str, msgspec.Meta(pattern=r"^04[0-9a-fA-F]{128}\Z")]
_Certificate = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-fA-F]{276}\Z")]
_Reference = Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9]{16}\Z")]
T = TypeVar("T")


class _Reader(msgspec.Struct, frozen=True, omit_defaults=True):
    siteUuid: _Uuid  # noqa: N815 - the apps spell it so
    readerUuid: _Uuid  # noqa: N815
    publicKey: _Point  # noqa: N815
    siteIssuerKey: _Point | None = None  # noqa: N815
    cert: _Certificate | None = None


class _Supplier(msgspec.Struct, frozen=True):
    v: Literal[1]
    type: Literal["pkoc_supplier"]
    iir: _Reference
    issuerPublicKey: _Point  # noqa: N815


@dataclass(frozen=True, slots=True)
class ReaderCode:
    """A reader for a phone to know; with issuer and certificate for phones that take them."""

    reader: KnownReader
    issuer: PublicKey | None = None
    certificate: ReaderCertificate | None = None

    def encode(self) -> str:
        code = _Reader(
            _uuid(self.reader.site),
            _uuid(self.reader.location),
            self.reader.key.point.hex(),
            self.issuer.point.hex() if self.issuer else None,
            self.certificate.encode().hex() if self.certificate else None,
        )
        return msgspec.json.encode(code).decode()

    @classmethod
    def decode(cls, text: str) -> ReaderCode:
        """Raises `RuleBroken`: malformed, off_curve, or unknown_reader for a demonstration site."""
        code = _read(text, _Reader)
        site, location = (bytes.fromhex(each.replace("-", "")) for each in _ids(code))
        try:
            reader = KnownReader(site, location, _key(code.publicKey))
        except ValueError as error:
            raise RuleBroken(Reason.UNKNOWN_READER, str(error)) from None
        return cls(
            reader,
            _key(code.siteIssuerKey) if code.siteIssuerKey else None,
            ReaderCertificate.decode(bytes.fromhex(code.cert)) if code.cert else None,
        )


@dataclass(frozen=True, slots=True)
class SupplierCode:
    """A supplier of cards for a reader to trust."""

    reference: str
    key: PublicKey

    def encode(self) -> str:
        code = _Supplier(1, "pkoc_supplier", self.reference, self.key.point.hex())
        return msgspec.json.encode(code).decode()

    @classmethod
    def decode(cls, text: str) -> SupplierCode:
        """Raises `RuleBroken`: malformed or off_curve."""
        code = _read(text, _Supplier)
        return cls(code.iir, _key(code.issuerPublicKey))


def encode_credential(key: PublicKey) -> str:
    """The text by which a phone or card is enrolled at a desk."""
    return key.point.hex().upper()


def decode_credential(text: str) -> PublicKey:
    """The key that a phone shows for enrolment.

    Raises `RuleBroken`: off_curve; wrong_length for one of the shortened numbers that apps can be
    set to show, which prove nothing and enrol nobody; malformed.
    """
    text = text.strip()
    if re.fullmatch(r"[0-9]{1,78}", text):
        raise RuleBroken(
            Reason.WRONG_LENGTH,
            "this is a shortened number of a key; have the app show the whole public key",
        )
    if not re.fullmatch(r"04[0-9a-fA-F]{128}", text):
        raise Malformed("a public key has 130 hexadecimal digits and begins with 04")
    return _key(text)


def _read(text: str, kind: type[T]) -> T:
    if len(text) > MAX_TEXT:
        raise Malformed(f"a code of {len(text)} characters; at most {MAX_TEXT} are read")
    try:
        return msgspec.json.decode(text.encode(errors="replace"), type=kind)
    except msgspec.ValidationError as error:
        place = re.search(r" - at `[^`]*`$", str(error))
        missing = re.match(r"Object missing required field `\w+`", str(error))
        what = missing[0] if missing else "a member is not what it should be"
        raise Malformed(f"{what}{place[0] if place and not missing else ''}") from None
    except (msgspec.DecodeError, RecursionError):
        raise Malformed("the code is no JSON") from None


def _ids(code: _Reader) -> tuple[str, str]:
    return code.siteUuid, code.readerUuid


def _key(text: str) -> PublicKey:
    return PublicKey.parse(bytes.fromhex(text))


def _uuid(value: bytes) -> str:
    text = value.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
