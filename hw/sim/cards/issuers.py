"""Those who issue cards, certificates, documents, made up for simulations; one in each file.

    {"version": 1, "supplier": {"reference", "secret"}}                       of PKOC cards
    {"version": 1, "authority": {"name", "secret", "certificate", "revoked"}} of PIV cards
    {"version": 1, "documents": {"secret", "revoked"}}                        for phone wallets

`secret` is a P-256 scalar in hex, `certificate` PEM, `revoked` serial numbers, or hashes of
credentials, in hex. Like a wallet, a file is nobody else's to read.
"""

from __future__ import annotations

import json
import secrets
import string
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from hw.sim import private_file
from hw.sim.cards.documents import DocumentIssuer
from hw.sim.cards.held import Piv, Pkoc, new_p256
from hw.sim.private_file import PrivateFileError
from shared.credential.errors import RuleBroken
from shared.credential.p256 import PrivateKey
from shared.credential.piv.authorities import CARD_AUTHENTICATION
from shared.credential.piv.holder import CardPrivateKey
from shared.credential.pkoc.cvc import Certificate, Claims
from shared.credential.pkoc.nfc_holder import Certified
from shared.credential.pkoc.provisioning import SupplierCode
from shared.credential.pkoc.suppliers import REFERENCE

VERSION = 1
_ALPHABET = string.ascii_uppercase + string.digits
_PREFIX = "DOORWARD"
# Clocks differ, and a certificate is used the moment it is made.
_LEEWAY = timedelta(days=1)
_AUTHORITY_LIFE = timedelta(days=10 * 365)
# Certificates of PKOC cards write a year in two digits.
_LAST_DAY = date(2099, 12, 31)


@dataclass(frozen=True, slots=True)
class Supplier:
    """Issues PKOC cards of SE V2."""

    reference: str
    key: PrivateKey = field(repr=False)

    @property
    def code(self) -> str:
        """The text of the QR code by which a reader is told to trust it."""
        return SupplierCode(self.reference, self.key.public).encode()

    def issue(self, today: date, days: int) -> Pkoc:
        """A card with two new keys, certified from the day before `today` for so many `days`."""
        key = new_p256()
        until = min(today + timedelta(days=days), _LAST_DAY)
        subject = "".join(secrets.choice(_ALPHABET) for _ in range(16)).encode()
        claims = Claims(
            b"\0", self.reference.encode(), subject, key.public.point, today - _LEEWAY, until
        )
        return Pkoc(new_p256(), Certified(key, Certificate.issue(claims, self.key)))


@dataclass(frozen=True, slots=True)
class Authority:
    """Issues PIV cards, and takes them back."""

    name: str
    key: PrivateKey = field(repr=False)
    certificate: x509.Certificate
    revoked: tuple[int, ...] = ()

    @property
    def pem(self) -> str:
        """Its certificate."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def issue(self, holder: str, key: CardPrivateKey, now: datetime, days: int) -> Piv:
        """The card of `holder` with `key`, certified for so many `days` from `now` (UTC) on."""
        public = key.public.native if isinstance(key, PrivateKey) else key.public_key()
        certificate = (
            _builder(holder, self.name, now, timedelta(days=days))
            .public_key(public)
            .add_extension(x509.ExtendedKeyUsage([CARD_AUTHENTICATION]), critical=True)
            .sign(self.key.native, SHA256())
        )
        return Piv(key, certificate.public_bytes(Encoding.DER))

    def without(self, card: Piv) -> Authority:
        """The authority that has revoked `card`. `ValueError` for one that it has not issued."""
        certificate = x509.load_der_x509_certificate(card.certificate)
        if certificate.issuer != self.certificate.subject:
            raise ValueError(f"{self.name} has not issued this card")
        return replace(self, revoked=(*self.revoked, certificate.serial_number))

    def revocation_list(self, now: datetime, days: int) -> str:
        """All that it has revoked, in PEM, good for so many `days` from `now` (UTC) on."""
        builder = x509.CertificateRevocationListBuilder(
            _name(self.name), now - _LEEWAY, now + timedelta(days=days)
        )
        for serial in self.revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder(serial, now - _LEEWAY).build()
            )
        return builder.sign(self.key.native, SHA256()).public_bytes(Encoding.PEM).decode()


Issuer: TypeAlias = Supplier | Authority | DocumentIssuer


def new_supplier(reference: str | None = None) -> Supplier:
    """A supplier with a new key. `ValueError` for a reference that is not 16 of A-Z and 0-9."""
    if reference is None:
        reference = _PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(8))
    if not REFERENCE.fullmatch(reference):
        raise ValueError("a supplier's reference has 16 capital letters and digits")
    return Supplier(reference, new_p256())


def new_authority(name: str, now: datetime) -> Authority:
    """An authority with a new key, good for ten years from `now` (UTC) on."""
    key = new_p256()
    certificate = (
        _builder(name, name, now, _AUTHORITY_LIFE)
        .public_key(key.public.native)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key.native, SHA256())
    )
    return Authority(name, key, certificate)


def create(path: Path, issuer: Issuer) -> None:
    """Write a new file. Raises `PrivateFileError` if there is one already."""
    with private_file.locked(path):
        if path.exists():
            raise PrivateFileError(f"{path}: is there already; an issuer's key is not replaced")
        save(path, issuer)


def save(path: Path, issuer: Issuer) -> None:
    """Replace the file."""
    private_file.write(path, json.dumps(_plain(issuer), indent=1))


def load(path: Path) -> Issuer:
    """Read a file. Raises `PrivateFileError`."""
    text = private_file.read(path)
    if text is None:
        raise PrivateFileError(
            f"{path}: no issuer; make one: doorward-card supplier, authority, or sharer"
        )
    try:
        return _issuer(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RuleBroken) as error:
        # Never the text of the error: it may quote a key.
        what = type(error).__name__
        raise PrivateFileError(f"{path}: this is no issuer of cards ({what})") from None


def today(now: float) -> date:
    """The day in UTC."""
    return instant(now).date()


def instant(now: float) -> datetime:
    """Unix seconds as certificates have them."""
    return datetime.fromtimestamp(int(now), UTC)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: str, issuer: str, now: datetime, life: timedelta) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _LEEWAY)
        .not_valid_after(now + life)
    )


def _plain(issuer: Issuer) -> dict[str, Any]:
    secret = issuer.key.secret_bytes().hex()
    match issuer:
        case Supplier(reference=reference):
            return {"version": VERSION, "supplier": {"reference": reference, "secret": secret}}
        case Authority(name=name, revoked=revoked):
            kept = {"name": name, "secret": secret, "certificate": issuer.pem}
            serials = [f"{serial:x}" for serial in revoked]
            return {"version": VERSION, "authority": {**kept, "revoked": serials}}
        case DocumentIssuer(revoked=hashes):
            revoked_by = [each.hex() for each in hashes]
            return {"version": VERSION, "documents": {"secret": secret, "revoked": revoked_by}}


def _issuer(value: Any) -> Issuer:
    if value["version"] != VERSION:
        raise ValueError("another version")
    (kept,) = (value[kind] for kind in ("supplier", "authority", "documents") if kind in value)
    key = PrivateKey.from_bytes(bytes.fromhex(kept["secret"]))
    if "documents" in value:
        return DocumentIssuer(key, tuple(map(bytes.fromhex, kept["revoked"])))
    if "supplier" in value:
        return Supplier(str(kept["reference"]), key)
    certificate = x509.load_pem_x509_certificate(kept["certificate"].encode())
    revoked = tuple(int(serial, 16) for serial in kept["revoked"])
    return Authority(str(kept["name"]), key, certificate, revoked)
