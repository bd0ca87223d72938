"""What is fuzzed: each takes any bytes, and may raise nothing but what its contract names.

A session takes a conversation: pieces, each after two bytes of its length, one after the other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from controller.intent.card_values import read_key, read_number
from shared import cbor
from shared.access.rows import decode_row, encode_row
from shared.credential import card_number, tlv
from shared.credential.aliro import endings as aliro_endings
from shared.credential.aliro import messages as aliro
from shared.credential.aliro.certificate import ReaderCertificate as AliroCertificate
from shared.credential.aliro.documents.access_data import AccessData, Capability
from shared.credential.aliro.documents.cache import DocumentCache
from shared.credential.aliro.documents.encoding import decode, encode
from shared.credential.aliro.documents.iterations import Iterations
from shared.credential.aliro.documents.messages import DeviceRequest, DeviceResponse, unwrap, wrap
from shared.credential.aliro.documents.recurrence import LATEST, Moment
from shared.credential.aliro.documents.revocation import RevocationData
from shared.credential.aliro.documents.revocation import RevocationList as KeptRevocations
from shared.credential.aliro.documents.security import SecurityObject
from shared.credential.aliro.documents.verification import _check_digests
from shared.credential.aliro.kpersistent import KpersistentStore
from shared.credential.aliro.mailbox import Mailbox, MailboxRequest, Read, Set, Write
from shared.credential.aliro.offer import Offer
from shared.credential.aliro.step_up import by_documents
from shared.credential.apdu import CommandAPDU, ResponseAPDU
from shared.credential.card import Card
from shared.credential.errors import RuleBroken
from shared.credential.exchange import Dialogue
from shared.credential.outcome import Outcome, Proven
from shared.credential.p256 import OwnKeys, PrivateKey, PublicKey
from shared.credential.piv import messages as piv
from shared.credential.piv import reader as piv_reader
from shared.credential.piv.authorities import Authorities, Clock
from shared.credential.pkoc import ble_holder, ble_messages, ble_reader, nfc_messages, nfc_reader
from shared.credential.pkoc.cvc import Certificate
from shared.credential.pkoc.hello import HelloAssembly
from shared.credential.pkoc.identity import Keyring, KnownReader, ReaderIdentity
from shared.credential.pkoc.nfc_holder import PkocApplication
from shared.credential.pkoc.nfc_reader import SeV2
from shared.credential.pkoc.provisioning import ReaderCode, SupplierCode, decode_credential
from shared.credential.pkoc.reader_certificate import ReaderCertificate, RevocationList
from shared.credential.pkoc.suppliers import load_key
from shared.credential.selection import try_in_order
from shared.credential.session import Finished
from shared.credential.tag import TagSession
from shared.wire import events, messages
from tests.fuzz import genuine
from tests.shared.credential.aliro.documents.door import DocumentDoor
from tests.shared.credential.aliro.documents.ends import MOMENT, NOW, VALIDITY
from tests.shared.credential.aliro.ends import CERTIFICATE, LONG_CERTIFICATE
from tests.shared.credential.piv import cards
from tests.shared.credential.pkoc.test_cvc import CERTIFICATE as CVC
from tests.shared.credential.pkoc.test_cvc import SUPPLIERS, TODAY
from tests.shared.credential.pkoc.test_reader_certificate import ALWAYS, ISSUER, LIST
from tests.shared.wire.samples import SAMPLES
from tests.shared.wire.test_events import ENTRY
from tests.shared.wire.test_messages import KINDS

_KEYS = [PrivateKey.from_bytes(bytes((number,)) * 32) for number in range(1, 4)]
_SITE, _LOCATION = b"\x11" * 16, b"\x22" * 16
_READER = ReaderIdentity(_SITE, _LOCATION, _KEYS[0])
_OWN = OwnKeys([_KEYS[0].public])
# The longest thing that any of them is ever handed is an MQTT message.
MAX_INPUT = 4_096


@dataclass(frozen=True, slots=True)
class Target:
    """`run` any bytes; what it raises is a bug. `seeds` are good inputs to begin from."""

    name: str
    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...] = ()


def _parser(name: str, parse: Callable[[bytes], Any], *seeds: str | bytes) -> Target:
    """Seeds in hex, or as they are."""

    def run(data: bytes) -> None:
        with contextlib.suppress(RuleBroken, cbor.Malformed):
            parse(data)

    found = (bytes.fromhex(seed) if isinstance(seed, str) else seed for seed in seeds)
    return Target(name, run, tuple(found))


def _store(name: str, load: Callable[[bytes], Any], *seeds: bytes) -> Target:
    """What was kept on a disk: one error for whatever it may be."""

    def run(data: bytes) -> None:
        with contextlib.suppress(ValueError):
            load(data)

    return Target(name, run, seeds)


def _entered(name: str, read: Callable[[str], Any], *seeds: str) -> Target:
    """What somebody types; what comes of it is an error with a text for him."""

    def run(data: bytes) -> None:
        with contextlib.suppress(ValueError):
            read(data.decode("utf-8", "replace"))

    return Target(name, run, tuple(seed.encode() for seed in seeds))


def _text(name: str, parse: Callable[[str], Any], *seeds: str) -> Target:
    def run(data: bytes) -> None:
        with contextlib.suppress(RuleBroken):
            parse(data.decode("utf-8", "surrogateescape"))

    return Target(name, run, tuple(seed.encode() for seed in seeds))


def pieces(data: bytes) -> Iterator[bytes]:
    """Cut a conversation into what is said, one piece after the other."""
    while data:
        size, data = int.from_bytes(data[:2], "big"), data[2:]
        yield data[:size]
        data = data[size:]


def conversation(*said: bytes) -> bytes:
    """Join what is said, so that `pieces` cuts it again."""
    return b"".join(len(each).to_bytes(2, "big") + each for each in said)


def _listen(session: Any, data: bytes) -> None:
    """Feed a session; nobody can be proven who has no key."""
    for piece in pieces(data):
        match session.receive(piece, 0.0):
            case Finished(Proven()):
                raise AssertionError("proven without a key")
            case _:
                pass
    session.lost()


def _tag(dialogue: Callable[[], Dialogue[Outcome]]) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        session = TagSession(dialogue(), now=0.0)
        session.start()
        _listen(session, data)

    return run


def _all_standards() -> Dialogue[Outcome]:
    se_v2 = SeV2(b"\x33" * 32, SUPPLIERS, TODAY)
    return try_in_order(
        [
            piv_reader.dialogue(b"reader", b"\x44" * 32, own_keys=_OWN, trust=_TRUST),
            nfc_reader.dialogue(_READER, b"\x55" * 16, own_keys=_OWN, se_v2=se_v2),
        ]
    )


def _aliro_reader(data: bytes) -> None:
    """A door that remembers somebody, and asks for documents."""
    door = DocumentDoor(number=iter((1_000,)))  # later than whatever a seed was said to
    door.store.remember(_KEYS[2].public, bytes(32))
    transaction = door.transaction()

    def find_out() -> Dialogue[Outcome]:
        outcome = yield from transaction.authenticate()
        if isinstance(outcome, Proven):
            action, moment = door.action, door.moment
            outcome = yield from by_documents(transaction, outcome, door.examiner, action, moment)
        return outcome

    _tag(find_out)(data)
    farewell = transaction.conclude()
    assert farewell is None or next(farewell)


def _aliro_device(data: bytes) -> None:
    card = genuine.aliro_card()
    for piece in pieces(data):
        ResponseAPDU.decode(card.receive(piece))


def _document(data: bytes) -> None:
    """A document that nobody has signed is judged as if its issuer had."""
    response = DeviceResponse.decode(data)
    for each in response.documents:
        payload = SecurityObject.decode(each.issuer_auth.payload)
        _check_digests(each, payload)
        for item in each.items:
            _judge_access(encode(item.item.value))


def _judge_access(data: bytes) -> None:
    rules = AccessData.read(decode(data))
    for moment in _MOMENTS:
        with contextlib.suppress(RuleBroken):
            rules.check(Capability.UNSECURE, moment)


def _revoke(data: bytes) -> None:
    kept = KeptRevocations()
    kept.apply(bytes(32), VALIDITY, RevocationData.read(decode(data)))
    kept.revokes(_KEYS[2].public, now=NOW)
    kept.purge(NOW)
    KeptRevocations.decode(kept.encode())


def _exchange_answer(data: bytes) -> None:
    aliro_endings.ExchangeAnswer.decode(data, (1, 16))


def _mailbox(data: bytes) -> None:
    """What a reader may do to a mailbox."""
    mailbox = Mailbox(bytes(64))
    mailbox.apply(MailboxRequest.decode(data))
    mailbox.abandon()


def _chain(data: bytes) -> None:
    """A card's certificate, and whose it is."""
    certificate, _ = piv_reader._read(data)
    _AUTHORITIES.check(certificate, _CLOCK)


def _ble_reader(data: bytes) -> None:
    policy = ble_reader.Policy(allow_normal=True)
    session = ble_reader.ReaderSession(_READER, _KEYS[1], own_keys=_OWN, policy=policy, now=0.0)
    session.hello(247)
    _listen(session, data)


def _ble_holder(data: bytes) -> None:
    keyring = Keyring([KnownReader(_SITE, _LOCATION, _KEYS[0].public)], [_LOCATION])
    session = ble_holder.HolderSession(_KEYS[2], _KEYS[1], keyring, last_update=0, now=0.0)
    _listen(session, data)


def _card(data: bytes) -> None:
    card = Card([PkocApplication(_KEYS[2])])
    for piece in pieces(data):
        ResponseAPDU.decode(card.receive(piece))


def _hello(data: bytes) -> None:
    assembly = HelloAssembly()
    for piece in pieces(data):
        assembly.add(*ble_messages.parse_row(piece))


_AUTHORITIES = Authorities(
    [cards.ROOT.certificate], [cards.MIDDLE.certificate, cards.LAST.certificate]
)
_CLOCK = Clock(cards.NOW)
_TRUST = piv_reader.Trust(_AUTHORITIES, _CLOCK)
_MOMENTS = (MOMENT, Moment(LATEST), Moment(NOW + 100 * 365 * 86_400, -43_200), None)
_SELECTED = "6F15 8409A000000909ACCE5501 A508 80020000 5C020100"
_POINT = _KEYS[2].public.point.hex()
_STORED = genuine.stored()
_ALL_OPERATIONS = MailboxRequest((Read(0, 16), Write(4, b"text"), Set(8, 4, 0xFF)))
_BOX = aliro_endings.Exchange(mailbox=_ALL_OPERATIONS)
_READER_CODE = ReaderCode(KnownReader(_SITE, _LOCATION, _KEYS[2].public), ISSUER.public, ALWAYS)


def _said(ins: int) -> bytes:
    """The data of the first such command that a reader sends."""
    said = (CommandAPDU.decode(each) for tap in genuine.aliro_commands() for each in tap)
    return next(each.data for each in said if (each.cla, each.ins) == (0x80, ins))


TARGETS = (
    _parser("tlv", tlv.parse, "5C020100", "7F2103810100"),
    _parser("tlv-tree", tlv.parse_tree, "6F158409A000000909ACCE5501A508800200005C020100"),
    _parser("tlv-either", tlv.parse_either, "5C020100"),
    _parser("apdu-command", CommandAPDU.decode, "00A4040008A00000089800000100", "008100000002AABB"),
    _parser("apdu-response", ResponseAPDU.decode, "5C0201009000"),
    _parser("point", PublicKey.parse, _POINT),
    _parser("pkoc-select", nfc_messages.SelectAnswer.decode, "5C0401010100"),
    _parser("pkoc-authenticate", nfc_messages.AuthenticateAnswer.decode, f"5A41{_POINT}9E40"),
    _parser("pkoc-cvc", Certificate.decode, "7F21 07 7F4E 00 5F37 00", CVC.encode()),
    _parser(
        "pkoc-device",
        ble_messages.decode_device,
        f"0741{_POINT}",
        ble_messages.Credential(_KEYS[2].public.point, bytes(64), bytes(4), bytes(5)).encode(),
        *genuine.ble_writes(),
    ),
    _parser("pkoc-hello", _hello, conversation(genuine.ble_notifications()[0])),
    _parser("pkoc-reader-certificate", ReaderCertificate.decode, ALWAYS.encode()),
    _parser("pkoc-revocations", RevocationList.decode, LIST.encode()),
    _text("qr-reader", ReaderCode.decode, _READER_CODE.encode()),
    _text("qr-supplier", SupplierCode.decode, SupplierCode("A" * 16, _KEYS[2].public).encode()),
    _text("qr-credential", decode_credential, _POINT),
    _text("wiegand", card_number.judge_wiegand, "0" * 26, "01" * 13, "0" * 37, "1" * 35, "0" * 34),
    _entered("card-key", read_key, *genuine.pem()[:3]),
    _entered("card-number", read_number, *genuine.pem()[3:]),
    _store("supplier", load_key, genuine.spki(), _KEYS[2].public.point),
    _parser(
        "piv-certificate",
        piv.CertificateObject.decode,
        "530A 7003 AABBCC 710100 FE00",
        *(
            piv.CertificateObject(each, compressed=compressed).encode()
            for each in genuine.piv_certificates()
            for compressed in (False, True)
        ),
    ),
    _parser("piv-chain", _chain, *genuine.piv_certificates()),
    _parser("piv-signature", piv.decode_signature, "7C0482020102"),
    _parser("aliro-select", aliro.SelectAnswer.decode, _SELECTED),
    _parser("aliro-auth0", aliro.Auth0.decode, "410100", _said(0x80)),
    _parser("aliro-auth0-answer", aliro.Auth0Answer.decode, f"8641{_POINT}"),
    _parser("aliro-auth1", aliro.Auth1.decode, "410101", _said(0x81)),
    _parser(
        "aliro-auth1-answer",
        lambda data: aliro.Auth1Answer.read(tlv.parse(data)),
        aliro.Auth1Answer(bytes(64), key=_KEYS[2].public.point).encode(),
        aliro.Auth1Answer(bytes(64), slot=bytes(8)).encode(),
    ),
    _parser("aliro-cryptogram", Offer.decode_cryptogram, Offer().encode_cryptogram()),
    _parser("aliro-exchange", aliro_endings.Exchange.decode, "97020101", _BOX.encode()),
    _parser("aliro-exchange-answer", _exchange_answer, "00020000", "0000"),
    _parser("aliro-mailbox", _mailbox, _ALL_OPERATIONS.encode()),
    _parser("aliro-control-flow", aliro_endings.ControlFlow.decode, "410100420100"),
    _parser(
        "aliro-certificate",
        AliroCertificate.decode,
        "300430020500",
        CERTIFICATE.encode(),
        LONG_CERTIFICATE.encode(),
    ),
    _parser("aliro-envelope", unwrap, wrap(bytes(40))),
    _parser("aliro-request", DeviceRequest.decode, genuine.REQUEST.encode()),
    _parser(
        "aliro-document",
        _document,
        genuine.RESPONSE.encode(),
        DeviceResponse((genuine.BY_CERTIFICATE,)).encode(),
    ),
    _parser("aliro-payload", SecurityObject.decode, genuine.DOCUMENT.issuer_auth.payload),
    _parser("aliro-access", _judge_access, encode(genuine.ACCESS.plain)),
    _parser("aliro-revocation", _revoke, encode(genuine.REVOKING.plain)),
    _store("kept-keys", KpersistentStore.decode, _STORED["keys"]),
    _store("kept-iterations", Iterations.decode, _STORED["iterations"]),
    _store("kept-documents", DocumentCache.decode, _STORED["documents"], _STORED["real documents"]),
    _store("kept-revocations", KeptRevocations.decode, genuine.REVOKED),
    _parser("cbor", lambda data: cbor.decode(data, limit=MAX_INPUT), "a2617601647479706561"),
    _parser("plan-row", decode_row, *map(encode_row, genuine.rows())),
    _parser("event", events.decode_event, events.encode_event(ENTRY)),
    _parser("message", lambda data: messages.decode(data, *KINDS), *map(messages.encode, SAMPLES)),
    Target(
        "session-card-reader",
        _tag(_all_standards),
        tuple(conversation(*each) for each in (*genuine.piv_answers(), *genuine.pkoc_answers())),
    ),
    Target(
        "session-aliro-reader",
        _aliro_reader,
        tuple(conversation(*each) for each in genuine.aliro_answers()),
    ),
    Target(
        "session-aliro-device",
        _aliro_device,
        tuple(conversation(*each) for each in genuine.aliro_commands()),
    ),
    Target("session-ble-reader", _ble_reader, (conversation(*genuine.ble_writes()),)),
    Target("session-ble-phone", _ble_holder, (conversation(*genuine.ble_notifications()),)),
    Target("session-card", _card, (conversation(*genuine.pkoc_commands()),)),
)
BY_NAME = {target.name: target for target in TARGETS}
