"""The step-up phase, both ends against each other, and against worse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.aliro import keys
from shared.credential.aliro.channel import SecureChannel
from shared.credential.aliro.documents.access_data import Capability
from shared.credential.aliro.documents.encoding import MAX_SIZE, encode
from shared.credential.aliro.documents.issuers import issuer_id
from shared.credential.aliro.documents.messages import (
    DeviceRequest,
    DeviceResponse,
    DocumentType,
    unwrap,
    wrap,
)
from shared.credential.aliro.documents.revocation import (
    Entry,
    Mode,
    RevocationData,
    credential_hash,
)
from shared.credential.aliro.endings import ReaderStatus
from shared.credential.aliro.messages import EXPEDITED_AID, SelectAnswer
from shared.credential.aliro.reader import Settings, Transaction
from shared.credential.aliro.step_up import SELECT_STEP_UP, by_documents, status_for
from shared.credential.aliro.step_up_holder import DocumentDevice, StepUpApplication
from shared.credential.apdu import SW, CommandAPDU, ResponseAPDU
from shared.credential.card import Card
from shared.credential.exchange import Dialogue
from shared.credential.outcome import Outcome, Proven, Reason, Refused
from shared.credential.session import Finished, Send
from shared.credential.tag import TagSession
from shared.credential.tlv import encode as encode_tlv
from tests.shared.credential.aliro.documents.door import (
    STEP_UP,
    DocumentDoor,
    Phone,
    last_word,
)
from tests.shared.credential.aliro.documents.ends import (
    FLOOR,
    ISSUER,
    MOMENT,
    access,
    revocation,
)
from tests.shared.credential.aliro.ends import ALICE, BOB, FAST, STANDARD, Tap
from tests.shared.credential.keys import LONG

UNSECURE = Capability.UNSECURE
ENVELOPE = CommandAPDU(0x00, 0xC3, 0x00, 0x00, b"", 256)
Change = Callable[[bytes], bytes]


class Meddler(Card):
    """A device whose answer to one kind of command is changed on the way."""

    def __init__(self, phone: Phone, ins: int, change: Change) -> None:
        super().__init__([phone.device, StepUpApplication(phone.device)])
        self._ins, self._change = ins, change

    def receive(self, raw: bytes) -> bytes:
        answer = super().receive(raw)
        return self._change(answer) if raw[1] == self._ins else answer


class Retelling(DocumentDevice):
    """A device that wraps what it has to say in another way."""

    retell: Change

    def answer(self, command: CommandAPDU) -> ResponseAPDU:
        answer = super().answer(command)
        if command.ins == ENVELOPE.ins and answer.sw == SW.OK:
            return ResponseAPDU(self.retell(answer.data), SW.OK)
        return answer


class TestFlow:
    def test_without_the_step_up_application(self) -> None:
        phone = Phone(access(), select=False)
        tap = DocumentDoor().visit(Card([phone.device]))
        assert tap.names == [*STEP_UP[:3], *STEP_UP[4:]]
        assert tap.proven.issuer == issuer_id(ISSUER.public).hex()
        assert phone.is_admitted

    def test_the_next_tap_is_fast(self) -> None:
        phone, door = Phone(access()), DocumentDoor()
        door.admits(phone)
        tap = door.visit(phone)
        assert tap.names == FAST
        assert tap.proven.issuer == issuer_id(ISSUER.public).hex()

    def test_both_documents_at_once(self) -> None:
        bobs = RevocationData(Mode.OVERWRITE, (Entry(credential_hash(BOB.public)),))
        phone = Phone(access(), revocation(bobs))
        door = DocumentDoor(revocation=(FLOOR,))
        door.admits(phone)
        bob = Phone(access(holder=BOB.public), who=BOB)
        assert door.refuses(bob) is Reason.CREDENTIAL_REVOKED

    def test_a_long_request_is_chained(self) -> None:
        names = tuple(f"{FLOOR} {'x' * 60} {n}" for n in range(12))
        phone, door = Phone(access(elements={names[11]: {0: 1}})), DocumentDoor(access=names)
        tap = door.visit(phone)
        assert [each.cla for each in tap.said if each.ins == 0xC3] == [0x10] * 3 + [0x00]
        assert tap.proven.issuer
        assert phone.is_admitted

    def test_a_long_list_is_fetched(self) -> None:
        entries = tuple(Entry(n.to_bytes(32, "big")) for n in range(500))
        phone = Phone(revocation(RevocationData(Mode.OVERWRITE, entries)))
        door = DocumentDoor(access=(), revocation=(FLOOR,))
        door.admits(phone)
        assert len(door.memory.revocations) == 500

    def test_within_one_session(self) -> None:
        """All of it as one dialogue, against the clock and the bounds of a tap."""
        entries = tuple(Entry(n.to_bytes(32, "big")) for n in range(500))
        phone = Phone(access(), revocation(RevocationData(Mode.OVERWRITE, entries)))
        door, card = DocumentDoor(revocation=(FLOOR,)), phone.card
        transaction = door.transaction()

        def whole() -> Dialogue[Outcome]:
            outcome = yield from transaction.authenticate()
            assert isinstance(outcome, Proven)
            return (yield from by_documents(transaction, outcome, door.examiner, UNSECURE, MOMENT))

        session = TagSession(whole(), now=0.0)
        step: object = Send(session.start())
        while isinstance(step, Send):
            step = session.receive(card.receive(step.message), 1.0)
        assert isinstance(step, Finished)
        assert isinstance(step.outcome, Proven)
        assert step.outcome.issuer

    def test_only_what_is_asked_for_leaves_the_device(self) -> None:
        phone = Phone(access(elements={FLOOR: {0: 1}, "floor2": {0: 1, 1: b"secret badge"}}))
        request = DeviceRequest(((DocumentType.ACCESS, (FLOOR,)),))
        response = phone.device.respond(phone.credential, request)
        assert b"secret badge" not in response.encode()
        assert len(response.documents[0].items) == 1
        nothing = DeviceRequest(((DocumentType.REVOCATION, (FLOOR,)),))
        assert phone.device.respond(phone.credential, nothing) == DeviceResponse(())

    def test_the_phase_comes_once(self) -> None:
        """A second time there is what is kept, as after a fast transaction."""
        phone, door = Phone(access()), DocumentDoor()
        tap, transaction = Tap(phone.card), door.transaction()
        proven = tap.run(transaction.authenticate())
        assert isinstance(proven, Proven)
        for _ in range(2):
            judging = by_documents(transaction, proven, door.examiner, UNSECURE, MOMENT)
            assert tap.run(judging) == replace(proven, issuer=issuer_id(ISSUER.public).hex())
        assert tap.names == STEP_UP[:-1]


class TestNothingToAskFor:
    def test_no_document(self) -> None:
        """The device hears of it in the channel that there is."""
        phone = Phone()
        tap = DocumentDoor().visit(phone)
        assert tap.refused is Reason.NO_DOCUMENT
        assert tap.names == STANDARD
        assert phone.status == ReaderStatus.NO_ACCESS

    def test_revocations_alone(self) -> None:
        phone = Phone()
        tap = DocumentDoor(access=(), revocation=(FLOOR,)).visit(phone)
        assert tap.proven.issuer is None
        assert tap.names == STANDARD
        assert phone.is_admitted

    def test_somebody_who_is_revoked(self) -> None:
        door = DocumentDoor(access=(), revocation=(FLOOR,))
        alices = RevocationData(Mode.OVERWRITE, (Entry(credential_hash(ALICE.public)),))
        door.admits(Phone(revocation(alices), who=BOB))
        assert door.refuses(Phone()) is Reason.CREDENTIAL_REVOKED

    def test_a_fast_tap_of_somebody_whose_document_is_gone(self) -> None:
        phone, door = Phone(access()), DocumentDoor()
        door.admits(phone)
        door.memory.documents.forget(ALICE.public)
        tap = door.visit(phone)
        assert (tap.names, tap.refused) == (FAST, Reason.NO_DOCUMENT)
        assert door.visit(phone).names == STEP_UP
        assert phone.is_admitted


class TestBadDevices:
    def refused(self, phone: Phone, ins: int, change: Change) -> tuple[Reason, list[str]]:
        door = DocumentDoor()
        tap = door.visit(Meddler(phone, ins, change))
        assert len(door.memory.documents) == len(door.memory.kpersistents) == 0
        return tap.refused, tap.names

    def test_no_step_up_application(self) -> None:
        phone = Phone(access())
        tap = DocumentDoor().visit(Card([phone.device]))
        assert tap.refused is Reason.CARD_ERROR
        assert tap.names == [*STANDARD[:3], "SELECT", "EXCHANGE"]

    def test_another_application_answers(self) -> None:
        other = SelectAnswer.of(EXPEDITED_AID, [b"\1\0"]).encode() + b"\x90\x00"
        door, phone = DocumentDoor(), Phone(access())
        card = Meddler(phone, 0xA4, lambda answer: other)
        assert door.visit(card).refused is Reason.MALFORMED

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda answer: b"\x6d\x00", Reason.CARD_ERROR),
            (lambda answer: answer[:-2] + b"\x63\x00", Reason.CARD_ERROR),
            (lambda answer: b"\x90\x00", Reason.MALFORMED),
            (lambda answer: wrap(bytes(40)) + b"\x90\x00", Reason.DECRYPTION_FAILED),
            (lambda answer: wrap(b"") + b"\x90\x00", Reason.DECRYPTION_FAILED),
            (
                lambda answer: encode_tlv(0x53, encode({"status": 11})) + b"\x90\x00",
                Reason.CARD_ERROR,
            ),
            (lambda answer: b"\x61\xff", Reason.MALFORMED),
        ],
    )
    def test_answers_to_envelope(self, change: Change, reason: Reason) -> None:
        found, names = self.refused(Phone(access()), 0xC3, change)
        assert found is reason
        assert names[-1] == "EXCHANGE"

    def test_an_endless_answer(self) -> None:
        """It is cut off, and it does not fill the memory."""

        class Endless(Card):
            def receive(self, raw: bytes) -> bytes:
                if raw[1] in (0xC3, 0xC0):
                    return bytes(256) + b"\x61\x00"
                return super().receive(raw)

        phone = Phone(access())
        tap = DocumentDoor().visit(Endless([phone.device, StepUpApplication(phone.device)]))
        assert tap.refused is Reason.MALFORMED
        assert sum(len(each.data) for each in tap.answered) < MAX_SIZE + 2048

    def test_sealed_and_bare(self) -> None:
        """Some devices leave the map around what is sealed out."""
        phone = Phone(access(), kind=Retelling)
        assert isinstance(phone.device, Retelling)
        phone.device.retell = lambda data: encode_tlv(0x53, unwrap(data))
        DocumentDoor().admits(phone)

    @pytest.mark.parametrize("step", range(7))
    def test_turned_bits_let_nobody_in(self, step: int) -> None:
        """Every answer of the phase, a bit in every few bytes."""
        names = STEP_UP
        recorded = DocumentDoor().visit(Phone(access())).answered[step].encode()
        for at in range(0, len(recorded) - 2, 23):

            class Turned(Card):
                turn = 0

                def receive(self, raw: bytes) -> bytes:
                    answer = super().receive(raw)
                    if self.turn == step:
                        answer = answer[:at] + bytes((answer[at] ^ 1,)) + answer[at + 1 :]  # noqa: B023
                    self.turn += 1
                    return answer

            phone = Phone(access())
            tap = DocumentDoor().visit(Turned([phone.device, StepUpApplication(phone.device)]))
            if names[step] in ("AUTH0", "AUTH1", "ENVELOPE", "GET RESPONSE"):
                assert isinstance(tap.outcome, Refused)

    @LONG
    @given(st.lists(st.binary(min_size=2, max_size=80), max_size=8), st.integers(2, 6))
    def test_any_answers(self, answers: list[bytes], begin: int) -> None:
        """From some point on the device says anything: it ends, and lets nobody in."""
        rest = iter(answers)

        class Babbling(Card):
            turn = 0

            def receive(self, raw: bytes) -> bytes:
                self.turn += 1
                if self.turn <= begin:
                    return super().receive(raw)
                return next(rest, b"\x69\x85")

        phone = Phone(access())
        door = DocumentDoor()
        transaction = door.transaction()
        tap = Tap(Babbling([phone.device, StepUpApplication(phone.device)]))
        outcome: Outcome = tap.run(transaction.authenticate())
        if isinstance(outcome, Proven):
            outcome = tap.run(by_documents(transaction, outcome, door.examiner, UNSECURE, MOMENT))
        assert isinstance(outcome, Refused) or begin >= 6
        farewell = transaction.conclude(last_word(outcome))
        if farewell is not None:
            tap.run(farewell)


class TestDevice:
    """The holder's side, against readers that do not keep to the order."""

    def opened(self, phone: Phone) -> tuple[Transaction, Tap]:
        """Up to the end of the expedited phase."""
        transaction, tap = (
            DocumentDoor(settings=Settings(fast=False)).transaction(),
            Tap(phone.card),
        )
        assert isinstance(tap.run(transaction.authenticate()), Proven)
        return transaction, tap

    def envelope(self, tap: Tap, data: bytes) -> int:
        command = CommandAPDU(0x00, 0xC3, 0x00, 0x00, data, 256)
        return ResponseAPDU.decode(tap.card.receive(command.encode())).sw

    def test_no_documents_for_readers_that_have_proved_nothing(self) -> None:
        phone = Phone(access())
        tap = Tap(phone.card)
        door = DocumentDoor()
        commands = door.transaction().authenticate()
        assert self.envelope(tap, wrap(bytes(40))) == SW.CONDITIONS_NOT_SATISFIED
        tap.card.receive(next(commands))
        assert self.envelope(tap, wrap(bytes(40))) == SW.UNKNOWN_INS
        assert phone.device.ended == Refused(Reason.OUT_OF_ORDER)
        tap.card.receive(SELECT_STEP_UP.encode())
        assert self.envelope(tap, wrap(bytes(40))) == SW.UNKNOWN_INS

    def test_after_auth0_alone(self) -> None:
        phone, door = Phone(access()), DocumentDoor()
        tap, commands = Tap(phone.card), door.transaction().authenticate()
        tap.card.receive(commands.send(tap.card.receive(next(commands))))
        assert self.envelope(tap, wrap(bytes(40))) == SW.UNKNOWN_INS

    @pytest.mark.parametrize(
        ("data", "sw"),
        [
            (b"", SW.NOT_COMPLIANT),
            (b"\0", SW.NOT_COMPLIANT),
            (wrap(b""), SW.SECURITY_STATUS),
            (wrap(bytes(40)), SW.SECURITY_STATUS),
            (encode_tlv(0x53, bytes(40)), SW.SECURITY_STATUS),
        ],
    )
    def test_garbage_ends_the_transaction(self, data: bytes, sw: SW) -> None:
        phone = Phone(access())
        transaction, tap = self.opened(phone)
        assert self.envelope(tap, data) == sw
        assert isinstance(phone.device.ended, Refused)
        farewell = transaction.conclude(ReaderStatus.UNSECURED)
        assert farewell is not None
        tap.run(farewell)
        assert isinstance(phone.device.ended, Refused)

    def test_a_request_that_is_none(self) -> None:
        """Sealed as it should be, and no request."""
        phone = Phone(access())
        transaction, tap = self.opened(phone)
        assert transaction.session.step_up is not None
        derived = keys.step_up_keys(transaction.session.step_up)
        channel = SecureChannel.of_reader(derived.reader, derived.device)
        assert self.envelope(tap, wrap(channel.seal(b"\xa0"))) == SW.NOT_COMPLIANT
        assert phone.device.ended == Refused(Reason.MALFORMED)

    def test_documents_go_once(self) -> None:
        phone, door = Phone(access()), DocumentDoor()
        tap, transaction = Tap(phone.card), door.transaction()
        proven = tap.run(transaction.authenticate())
        assert isinstance(proven, Proven)
        tap.run(by_documents(transaction, proven, door.examiner, UNSECURE, MOMENT))
        again = next(each for each in tap.said if each.ins == 0xC3)
        assert self.envelope(tap, again.data) == SW.UNKNOWN_INS

    @pytest.mark.parametrize("header", [(0x80, 0, 0), (0x00, 1, 0), (0x00, 0, 1)])
    def test_another_header(self, header: tuple[int, int, int]) -> None:
        phone = Phone(access())
        _, tap = self.opened(phone)
        cla, p1, p2 = header
        command = CommandAPDU(cla, 0xC3, p1, p2, wrap(bytes(40)), 256)
        answer = ResponseAPDU.decode(tap.card.receive(command.encode()))
        assert not answer.data
        assert answer.sw in (SW.UNKNOWN_INS, SW.UNKNOWN_CLA)

    def test_without_a_transaction(self) -> None:
        phone = Phone(access())
        card = phone.card
        answer = ResponseAPDU.decode(card.receive(SELECT_STEP_UP.encode()))
        assert answer.sw == SW.OK
        assert SelectAnswer.decode(answer.data).aid == StepUpApplication.aid
        assert card.receive(bytes.fromhex("80c9000010" + "00" * 16 + "00")) == b"\x6d\x00"


def test_a_device_always_hears_of_a_refusal() -> None:
    for reason in Reason:
        assert not status_for(Refused(reason)).is_success
