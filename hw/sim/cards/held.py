"""The cards that somebody holds: what is on each, how it is registered, and how it answers.

    {"name", "made", "uid", "pkoc": {"secret", "certified": {"secret", "certificate"} or null}}
    {"name", "made", "uid", "piv": {"secret", "certificate"}}
    {"name", "made", "uid", "aliro": {"secret", "group", "group_key", "known": {…}, "documents"}}
    {"name", "made", "uid"}                                    nothing but its serial number

All bytes are in hex; a PIV key is PKCS #8, the others are scalars of 32 bytes. `known` has what a
phone wallet and the readers that it has opened share, by reader identifier; `documents` what it
carries for its holder.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from shared.credential.aliro.credential import Credential
from shared.credential.aliro.documents.encoding import write_date
from shared.credential.aliro.documents.messages import Document, DocumentType
from shared.credential.aliro.documents.security import SecurityObject
from shared.credential.aliro.holder import Supplies
from shared.credential.aliro.offer import Signaling
from shared.credential.aliro.step_up_holder import DocumentDevice, StepUpApplication
from shared.credential.card import Application
from shared.credential.p256 import PrivateKey, PublicKey
from shared.credential.piv.holder import CardPrivateKey, PivApplication
from shared.credential.piv.messages import CertificateObject
from shared.credential.pkoc.cvc import Certificate
from shared.credential.pkoc.nfc_holder import Certified, PkocApplication
from shared.credential.pkoc.provisioning import encode_credential

# As the API numbers the kinds of credentials.
BY_KEY, BY_NUMBER = 5, 1001
_RSA = (65537, 2048)
# ISO 14443-3: seven bytes, the first names the maker of the chip.
_UID_SIZE, _MAKER = 7, b"\x04"


@dataclass(frozen=True, slots=True)
class Pkoc:
    """A PKOC card of SE V1, and of SE V2 if it is `certified`."""

    key: PrivateKey = field(repr=False)
    certified: Certified | None = field(default=None, repr=False)

    def applications(self) -> list[Application]:
        return [PkocApplication(self.key, certified=self.certified)]


@dataclass(frozen=True, slots=True)
class Piv:
    """A PIV card, with the certificate of its card authentication key in DER."""

    key: CardPrivateKey = field(repr=False)
    certificate: bytes = field(repr=False)

    def applications(self) -> list[Application]:
        return [PivApplication(self.key, CertificateObject(self.certificate))]


@dataclass(frozen=True, slots=True)
class Aliro:
    """A phone wallet's credential for one group of doors; the doors it opens are added to it."""

    credential: Credential = field(repr=False)

    @classmethod
    def new(cls, group: bytes, group_key: PublicKey) -> Aliro:
        """With a fresh key, for the doors of `group`, which prove `group_key`."""
        return cls(Credential(new_p256(), group, group_key))

    def applications(self) -> list[Application]:
        supplies = Supplies(new_p256, secrets.token_bytes, now=lambda: int(time.time()))
        device = DocumentDevice([self.credential], supplies)
        return [device, StepUpApplication(device)]

    def carry(self, *documents: Document) -> None:
        """Have `documents` for doors that ask, each in the place of one of its type."""
        credential = self.credential
        kinds = {each.kind for each in documents}
        kept = tuple(each for each in credential.documents if each.kind not in kinds)
        credential.documents = (*kept, *documents)
        signed = {each.kind: _signed(each) for each in credential.documents}
        credential.access_signed = signed.get(DocumentType.ACCESS.value)
        credential.revocation_signed = signed.get(DocumentType.REVOCATION.value)
        credential.signaling |= Signaling.SELECT_STEP_UP


Content: TypeAlias = Pkoc | Piv | Aliro | None


@dataclass(frozen=True, slots=True)
class HeldCard:
    """One card. Without `content` it has nothing but its UID, which any device can send."""

    name: str
    made: int  # Unix seconds
    uid: bytes = field(repr=False)
    content: Content = None

    @property
    def kind(self) -> str:
        """What it is, for people."""
        match self.content:
            case Pkoc(certified=certified):
                return "PKOC" + (f", certified by {_issuer(certified)}" if certified else "")
            case Piv(key=rsa.RSAPrivateKey()):
                return "PIV, RSA 2048"
            case Piv():
                return "PIV, P-256"
            case Aliro():
                return "Aliro, of a phone wallet"
            case None:
                return "a number that anybody can copy"

    def values(self) -> list[tuple[int, str]]:
        """Credential type and `value` to register it by; the one for its certificate first."""
        match self.content:
            case Pkoc(key=key, certified=certified):
                keys = [key] if certified is None else [certified.key, key]
                return [(BY_KEY, encode_credential(each.public)) for each in keys]
            case Piv(certificate=certificate):
                pem = x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)
                return [(BY_KEY, pem.decode())]
            case Aliro(credential):
                return [(BY_KEY, encode_credential(credential.key.public))]
            case None:
                return [(BY_NUMBER, f"uid {self.uid.hex().upper()}")]

    def to_json(self) -> dict[str, Any]:
        """Everything, secrets too."""
        plain = {"name": self.name, "made": self.made, "uid": self.uid.hex()}
        match self.content:
            case Pkoc(key=key, certified=certified):
                return {**plain, "pkoc": {**_secret(key), "certified": _certified(certified)}}
            case Piv(key=key, certificate=certificate):
                return {**plain, "piv": {"secret": _pkcs8(key), "certificate": certificate.hex()}}
            case Aliro(credential):
                return {**plain, "aliro": _aliro_json(credential)}
            case None:
                return plain

    @classmethod
    def from_json(cls, value: Any) -> HeldCard:
        """Raises `ValueError`, `KeyError`, `TypeError`, `AttributeError` or `RuleBroken`."""
        content: Content = None
        if "pkoc" in value:
            content = _pkoc(value["pkoc"])
        elif "piv" in value:
            kept = value["piv"]
            content = Piv(_load_pkcs8(kept["secret"]), bytes.fromhex(kept["certificate"]))
        elif "aliro" in value:
            content = _aliro(value["aliro"])
        return cls(str(value["name"]), int(value["made"]), bytes.fromhex(value["uid"]), content)


def new_card(name: str, now: float, content: Content = None) -> HeldCard:
    """A card with a serial number of its own."""
    return HeldCard(name, int(now), _MAKER + secrets.token_bytes(_UID_SIZE - 1), content)


def new_p256() -> PrivateKey:
    """A fresh key from the system's randomness."""
    return PrivateKey.wrap(ec.generate_private_key(ec.SECP256R1()))


def new_rsa() -> rsa.RSAPrivateKey:
    """A fresh key from the system's randomness. Takes a good part of a second."""
    return rsa.generate_private_key(*_RSA)


def _issuer(certified: Certified) -> str:
    return certified.certificate.claims.issuer.decode("ascii", "replace")


def _secret(key: PrivateKey) -> dict[str, str]:
    return {"secret": key.secret_bytes().hex()}


def _load_secret(value: Any) -> PrivateKey:
    return PrivateKey.from_bytes(bytes.fromhex(value["secret"]))


def _certified(certified: Certified | None) -> dict[str, str] | None:
    if certified is None:
        return None
    return {**_secret(certified.key), "certificate": certified.certificate.encode().hex()}


def _pkoc(value: Any) -> Pkoc:
    kept = value["certified"]
    if kept is None:
        return Pkoc(_load_secret(value))
    certificate = Certificate.decode(bytes.fromhex(kept["certificate"]))
    return Pkoc(_load_secret(value), Certified(_load_secret(kept), certificate))


def _aliro_json(credential: Credential) -> dict[str, Any]:
    known = {reader.hex(): key.hex() for reader, key in credential.kpersistents.items()}
    group, key = credential.group.hex(), credential.group_key.point.hex()
    plain = {**_secret(credential.key), "group": group, "group_key": key, "known": known}
    documents = [each.encode().hex() for each in credential.documents]
    return {**plain, "documents": documents}


def _aliro(value: Any) -> Aliro:
    group_key = PublicKey.parse(bytes.fromhex(value["group_key"]))
    credential = Credential(_load_secret(value), bytes.fromhex(value["group"]), group_key)
    for reader, key in value["known"].items():
        credential.remember(bytes.fromhex(reader), bytes.fromhex(key))
    held = Aliro(credential)
    if documents := value.get("documents"):
        held.carry(*(Document.decode(bytes.fromhex(each)) for each in documents))
    return held


def _signed(document: Document) -> bytes:
    """When its issuer signed it, as a reader is told."""
    said = SecurityObject.decode(document.issuer_auth.payload)
    return write_date(said.validity.signed).encode()


def _pkcs8(key: CardPrivateKey) -> str:
    native = key.native if isinstance(key, PrivateKey) else key
    return native.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()).hex()


def _load_pkcs8(text: str) -> CardPrivateKey:
    native = load_der_private_key(bytes.fromhex(text), None)
    if isinstance(native, ec.EllipticCurvePrivateKey):
        return PrivateKey.wrap(native)
    if isinstance(native, rsa.RSAPrivateKey):
        return native
    raise ValueError("a key of another kind")
