"""Bad points of Wycheproof wherever a point comes in, and which function verifies each signature.

A place that reads points is given each of the bad ones. A place that verifies is shown to ask the
one function that `test_wycheproof` tries, by letting that function say no; those that read DER are
given all signatures in DER, and what is no DER.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import date
from typing import Any, TypeAlias

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from controller.identity.possession import Errors, check_proof, parse_point
from controller.intent.card_values import read_key
from shared import cbor
from shared.credential.aliro import certificate as aliro_certificate
from shared.credential.aliro.certificate import ReaderCertificate as AliroCertificate
from shared.credential.aliro.channel import SecureChannel, open_cryptogram
from shared.credential.aliro.documents import issuers
from shared.credential.aliro.documents.cache import DocumentCache
from shared.credential.aliro.documents.encoding import decode, embed, encode
from shared.credential.aliro.documents.messages import DocumentType
from shared.credential.aliro.documents.security import SecurityObject
from shared.credential.aliro.kpersistent import KpersistentStore
from shared.credential.aliro.messages import SELECT, Auth0, AuthenticationPolicy, Ins
from shared.credential.apdu import SW, ResponseAPDU
from shared.credential.card import Card
from shared.credential.ccm import AesCcm
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Proven, Reason, Refused, Strength, Transport
from shared.credential.p256 import ORDER, OwnKeys, PublicKey
from shared.credential.piv import reader as piv
from shared.credential.piv.keys import EccKey
from shared.credential.pkoc import hello
from shared.credential.pkoc.ble_messages import DeviceEphemeral, ProtocolId, parse_row
from shared.credential.pkoc.channel import Channel
from shared.credential.pkoc.proof import prove
from shared.credential.pkoc.provisioning import ReaderCode, SupplierCode, decode_credential
from shared.credential.pkoc.reader_certificate import ReaderCertificate
from shared.credential.pkoc.suppliers import load_key
from shared.credential.session import Finished
from shared.credential.tlv import Lengths, Tlv, parse
from shared.credential.tlv import encode as tlv
from shared.wire import cose
from tests.shared.credential.aliro import ends as aliro
from tests.shared.credential.aliro.documents import certificates
from tests.shared.credential.aliro.documents import ends as documents
from tests.shared.credential.aliro.documents.test_verification import judged
from tests.shared.credential.keys import key
from tests.shared.credential.piv.cards import ROOT
from tests.shared.credential.pkoc import ends as pkoc
from tests.shared.credential.pkoc.test_cvc import CERTIFICATE as CARD_CERTIFICATE
from tests.shared.credential.pkoc.test_cvc import SUPPLIERS
from tests.shared.credential.pkoc.test_reader_certificate import ALWAYS, ISSUER, LIST
from tests.shared.credential.test_wycheproof import groups

Place: TypeAlias = Callable[[bytes], Any]
GOOD = key("somebody").public
BAD = [
    bytes.fromhex(case["public"])
    for case in groups("ecdh_secp256r1_ecpoint_test.json")[0]["tests"]
    if case["result"] == "invalid"
]


def refuse(outcome: object) -> None:
    """A session's refusal, as an error."""
    if isinstance(outcome, Finished):
        outcome = outcome.outcome
    if isinstance(outcome, Refused):
        raise RuleBroken(outcome.reason, outcome.detail)


# Each takes the bytes of a point to where it is read; whole points first, then compressed ones.


def pkoc_credential(point: bytes) -> None:
    with pytest.raises(RuleBroken) as caught:
        prove(
            point,
            bytes(64),
            b"",
            identity=pkoc.READER,
            own_keys=OwnKeys(()),
            transport=Transport.NFC,
            strength=Strength.ONE_WAY,
        )
    if caught.value.reason is not Reason.BAD_SIGNATURE:
        raise caught.value


def pkoc_ephemeral(point: bytes) -> None:
    session = pkoc.ble_reader_session()
    pkoc.greeting(session)
    refuse(session.receive(DeviceEphemeral(point).encode(), 0.0))


def scanned_credential(point: bytes) -> None:
    decode_credential(point.hex())


def scanned_reader(point: bytes) -> None:
    uuid = "01020304-0506-0708-090a-0b0c0d0e0f10"
    said = {"siteUuid": uuid, "readerUuid": uuid, "publicKey": point.hex()}
    ReaderCode.decode(json.dumps(said))


def scanned_supplier(point: bytes) -> None:
    said = {"v": 1, "type": "pkoc_supplier", "iir": "A" * 16, "issuerPublicKey": point.hex()}
    SupplierCode.decode(json.dumps(said))


def entered(point: bytes) -> None:
    read_key(point.hex())


def from_a_wallet(point: bytes) -> None:
    errors = Errors()
    if parse_point(point, "key", errors) is None:
        raise ValueError(str(errors))


def aliro_auth0(point: bytes) -> None:
    policy, reader = AuthenticationPolicy.USER_SETTING, aliro.READER.reader_identifier
    auth0 = Auth0(False, policy, b"\1\0", point, bytes(16), reader)
    card = Card([aliro.device()])
    card.receive(SELECT.encode())
    answer = ResponseAPDU.decode(card.receive(Ins.AUTH0.command(auth0.encode()).encode()))
    if answer.sw != SW.OK:
        raise RuleBroken(Reason.OFF_CURVE, "the device has refused")


def _with(tag: int, value: bytes) -> aliro.Change:
    """An answer with another value in `tag`."""
    return lambda data: b"".join(
        tlv(each, value if each == tag else kept) for each, kept in parse(data)
    )


def aliro_auth0_answer(point: bytes) -> None:
    outcome = aliro.Door().tap(aliro.altered(auth0=_with(0x86, point))).outcome
    assert isinstance(outcome, Refused)
    # The reader has sent AUTH1 for a good one, and the device has not taken it.
    if outcome.reason is not Reason.CARD_ERROR:
        refuse(outcome)


def aliro_credential(point: bytes) -> None:
    outcome = aliro.Door().tap(aliro.altered(auth1=_with(0x5A, point))).outcome
    assert isinstance(outcome, Refused)
    if outcome.reason is not Reason.BAD_SIGNATURE:
        refuse(outcome)


def aliro_reader_certificate(point: bytes) -> None:
    whole = aliro.CERTIFICATE.encode()
    inner = parse(parse(whole)[0].value)
    fields = [
        tlv(tag, b"\0" + point if tag == 0x85 else value) for tag, value in parse(inner[1].value)
    ]
    body = tlv(0x04, inner[0].value) + tlv(0x30, b"".join(fields))
    AliroCertificate.decode(tlv(0x30, body))


def remembered(point: bytes) -> None:
    KpersistentStore.decode(b"\1" + point + bytes(32))


def kept_document(point: bytes) -> None:
    row = [point, bytes(32), bytes(32), 1, 1, 2, 0, False, [["floor1", b"\xa0"]]]
    DocumentCache.decode(cbor.encode([1, [row]]))


def document_holder(point: bytes) -> None:
    body = decode(decode(documents.access().issuer_auth.payload).value)
    body["4"] = {"1": {1: 2, -1: 1, -2: point[1:33], -3: point[33:]}}
    SecurityObject.decode(encode(embed(body)))


def document_issuer(point: bytes) -> None:
    genuine = certificates.certificate()
    forged = genuine.replace(documents.CERTIFIED_ISSUER.public.point, point)
    issuers._read(forged)


def piv_certificate(point: bytes) -> None:
    der = ROOT.issue(key("card").native).public_bytes(Encoding.DER)
    piv._read(der.replace(key("card").public.point, point))


def entered_in_pem(point: bytes) -> None:
    spki = GOOD.native.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    text = base64.encodebytes(spki.replace(GOOD.point, point)).decode()
    read_key(f"-----BEGIN PUBLIC KEY-----\n{text}-----END PUBLIC KEY-----\n")


def supplier(point: bytes) -> None:
    load_key(point)


WHOLE: tuple[Place, ...] = (
    pkoc_credential,
    pkoc_ephemeral,
    scanned_credential,
    scanned_reader,
    scanned_supplier,
    supplier,
    entered,
    entered_in_pem,
    from_a_wallet,
    aliro_auth0,
    aliro_auth0_answer,
    aliro_credential,
    aliro_reader_certificate,
    remembered,
    kept_document,
    document_holder,
    document_issuer,
    piv_certificate,
)


def pkoc_hello(point: bytes) -> None:
    genuine = hello.Hello(ProtocolId(3, 0, 1), GOOD, bytes(16), b"\1" * 16).encode()
    changed = tuple(
        Tlv(tag, point if tag == 0x02 else value) for tag, value in parse_row(genuine)[1]
    )
    assert hello.HelloAssembly().add(Lengths.ONE_BYTE, changed) is not None


def pkoc_reader_certificate(point: bytes) -> None:
    whole = ALWAYS.encode()
    ReaderCertificate.decode(whole[:41] + point + whole[74:])


COMPRESSED: tuple[Place, ...] = (pkoc_hello, pkoc_reader_certificate)


@pytest.mark.parametrize("place", WHOLE + COMPRESSED)
def test_no_bad_point_comes_in(place: Place) -> None:
    place(GOOD.compressed if place in COMPRESSED else GOOD.point)
    for point in BAD:
        with pytest.raises((RuleBroken, ValueError)):
            place(point)


# Each verifies something genuine, and says whether it holds.


def holds(check: Callable[[], object]) -> bool:
    try:
        found = check()
    except (RuleBroken, cose.Forged):
        return False
    return found is not False


def by_hand(found: Errors) -> bool:
    check_proof(SIGNER.public, SIGNER.sign(b"statement"), b"statement", "proof", found)
    return not found


SIGNER = key("signer")
SIGNED = cose.sign1(b"payload", SIGNER, b"context")
VERIFIED: dict[str, Callable[[], object]] = {
    "PKOC credential": lambda: prove(
        SIGNER.public.point,
        SIGNER.sign(b"number"),
        b"number",
        identity=pkoc.READER,
        own_keys=OwnKeys(()),
        transport=Transport.NFC,
        strength=Strength.ONE_WAY,
    ),
    "PKOC card certificate": lambda: CARD_CERTIFICATE.validate(
        SUPPLIERS, today=date(2026, 11, 22), dates=True
    ),
    "PKOC reader certificate": lambda: ALWAYS.is_signed_by(ISSUER.public),
    "PKOC revocation list": lambda: LIST.is_signed_by(ISSUER.public),
    "Aliro, both ends": lambda: isinstance(aliro.Door().tap(aliro.device()).outcome, Proven),
    "Aliro reader certificate": lambda: aliro.CERTIFICATE.check(aliro.ISSUER.public, at=None),
    "document": lambda: judged(documents.access(), kind=DocumentType.ACCESS),
    "document issuer": lambda: documents.ISSUERS._certified(certificates.certificate(), None),
    "PIV": lambda: EccKey(SIGNER.public).verifies(der(SIGNER.sign(b"m")), b"m"),
    "COSE": lambda: cose.verify1(SIGNED, lambda _: SIGNER.public, b"context", limit=100),
    "possession": lambda: by_hand(Errors()),
}


def der(raw: bytes) -> bytes:
    r, s = (int.from_bytes(half, "big") for half in (raw[:32], raw[32:]))
    return encode_dss_signature(r, s)


@pytest.mark.parametrize("place", VERIFIED)
def test_one_function_verifies(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert holds(VERIFIED[place])
    monkeypatch.setattr(PublicKey, "verifies", lambda *_: False)
    assert not holds(VERIFIED[place])


def sequence(*integers: bytes) -> bytes:
    return tlv(0x30, b"".join(tlv(0x02, each) for each in integers))


def as_der(raw: bytes) -> bytes:
    """r | s of any length, in DER."""
    half = len(raw) // 2
    return encode_dss_signature(*(int.from_bytes(at, "big") for at in (raw[:half], raw[half:])))


DER: dict[str, Callable[[PublicKey, bytes, bytes], bool]] = {
    "PIV": lambda public, signature, message: EccKey(public).verifies(signature, message),
    "Aliro certificate": lambda public, signature, message: public.verifies(
        aliro_certificate._raw(signature), message
    ),
    "document issuer": lambda public, signature, message: any(
        public.verifies(raw, message) for raw in issuers._raw(signature)
    ),
}


@pytest.mark.parametrize("place", DER)
def test_signatures_in_der(place: str) -> None:
    tried = 0
    for group in groups("ecdsa_secp256r1_sha256_p1363_test.json"):
        public = PublicKey.parse(bytes.fromhex(group["publicKey"]["uncompressed"]))
        for case in group["tests"]:
            raw, message = bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"])
            # A wrong length of r | s is no fault any more once the numbers stand in DER.
            if "SignatureSize" not in case["flags"]:
                good = case["result"] == "valid"
                assert DER[place](public, as_der(raw), message) is good, case
                tried += 1
    assert tried == 250


def cruel(raw: bytes) -> dict[str, bytes]:
    """What says the numbers of a good signature, or nearly, and is no DER."""
    plain = der(raw)
    r, s = (each.value for each in parse(parse(plain)[0].value))
    body = plain[2:]
    return {
        "trailing": plain + b"\0",
        "trailing inside": tlv(0x30, body + b"\0"),
        "long length": b"\x30\x81" + plain[1:],
        "longer length": b"\x30\x82\0" + plain[1:],
        "indefinite": b"\x30\x80" + body + b"\0\0",
        "padded": sequence(b"\0\0" + r, s),
        "a third": sequence(r, s, b"\1"),
        "one": sequence(r),
        "none": b"\x30\0",
        "empty number": sequence(b"", s),
        "negative": sequence(b"\xff" + r[-32:], s),
        "other tag": b"\x31" + plain[1:],
        "cut": plain[:-1],
        "nothing": b"",
        "beyond the order": encode_dss_signature(
            int.from_bytes(r, "big") + ORDER, int.from_bytes(s, "big")
        ),
        "a long number": sequence(b"\1" + bytes(400), s),
    }


@pytest.mark.parametrize("place", DER)
def test_what_is_no_der(place: str) -> None:
    raw = SIGNER.sign(b"message")
    assert DER[place](SIGNER.public, der(raw), b"message")
    for name, signature in cruel(raw).items():
        assert not DER[place](SIGNER.public, signature, b"message"), name


def test_one_function_opens_ccm(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = key("reader ephemeral"), key("device ephemeral")
    sealed = Channel(ours, theirs.public).seal(b"credential")
    assert Channel(theirs, ours.public).open(sealed) == b"credential"

    def no(*_: object) -> bytes:
        raise RuleBroken(Reason.DECRYPTION_FAILED, "no")

    monkeypatch.setattr(AesCcm, "open", no)
    with pytest.raises(RuleBroken):
        Channel(theirs, ours.public).open(sealed)


@pytest.mark.parametrize("size", range(17))
def test_what_is_shorter_than_a_tag_does_not_open_in_gcm(size: int) -> None:
    with pytest.raises(RuleBroken):
        open_cryptogram(bytes(32), bytes(size))
    with pytest.raises(RuleBroken):
        SecureChannel.of_reader(bytes(32), b"\1" * 32).open(bytes(size))
