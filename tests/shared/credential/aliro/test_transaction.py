"""A transaction as its caller sees it: proof, decision, farewell, and the next tap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.aliro.endings import Cause, ReaderStatus
from shared.credential.aliro.identity import ReaderIdentity
from shared.credential.aliro.kpersistent import KpersistentStore
from shared.credential.aliro.mailbox import Read, Write
from shared.credential.apdu import SW
from shared.credential.card import Card
from shared.credential.errors import Misuse, RuleBroken
from shared.credential.outcome import (
    Outcome,
    Proven,
    Reason,
    Refused,
    Standard,
    Strength,
    Transport,
)
from shared.credential.p256 import OwnKeys
from shared.credential.pkoc import nfc_reader
from shared.credential.pkoc.identity import ReaderIdentity as PkocIdentity
from shared.credential.pkoc.nfc_holder import PkocApplication
from shared.credential.selection import try_in_order
from shared.credential.session import Finished, Send
from shared.credential.tag import DialogueSession, TagSession
from tests.shared.credential.aliro.ends import (
    ALICE,
    BOB,
    FAST,
    GROUP,
    NOBODY,
    READER,
    STANDARD,
    Door,
    Tap,
    altered,
    control_flow_heard,
    credential,
    device,
    renamed,
    status_heard,
)
from tests.shared.credential.keys import LOCATION, QUICK, SITE, key

OK = b"\x90\x00"
PKOC = PkocIdentity(SITE, LOCATION, key("pkoc reader"))


class TestDecision:
    def test_what_is_proven(self) -> None:
        proven = Door().tap(device()).proven
        assert proven.standard is Standard.ALIRO
        assert proven.transport is Transport.NFC
        assert proven.strength is Strength.MUTUAL
        assert proven.issuer is None

    @pytest.mark.parametrize("status", [ReaderStatus.NO_ACCESS, ReaderStatus.KEY_EXPIRED])
    def test_who_is_not_let_in_hears_it_and_is_forgotten(self, status: ReaderStatus) -> None:
        door, phone = Door(), device()
        door.tap(phone)
        assert door.tap(phone, status).names == FAST
        assert status_heard(phone) == status
        assert len(door.store) == 0
        assert door.tap(phone, status).names == STANDARD
        assert len(door.store) == 0

    def test_nobody_who_has_not_been_decided_on_is_remembered(self) -> None:
        door = Door()
        assert isinstance(Tap(Card([device()])).run(door.transaction().authenticate()), Proven)
        assert len(door.store) == 0

    def test_without_a_word_the_last_word_is_no_access(self) -> None:
        phone, transaction = device(), Door().transaction()
        tap = Tap(Card([phone]))
        tap.run(transaction.authenticate())
        farewell = transaction.conclude()
        assert farewell is not None
        tap.run(farewell)
        assert status_heard(phone) == ReaderStatus.NO_ACCESS

    def test_said_once(self) -> None:
        transaction = Door().transaction()
        Tap(Card([device()])).run(transaction.authenticate())
        assert transaction.conclude() is not None
        assert transaction.conclude() is None
        with pytest.raises(Misuse):
            _ = transaction.session

    @pytest.mark.parametrize("tag", [0x86, 0x9E])
    def test_said_once_after_a_failure_too(self, tag: int) -> None:
        transaction = Door().transaction()
        Tap(Card([altered(auth0=renamed(tag), auth1=renamed(tag))])).run(transaction.authenticate())
        assert transaction.conclude() is not None
        assert transaction.conclude() is None

    def test_nothing_to_say_before_anything_was_asked(self) -> None:
        assert Door().transaction().conclude(ReaderStatus.UNSECURED) is None

    @pytest.mark.parametrize("answers", [[b"\x61\x10", b"\x6d\x00"], [b""], [b"\x64\x00"], [OK]])
    def test_what_the_device_makes_of_it_changes_nothing(self, answers: list[bytes]) -> None:
        transaction = Door().transaction()
        Tap(Card([device()])).run(transaction.authenticate())
        farewell = transaction.conclude(ReaderStatus.UNSECURED)
        assert farewell is not None
        next(farewell)
        for answer in answers[:-1]:
            farewell.send(answer)
        with pytest.raises(StopIteration):
            farewell.send(answers[-1])

    def test_a_status_is_never_sent_in_clear(self) -> None:
        tap = Door().tap(device())
        assert bytes.fromhex("97020101") not in tap.said[-1].data


class TestFast:
    def test_a_device_that_knows_us_no_more_falls_back(self) -> None:
        door, held = Door(), credential()
        door.tap(device(held))
        held.kpersistents.clear()
        tap = door.tap(device(held))
        assert tap.names == STANDARD
        assert tap.said[1].data[2] == 1
        assert door.tap(device(held)).names == FAST

    def test_a_reader_that_has_forgotten_falls_back(self) -> None:
        door, alice, bob = Door(), device(), device(credential(BOB))
        door.tap(alice)
        door.tap(bob)
        door.store.forget(ALICE.public)
        assert door.tap(alice).names == STANDARD
        assert [door.tap(phone).names for phone in (alice, bob)] == [FAST, FAST]

    def test_another_reader_of_the_group_is_another_reader(self) -> None:
        other = Door(ReaderIdentity(GROUP, bytes(16), READER.key))
        door, phone = Door(), device()
        assert [each.tap(phone).names for each in (door, other)] == [STANDARD, STANDARD]
        assert [each.tap(phone).names for each in (door, other)] == [FAST, FAST]

    def test_a_memory_that_was_stored_serves_as_well(self) -> None:
        door, phone = Door(), device()
        door.tap(phone)
        door.store = KpersistentStore.decode(door.store.encode())
        assert door.tap(phone).names == FAST

    def test_one_of_our_own_keys_is_no_credential_here_either(self) -> None:
        door, phone = Door(), device()
        door.tap(phone)
        door.own_keys = OwnKeys([ALICE.public])
        assert door.tap(phone).refused is Reason.OWN_KEY
        assert control_flow_heard(phone).cause == Cause.NO_INFORMATION

    def test_the_regulars_stay(self) -> None:
        door = Door(store=KpersistentStore(2))
        alice, bob, carol = device(), device(credential(BOB)), device(credential(key("carol")))
        for phone in (alice, bob, alice, carol):
            door.tap(phone)
        assert door.tap(alice).names == FAST
        assert door.tap(bob).names == STANDARD

    def test_what_the_device_offers_is_known_in_both_phases(self) -> None:
        door, held = Door(), credential()
        held.access_signed = b"2026-11-01T00:00:00Z"
        for step_up in (True, False):
            transaction, phone = door.transaction(), device(held)
            tap = Tap(Card([phone]))
            tap.run(transaction.authenticate())
            assert transaction.session.offer == held.offer
            assert (transaction.session.step_up is not None) is step_up
            assert phone.step_up == transaction.session.step_up
            farewell = transaction.conclude(ReaderStatus.UNSECURED)
            assert farewell is not None
            tap.run(farewell)
            assert phone.step_up is None


class TestMailbox:
    @pytest.mark.parametrize("mailbox", [None, b"", bytes(4)])
    def test_a_device_that_cannot(self, mailbox: bytes | None) -> None:
        phone, transaction = device(credential(mailbox=mailbox)), Door().transaction()
        tap = Tap(Card([phone]))
        tap.run(transaction.authenticate())
        with pytest.raises(RuleBroken) as caught:
            tap.run(transaction.mailbox(Read(0, 5), Write(0, b"x")))
        assert caught.value.reason is Reason.CARD_ERROR
        assert isinstance(phone.ended, Refused)
        farewell = transaction.conclude(ReaderStatus.UNSECURED)
        assert farewell is not None
        tap.run(farewell)
        assert tap.answered[-1].sw == SW.UNKNOWN_INS

    def test_a_long_one_in_pieces(self) -> None:
        content = bytes(range(256)) * 8
        transaction = Door().transaction()
        tap = Tap(Card([device(credential(mailbox=content))]))
        tap.run(transaction.authenticate())
        assert tap.run(transaction.mailbox(Read(0, 2048), Write(0, bytes(600)))) == (content,)
        assert tap.run(transaction.mailbox(Read(0, 600))) == (bytes(600),)

    def test_it_runs_against_the_clock(self) -> None:
        transaction, card = Door().transaction(), Card([device()])
        Tap(card).run(transaction.authenticate())
        session = DialogueSession(transaction.mailbox(Read(0, 2)), now=0.0, seconds=1.0)
        step = session.receive(card.receive(session.start()), 0.5)
        assert step == Finished((b"\0\0",))


def run(session: TagSession, card: Card) -> Outcome:
    step: object = Send(session.start())
    while isinstance(step, Send):
        step = session.receive(card.receive(step.message), 0.0)
    assert isinstance(step, Finished)
    outcome: Outcome = step.outcome
    return outcome


class TestWithTheRest:
    """As one of several standards, under a clock."""

    def test_a_card_of_another_standard(self) -> None:
        transaction = Door().transaction()
        pkoc = nfc_reader.dialogue(PKOC, bytes(16), own_keys=NOBODY)
        session = TagSession(try_in_order([transaction.authenticate(), pkoc]), now=0.0)
        outcome = run(session, Card([PkocApplication(BOB)]))
        assert isinstance(outcome, Proven)
        assert outcome.standard is Standard.PKOC
        assert transaction.conclude(ReaderStatus.UNSECURED) is None

    def test_a_device_that_fails_is_asked_for_nothing_weaker(self) -> None:
        phone = altered(auth1=renamed(0x9E))
        pkoc = nfc_reader.dialogue(PKOC, bytes(16), own_keys=NOBODY)
        order = try_in_order([Door().transaction().authenticate(), pkoc])
        outcome = run(TagSession(order, now=0.0), Card([phone, PkocApplication(ALICE)]))
        assert outcome == Refused(Reason.MALFORMED)

    def test_both_in_one_phone(self) -> None:
        transaction, phone = Door().transaction(), device()
        card = Card([PkocApplication(BOB), phone])
        assert isinstance(run(TagSession(transaction.authenticate(), now=0.0), card), Proven)
        farewell = transaction.conclude(ReaderStatus.UNSECURED)
        assert farewell is not None
        session = DialogueSession(farewell, now=0.0)
        assert session.receive(card.receive(session.start()), 0.0) == Finished(None)
        assert status_heard(phone) == ReaderStatus.UNSECURED

    @pytest.mark.parametrize("commands", [1, 2, 3])
    def test_a_device_that_leaves(self, commands: int) -> None:
        transaction, card = Door().transaction(), Card([device()])
        session = TagSession(transaction.authenticate(), now=0.0)
        command = session.start()
        for _ in range(commands - 1):
            step = session.receive(card.receive(command), 0.0)
            assert isinstance(step, Send)
            command = step.message
        assert session.lost() == Finished(Refused(Reason.LINK_LOST))
        farewell = transaction.conclude(ReaderStatus.UNSECURED)
        assert (farewell is None) is (commands == 1)

    @QUICK
    @given(st.lists(st.binary(max_size=200), max_size=8))
    def test_any_card_is_done_and_proves_nothing(self, answers: list[bytes]) -> None:
        session = TagSession(Door().transaction().authenticate(), now=0.0)
        session.start()
        steps = [*(session.receive(answer, 0.0) for answer in answers), session.lost()]
        (ending,) = [step for step in steps if isinstance(step, Finished)]
        assert isinstance(ending.outcome, Refused)
