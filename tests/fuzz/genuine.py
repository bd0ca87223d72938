"""Good inputs for a fuzzer to begin from: what real ends say, and what is really stored.

Conversations are those of a moment before: every message is in its place, and proves nothing now.
"""

from __future__ import annotations

import contextlib

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared import cbor
from shared.access.calendar import Holiday, OffsetFrom
from shared.access.rows import Calendar, CardIssuers, Door, Grant, Method, Modes, Row, Supplier
from shared.access.schedule import HolidayRule, Interval, Span
from shared.access.schedule import Schedule as Week
from shared.credential.aliro.documents.access_data import AccessData, AccessRule, Capability
from shared.credential.aliro.documents.messages import DeviceRequest, DeviceResponse, DocumentType
from shared.credential.aliro.documents.recurrence import Pattern, Recurrence, Schedule
from shared.credential.aliro.documents.revocation import Entry, Mode, RevocationData
from shared.credential.aliro.kpersistent import KpersistentStore
from shared.credential.card import Card
from shared.credential.exchange import Dialogue
from shared.credential.outcome import Outcome
from shared.credential.p256 import OwnKeys
from shared.credential.piv import reader as piv
from shared.credential.pkoc import nfc_reader
from shared.credential.pkoc.identity import ReaderIdentity
from shared.credential.pkoc.nfc_holder import Certified, PkocApplication
from shared.credential.pkoc.nfc_reader import SeV2
from shared.credential.session import Send
from tests.shared.credential.aliro.documents import certificates, ends
from tests.shared.credential.aliro.documents.door import DocumentDoor, Phone
from tests.shared.credential.aliro.documents.test_cache import full
from tests.shared.credential.aliro.ends import ALICE, certified
from tests.shared.credential.keys import key
from tests.shared.credential.piv import cards
from tests.shared.credential.pkoc import ends as pkoc
from tests.shared.credential.pkoc.test_cvc import CERTIFICATE as CVC
from tests.shared.credential.pkoc.test_cvc import IIR

OWN = OwnKeys([key("reader").public])
READER = ReaderIdentity(b"\x11" * 16, b"\x22" * 16, key("reader"))


def _heard(dialogue: Dialogue[Outcome], card: Card) -> tuple[bytes, ...]:
    """All that the card answers."""
    answers = []
    try:
        command = next(dialogue)
        while True:
            answers.append(card.receive(command))
            command = dialogue.send(answers[-1])
    except StopIteration:
        return tuple(answers)


def pkoc_card() -> Card:
    return Card([PkocApplication(key("card v1"), certified=Certified(key("card"), CVC))])


def pkoc_answers() -> list[tuple[bytes, ...]]:
    """Of SE V2, after a card has said that it is no PIV card, and of SE V1."""
    v2 = nfc_reader.dialogue(READER, bytes(16), own_keys=OWN, se_v2=SeV2(bytes(32), None))
    v1 = nfc_reader.dialogue(READER, bytes(16), own_keys=OWN)
    plain = _heard(v1, Card([PkocApplication(key("card v1"))]))
    no = b"\x6a\x82"
    return [(no, *_heard(v2, pkoc_card())), (no, plain[0], no, *plain[1:])]


def piv_answers() -> list[tuple[bytes, ...]]:
    """Of cards with both kinds of keys, and a certificate that is compressed or not."""
    ecc = cards.ROOT.issue(cards.ECC.native, extensions=[cards.FOR_CARDS])
    found = [cards.card(ecc), cards.card(ecc, compressed=True)]
    rsa = cards.rsa_key()
    found.append(cards.card(cards.ROOT.issue(rsa), rsa))
    return [_heard(piv.dialogue(b"reader", bytes(32), own_keys=OWN), each) for each in found]


def piv_certificates() -> list[bytes]:
    """Of a card, of its issuer, and a revocation list."""
    issued = cards.LAST.issue(cards.ECC.native, extensions=[cards.FOR_CARDS])
    found = (issued, cards.LAST.certificate, cards.MIDDLE.certificate)
    return [each.public_bytes(Encoding.DER) for each in found]


def spki() -> bytes:
    """The key of an RSA supplier."""
    public = cards.rsa_key().public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def pem() -> tuple[str, ...]:
    """What an operator may enter for a card."""
    issued = cards.ROOT.issue(cards.ECC.native)
    public = cards.ECC.native.public_key()
    return (
        issued.public_bytes(Encoding.PEM).decode(),
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        cards.ECC.public.point.hex(),
        "uid 04A1B2C3D4E5F6",
        "H10301 1-1234",
        "H10302 1234",
        "bits " + "01" * 13,
    )


def ble_writes() -> tuple[bytes, ...]:
    """What a phone writes in the encrypted flow."""
    reader, phone = pkoc.ble_reader_session(), pkoc.ble_holder_session()
    written = []
    step: object = phone.receive(pkoc.greeting(reader), 0.0)
    while isinstance(step, Send):
        written.append(step.message)
        answer = reader.receive(step.message, 0.0)
        step = phone.receive(answer.message, 0.0) if isinstance(answer, Send) else None
    return tuple(written)


def ble_notifications() -> tuple[bytes, ...]:
    """What a reader sends to a phone."""
    reader, phone = pkoc.ble_reader_session(), pkoc.ble_holder_session()
    said = [pkoc.greeting(reader)]
    step = phone.receive(said[0], 0.0)
    assert isinstance(step, Send)
    answer = reader.receive(step.message, 0.0)
    assert isinstance(answer, Send)
    return (*said, answer.message, bytes.fromhex("040103"))


# Aliro: a door that asks for documents, and a device that has them.

SCHEDULES = tuple(
    Schedule(
        ends.NOW - 40 * 86_400, None, Recurrence(3_600, mask, pattern, 2, ordinal), is_utc=True
    )
    for pattern, mask, ordinal in (
        (Pattern.DAILY, 0, 0),
        (Pattern.WEEKLY, 0x15, 0),
        (Pattern.MONTHLY_BY_DAY, 0x02, 1),
        (Pattern.MONTHLY_BY_DATE, 0x4001, 0),
        (Pattern.YEARLY_BY_DAY, 0x82, -1),
        (Pattern.YEARLY_BY_DATE, 0x82, 2),
    )
)
ACCESS = AccessData(
    id=b"badge",
    rules=(AccessRule(Capability.UNSECURE, allow=0x3F),),
    schedules=SCHEDULES,
)
DOCUMENT = ends.access(ACCESS)
BY_CERTIFICATE = ends.access(
    ACCESS, issuer=ends.CERTIFIED_ISSUER, certificate=certificates.certificate()
)
RESPONSE = DeviceResponse((DOCUMENT,))
REQUEST = DeviceRequest(((DocumentType.ACCESS, (ends.FLOOR,)),))


def aliro_answers() -> list[tuple[bytes, ...]]:
    """Of a device at its first tap, and at its second, which is fast."""
    door, phone = DocumentDoor(), Phone(DOCUMENT)
    taps = [door.visit(phone), door.visit(phone)]
    return [tuple(each.encode() for each in tap.answered) for tap in taps]


def aliro_commands() -> list[tuple[bytes, ...]]:
    """Of readers with and without a certificate."""
    found = []
    for door in (DocumentDoor(), DocumentDoor(identity=certified())):
        phone = Phone(DOCUMENT)
        taps = [door.visit(phone) for _ in range(2)]
        found += [tuple(each.encode() for each in tap.said) for tap in taps]
    return found


def aliro_card() -> Card:
    """A device that has met the reader of `aliro_commands` before."""
    phone = Phone(DOCUMENT)
    phone.credential.remember(DocumentDoor().identity.reader_identifier, bytes(32))
    return phone.card


def stored_keys() -> bytes:
    store = KpersistentStore()
    store.remember(ALICE.public, bytes(32))
    store.remember(key("bob").public, b"\1" * 32)
    return store.encode()


REVOKING = RevocationData(
    Mode.CHANGE,
    (Entry(bytes(32), b"badge", ends.NOW), Entry(id=b"badge")),
    (Entry(b"\1" * 32),),
)
# A kept list of one issuer.
REVOKED = cbor.encode([1, [[bytes(32), 7, ends.NOW, [Entry(bytes(32)).row]]]])


def stored() -> dict[str, bytes]:
    """Everything that a door keeps of Aliro."""
    door = DocumentDoor()
    door.visit(Phone(DOCUMENT))
    memory = door.memory
    return {
        "keys": stored_keys(),
        "iterations": memory.iterations.encode(),
        "documents": full().encode(),
        "real documents": memory.documents.encode(),
    }


def pkoc_commands() -> tuple[bytes, ...]:
    """What readers of both profiles send to a card."""
    v2 = nfc_reader.dialogue(READER, bytes(16), own_keys=OWN, se_v2=SeV2(bytes(32), None))
    v1 = nfc_reader.dialogue(READER, bytes(16), own_keys=OWN)
    said = []
    for dialogue in (v2, v1):
        card, command = pkoc_card(), next(dialogue)
        with contextlib.suppress(StopIteration):
            while True:
                said.append(command)
                command = dialogue.send(card.receive(command))
    return tuple(said)


def rows() -> list[Row]:
    """One of each kind, with everything said."""
    door = Door(1, tuple(Method), modes=Modes(True, False, 10, 20))
    span = Span(480, 1_080)
    week = Week(3, (Interval(0, span), Interval(6, span)), (HolidayRule(1, spans=(span,)),))
    offsets = OffsetFrom(0, 3_600), OffsetFrom(1_000, 7_200)
    calendar = Calendar(2_000, offsets, (Holiday(20_000, 20_001, 1),))
    suppliers = (Supplier(IIR, spki()), Supplier(IIR, key("supplier").public.point))
    whose = CardIssuers(suppliers, tuple(piv_certificates()[1:]))
    grant = Grant(key("card").public.point, 7, 8, 9, 3, 5, 10, 20, 2)
    return [door, week, calendar, whose, grant]
