"""What an operator enters for a card, read into the identifier by which readers find it.

    a key       130 hex digits, the point · of a PIV card PEM, a certificate or a public key, or
                66 hex digits, the identifier of its key, as answers show it
    a number    uid 04A1B2C3D4E5F6 · H10301 1-1234 (facility-number) · H10302 1234 · bits 0101...

Of a certificate only the key counts. Whether anybody vouches for it, and until when, is judged at
the doors that ask.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from controller.intent.credential_types import CARD_NUMBER, CredentialType
from shared.credential.card_number import (
    FORMATS,
    Format,
    Printed,
    Wiegand,
    judge_uid,
    judge_wiegand,
)
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Outcome, Proven, Refused
from shared.credential.p256 import POINT_SIZE, PublicKey
from shared.credential.piv.authorities import UNREADABLE
from shared.credential.piv.keys import card_key

_KEY = (
    "must be 130 hex digits (04, X and Y of a P-256 point) of a PKOC card or a phone wallet, "
    "or a certificate or public key in PEM of a PIV card; "
    f"a card number goes with credential type {CARD_NUMBER.id}"
)
# An app that is set to 64 bits shows about 19 digits; card numbers have 12 at most.
_SHORTENED = (
    "looks like a shortened number of a key, which proves nothing; "
    "have the app show the whole public key (130 hex digits)"
)
_HASHED = 0x01
_HASHED_SIZE = 33
_NUMBER = (
    "must be a UID such as uid 04A1B2C3D4E5F6, a number as printed such as H10301 1-1234 "
    "(facility-number) or H10302 1234, or all bits such as bits 0101...; "
    f"formats are {', '.join(each.name for each in FORMATS)}"
)


@dataclass(frozen=True, slots=True)
class CardValue:
    """The identifier of a card, and the one way to write it."""

    identifier: bytes = field(repr=False)
    text: str = field(repr=False)


def read_value(kind: CredentialType, text: str) -> CardValue:
    """Read what was entered for a card of `kind`. `ValueError` with a text for whoever sent it."""
    return read_number(text) if kind.cloneable else read_key(text)


def read_key(text: str) -> CardValue:
    """Read a card's public key. `ValueError` with a text for whoever sent it."""
    text = text.strip()
    identifier = _pem(text) if "-----BEGIN" in text else _hex(text)
    return CardValue(identifier, identifier.hex())


def read_number(text: str) -> CardValue:
    """Read a number that anybody can copy. `ValueError` with a text for whoever sent it."""
    name, _, rest = text.strip().partition(" ")
    readers: dict[str, Callable[[str], CardValue]] = {"uid": _uid, "bits": _bits}
    readers |= {each.name.lower(): _printed(each) for each in FORMATS}
    read = readers.get(name.lower().removesuffix(":"))
    if read is None:
        raise ValueError(_NUMBER)
    return read(rest.strip())


def _hex(text: str) -> bytes:
    if not re.fullmatch(r"[0-9a-fA-F]+", text):
        raise ValueError(_KEY)
    data = bytes.fromhex(text) if len(text) % 2 == 0 else b""
    if len(data) == _HASHED_SIZE and data[0] == _HASHED:
        return data
    if re.fullmatch(r"[0-9]{13,78}", text):
        raise ValueError(_SHORTENED)
    if len(data) != POINT_SIZE:
        raise ValueError(_KEY)
    try:
        return PublicKey.parse(data).point
    except RuleBroken as broken:
        raise ValueError(f"is no P-256 public key: {broken}") from None


def _pem(text: str) -> bytes:
    """The identifier of the one key in a PEM text."""
    if "PRIVATE KEY-----" in text:
        raise ValueError("is a private key, which must never leave the card; give its certificate")
    if text.count("-----BEGIN") > 1:
        raise ValueError("has several blocks; give the card's own certificate alone")
    try:
        if "-----BEGIN CERTIFICATE-----" in text:
            native: object = x509.load_pem_x509_certificate(text.encode()).public_key()
        else:
            native = load_pem_public_key(text.encode())
    except UNREADABLE:
        raise ValueError("is no certificate or public key in PEM") from None
    try:
        return card_key(native).identifier
    except RuleBroken:
        raise ValueError("has a key of another kind; cards have P-256 or RSA 2048") from None


def _uid(text: str) -> CardValue:
    digits = re.sub(r"[\s:]", "", text)
    if not re.fullmatch(r"(?:[0-9a-fA-F]{2})+", digits):
        raise ValueError("is no UID: cards have 8, 14 or 20 hex digits")
    uid = bytes.fromhex(digits)
    return CardValue(_shown(judge_uid(uid)), f"uid {uid.hex().upper()}")


def _bits(text: str) -> CardValue:
    digits = re.sub(r"\s", "", text)
    return CardValue(_shown(judge_wiegand(digits)), f"bits {digits}")


def _printed(form: Format) -> Callable[[str], CardValue]:
    def read(text: str) -> CardValue:
        pattern = r"([0-9]{1,12}) ?- ?([0-9]{1,12})" if form.facility else r"()([0-9]{1,12})"
        found = re.fullmatch(pattern, text)
        if found is None:
            how = f"{form.name} 1-1234 (facility-number)" if form.facility else f"{form.name} 1234"
            raise ValueError(f"must be written {how}")
        facility = int(found[1]) if found[1] else None
        number = int(found[2])
        identifier = Wiegand(form.bits, form.write(number, facility)).identifier
        return CardValue(identifier, str(Printed(form, facility, number)))

    return read


def _shown(outcome: Outcome) -> bytes:
    """The number as a reader would take it from the card; what none would take is refused here."""
    match outcome:
        case Refused(detail=detail):
            raise ValueError(f"no reader would take it: {detail}")
        case Proven(key=identifier):
            return identifier
