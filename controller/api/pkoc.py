"""What old panels and the official PKOC apps show of a key, and what those apps scan."""

from __future__ import annotations

from pydantic import BaseModel, Field

from controller.store.tables import Reader
from shared.credential.card_number import Wiegand
from shared.credential.errors import RuleBroken
from shared.credential.identifier import is_point
from shared.credential.p256 import PublicKey
from shared.credential.pkoc.identity import KnownReader
from shared.credential.pkoc.numbers import SIZES, CredentialNumber
from shared.credential.pkoc.provisioning import ReaderCode, SupplierCode
from shared.credential.pkoc.suppliers import load_key


class NumberAnswer(BaseModel):
    """So many bits of a key. For display only: no door takes it, and somebody may share it."""

    bits: int = Field(examples=[64])
    hexadecimal: str = Field(examples=["84848B79FD463E32"])
    decimal: str = Field(examples=["9549094083188048434"])


def numbers_of(identifier: bytes | None) -> list[NumberAnswer]:
    """Return the numbers of a P-256 key, the shortest first; nothing else has any."""
    if identifier is None or not is_point(identifier):
        return []
    numbers = (CredentialNumber.of(identifier, bits) for bits in SIZES)
    return [
        NumberAnswer(bits=each.bits, hexadecimal=each.hexadecimal, decimal=each.decimal)
        for each in numbers
    ]


def printed_on(identifier: bytes | None) -> list[str]:
    """Return what may be printed on a card of which the Wiegand bits are known."""
    number = None if identifier is None else Wiegand.of(identifier)
    return [] if number is None else [str(reading) for reading in number.readings()]


def code_of_reader(reader: Reader, issuer: PublicKey | None) -> str | None:
    """Return the text of the QR code by which an app learns a reader that has its key.

    With the `issuer` it can judge the certificates that the reader shows.
    """
    if reader.pkoc_key is None:
        return None
    key = PublicKey.parse(reader.pkoc_key)
    known = KnownReader(reader.pkoc_site, reader.pkoc_location, key)
    return ReaderCode(known, issuer).encode()


def code_of_supplier(reference: str, key: str) -> str | None:
    """Return the text of the QR code by which an app for readers learns a supplier."""
    try:
        found = load_key(bytes.fromhex(key))
    except ValueError:
        return None  # an RSA key, which no code holds
    return SupplierCode(reference, found).encode() if isinstance(found, PublicKey) else None


def read_supplier(code: str) -> dict[str, str]:
    """Return reference and key out of a QR code. `ValueError` with a text for whoever sent it."""
    try:
        found = SupplierCode.decode(code)
    except RuleBroken:
        raise ValueError(
            'must have reference and public_key, or be the text of a supplier\'s QR code: {"v":1,'
            '"type":"pkoc_supplier","iir":...,"issuerPublicKey":...}'
        ) from None
    return {"reference": found.reference, "public_key": found.key.point.hex()}
