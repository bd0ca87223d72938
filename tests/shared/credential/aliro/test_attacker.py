"""An active attacker between readers of Aliro and phones, some of which speak PKOC as well.

It relays, replays, swaps ephemeral keys, cuts, flips, splices sessions and standards, speaks as a
reader with stolen, old and self-made certificates, and shows documents of others. The law: nobody
is proven but by a signature, or a cryptogram for a door that let him in before, of this very
transaction; a device signs and gives documents to a reader only that has proved itself in it; Bob,
who has Aliro alone, is nobody on the air; documents let in their holder alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    multiple,
    rule,
)

from shared.credential.aliro import messages
from shared.credential.aliro.documents.access_data import Capability
from shared.credential.aliro.documents.examiner import Examiner
from shared.credential.aliro.documents.issuers import issuer_id
from shared.credential.aliro.endings import ReaderStatus
from shared.credential.aliro.keys import Transcript
from shared.credential.aliro.messages import Auth0, Auth0Answer, Auth1, AuthenticationPolicy, Ins
from shared.credential.aliro.reader import Settings, Transaction
from shared.credential.aliro.step_up import by_documents
from shared.credential.apdu import CommandAPDU, ResponseAPDU
from shared.credential.errors import RuleBroken
from shared.credential.exchange import Dialogue
from shared.credential.outcome import Outcome, Proven, Refused
from shared.credential.p256 import PrivateKey, PublicKey
from shared.credential.pkoc import nfc_messages, nfc_reader
from shared.credential.pkoc.identity import ReaderIdentity as PkocIdentity
from shared.credential.session import Finished, Send
from shared.credential.tag import DialogueSession, TagSession
from shared.credential.tlv import encode
from tests.shared.credential.aliro import attacked
from tests.shared.credential.aliro.attacked import Change, Door, Phone, Site
from tests.shared.credential.aliro.documents.ends import FLOOR, ISSUERS, MOMENT
from tests.shared.credential.aliro.documents.ends import ISSUER as DOCUMENT_ISSUER

SIZES = (16, 32, 33, 65, 96, 126)
KINDS = st.sampled_from(["aliro", "documents", "pkoc"])
AT = st.sampled_from([0, 1, 2])
HEARD = st.integers(0, 400)
HONEST = st.sampled_from(["alice", "bob"])
EVERYBODY = ("alice", "bob", "mallory", "thief", "liar")
MOST = 12  # commands of the longest transaction


CHANGES = st.builds(
    Change,
    how=st.sampled_from(["flip", "cut", "swap", "twice", "alike", "other"]),
    of=st.sampled_from(["command", "answer"]),
    back=HEARD,
    bit=st.integers(0, 1600),
)


class Attacker(RuleBasedStateMachine):
    """All that was said is in `air`, the newest last."""

    doors = Bundle("doors")
    phones = Bundle("phones")

    def __init__(self) -> None:
        super().__init__()
        self.people = attacked.People()
        self.sites = attacked.sites()
        self.own_keys = attacked.our_keys(self.sites)
        self.enrolled = {self.people.keys[who].public.point for who in ("alice", "bob")}
        self.count = 0
        self.air: list[bytes] = [b"\x6a\x82"]
        self.answers: dict[tuple[bytes, bool, bytes], list[bytes]] = {}

    def fresh(self, what: str, size: int) -> bytes:
        """Bytes that no session has had before."""
        self.count += 1
        return hashlib.sha512(f"{what} {self.count}".encode()).digest()[:size]

    def ephemeral(self) -> PrivateKey:
        return PrivateKey.from_bytes(self.fresh("ephemeral", 32))

    def heard(self, back: int) -> bytes:
        """What was said so many messages ago."""
        return self.air[-1 - back % len(self.air)]

    # Who is there

    @initialize(target=phones)
    def everybody_is_near(self) -> Any:
        return multiple(*map(self.phone, EVERYBODY))

    @initialize(target=doors, kinds=st.tuples(KINDS, KINDS, KINDS))
    def every_door_is_open(self, kinds: tuple[str, ...]) -> Any:
        return multiple(*map(self.opened, kinds, range(3)))

    @rule(target=doors, kind=KINDS, at=AT)
    def a_reader_is_tapped(self, kind: str, at: int) -> Door:
        return self.opened(kind, at)

    def opened(self, kind: str, at: int) -> Door:
        """A new session of a reader."""
        site, ephemeral, number = self.sites[at], self.ephemeral(), self.fresh("number", 16)
        transaction = None
        dialogue: Dialogue[Outcome]
        if kind == "pkoc":
            identity = site.identity
            known = PkocIdentity(identity.group, identity.sub_group, identity.key)
            dialogue = nfc_reader.dialogue(known, number, own_keys=self.own_keys)
        else:
            transaction = Transaction(
                site.identity,
                ephemeral,
                number,
                own_keys=self.own_keys,
                store=site.memory.kpersistents,
                settings=Settings(certificate_in_auth1=at == 2),
            )
            dialogue = self._find_out(transaction, site, documents=kind == "documents")
        session = TagSession(dialogue, now=0.0)
        says = session.start()
        self._hear(says)
        return Door(kind, site, ephemeral, number, transaction, session, says)

    def _find_out(
        self, transaction: Transaction, site: Site, *, documents: bool
    ) -> Dialogue[Outcome]:
        outcome = yield from transaction.authenticate()
        if isinstance(outcome, Proven) and documents:
            examiner = Examiner(ISSUERS, site.memory, access=(FLOOR,))
            action = Capability.UNSECURE
            outcome = yield from by_documents(transaction, outcome, examiner, action, MOMENT)
        return outcome

    @rule(target=phones, who=st.sampled_from(EVERYBODY))
    def a_phone_is_near(self, who: str) -> Phone:
        return self.phone(who)

    def phone(self, who: str) -> Phone:
        return self.people.phone(who, self.sites, self.ephemeral)

    # What the attacker does

    @rule(door=doors, phone=phones)
    def honest_tap(self, door: Door, phone: Phone) -> None:
        self._carry(door, phone, MOST)

    @rule(phone=phones, kind=KINDS, at=AT, times=st.integers(1, 2))
    def visits(self, phone: Phone, kind: str, at: int, times: int) -> None:
        """Whole taps, of which the second may be fast."""
        for _ in range(times):
            self._carry(self.opened(kind, at), phone, MOST)

    @rule(door=doors, phone=phones, steps=st.integers(0, 4))
    def broken_off(self, door: Door, phone: Phone, steps: int) -> None:
        """Whatever comes next finds both in the middle of something."""
        self._carry(door, phone, steps)

    @rule(
        phone=phones,
        kind=KINDS,
        at=AT,
        steps=st.integers(0, 5),
        change=CHANGES,
    )
    def in_the_middle(self, phone: Phone, kind: str, at: int, steps: int, change: Change) -> None:
        """Carry everything as it is, but one message."""
        door = self.opened(kind, at)
        self._carry(door, phone, steps)
        command = door.says
        if change.of == "command":
            command = self._changed(command, change, self._swap_in_command)
        answer = self._tell_phone(phone, command)
        if change.how == "twice":
            answer = self._tell_phone(phone, command)
        if change.of == "answer":
            answer = self._changed(answer, change, self._swap_in_answer)
        self._tell_door(door, answer)
        self._carry(door, phone, MOST)

    @rule(who=HONEST, kind=KINDS, at=AT, steps=st.integers(0, 2), back=st.integers(0, 2))
    def from_memory(self, who: str, kind: str, at: int, steps: int, back: int) -> None:
        """After two taps, from some command on, answer as was once answered at this door."""
        phone = self.phone(who)
        self._carry(self.opened(kind, at), phone, MOST)
        self._carry(self.opened(kind, at), phone, MOST)
        door = self.opened(kind, at)
        self._carry(door, phone, steps)
        for _ in range(MOST):
            known = self.answers.get(door.asks)
            if door.closed or not known:
                break
            self._tell_door(door, known[-1 - back % len(known)])

    @rule(one=doors, other=doors, phone=phones, steps=st.integers(0, 4))
    def between_two_doors(self, one: Door, other: Door, phone: Phone, steps: int) -> None:
        """What a phone has begun with one door goes on with another."""
        self._carry(one, phone, steps)
        self._tell_door(other, self.heard(0))
        self._carry(other, phone, MOST)

    @rule(door=doors, phone=phones, pkoc=st.booleans())
    def under_another_name(self, door: Door, phone: Phone, pkoc: bool) -> None:
        """AUTH0 and the AUTHENTICATE of PKOC have one instruction: give each to the other."""
        self._carry(door, phone, 1)
        select = nfc_messages.SELECT if pkoc else messages.SELECT
        self._tell_phone(phone, select.encode())
        self._tell_door(door, self._tell_phone(phone, door.says))

    @rule(phone=phones, back=HEARD)
    def ask_again(self, phone: Phone, back: int) -> None:
        self._tell_phone(phone, self.heard(back))

    @rule(door=doors, back=HEARD)
    def answer_again(self, door: Door, back: int) -> None:
        self._tell_door(door, self.heard(back))

    @rule(door=doors, back=HEARD, other=HEARD, cut=st.integers(0, 200))
    def splice(self, door: Door, back: int, other: int, cut: int) -> None:
        self._tell_door(door, self.heard(back)[:cut] + self.heard(other)[cut:])

    @rule(back=HEARD, size=st.sampled_from(SIZES))
    def have_signed(self, back: int, size: int) -> None:
        """Have a card of PKOC sign what was heard, in this length."""
        phone = self.phone("alice")
        self._tell_phone(phone, nfc_messages.SELECT.encode())
        message = (bytes(size) + self.heard(back))[-size:]
        command = nfc_messages.Authenticate(b"\1\0", message).encode()
        self._tell_phone(phone, command.encode())

    @rule(who=HONEST, at=AT, fast=st.booleans(), back=HEARD)
    def speak_as_a_reader(self, who: str, at: int, fast: bool, back: int) -> None:
        """Greet a phone in the name of a door, with all that an attacker may have of one."""
        self._speak(who, at, "heard", fast=fast, back=back)
        for how in ("no proof", "own key", "stolen", "self-made", "expired", "copied"):
            self._speak(who, at, how, fast=fast)

    def _speak(self, who: str, at: int, how: str, *, fast: bool, back: int = 0) -> None:
        phone = self.phone(who)
        ephemeral, number = self.ephemeral(), self.fresh("mallory's number", 16)
        identity = self.sites[at].identity
        policy, identifier = AuthenticationPolicy.USER_SETTING, identity.reader_identifier
        auth0 = Auth0(fast, policy, messages.V1_0, ephemeral.public.point, number, identifier)
        selected = self._tell_phone(phone, messages.SELECT.encode())
        answer = self._tell_phone(phone, Ins.AUTH0.command(auth0.encode()).encode())
        if how == "no proof":
            self.ask_for_documents(phone)
            return
        if how == "heard":
            self._tell_phone(phone, self.heard(back))
            return
        try:
            said = Auth0Answer.decode(ResponseAPDU.decode(answer).data)
            proprietary = messages.SelectAnswer.decode(selected[:-2]).proprietary
        except RuleBroken:
            return
        transcript = Transcript(
            identity.group_key,
            identifier,
            messages.V1_0,
            ephemeral.public.point,
            said.ephemeral,
            number,
            auth0.parameters,
            proprietary,
        )
        signer, certificate = attacked.loot(how, identity.certified)
        shown = None if certificate is None else certificate.encode()
        auth1 = Auth1(True, signer.sign(transcript.signed_by_reader), shown)
        self._tell_phone(phone, Ins.AUTH1.command(auth1.encode()).encode())

    @rule(phone=phones)
    def ask_for_documents(self, phone: Phone) -> None:
        sealed = encode(0x53, self.fresh("envelope", 60))
        self._tell_phone(phone, CommandAPDU(0, 0xC3, 0, 0, sealed, 256).encode())

    @rule(who=HONEST, wanted=st.booleans())
    def the_office_decides(self, who: str, wanted: bool) -> None:
        point = self.people.keys[who].public.point
        (self.enrolled.add if wanted else self.enrolled.discard)(point)

    @rule(door=consumes(doors))
    def leave(self, door: Door) -> None:
        ended = door.session.lost()
        assert (ended is None) is door.closed

    # What comes of it

    def _carry(self, door: Door, phone: Phone, steps: int) -> None:
        for _ in range(steps):
            if door.closed:
                return
            asked, answer = door.asks, self._tell_phone(phone, door.says)
            self._tell_door(door, answer)
            if not isinstance(door.outcome, Refused):
                self.answers.setdefault(asked, []).append(answer)

    def _changed(self, message: bytes, change: Change, swap: Callable[[bytes], bytes]) -> bytes:
        match change.how:
            case "flip" if message:
                at, bit = change.bit // 8 % len(message), change.bit % 8
                return message[:at] + bytes((message[at] ^ 1 << bit,)) + message[at + 1 :]
            case "cut":
                return message[: change.bit % (len(message) + 1)]
            case "swap":
                return swap(message)
            case "alike":
                kin = [each for each in self.air if each[:2] == message[:2] and each != message]
                return kin[-1 - change.back % len(kin)] if kin else message
            case "other":
                return self.heard(change.back)
            case _:
                return message

    def _swap_in_command(self, raw: bytes) -> bytes:
        """AUTH0 with an ephemeral key of one's own."""
        try:
            command = CommandAPDU.decode(raw)
            changed = replace(Auth0.decode(command.data), ephemeral=self.ephemeral().public.point)
        except RuleBroken:
            return raw
        return replace(command, data=changed.encode()).encode()

    def _swap_in_answer(self, raw: bytes) -> bytes:
        try:
            said = Auth0Answer.decode(raw[:-2])
        except RuleBroken:
            return raw
        return replace(said, ephemeral=self.ephemeral().public.point).encode() + raw[-2:]

    def _hear(self, message: bytes) -> None:
        self.air.append(message)
        assert not any(each in message for each in self.people.secrets), "Bob is on the air"

    def _tell_phone(self, phone: Phone, command: bytes) -> bytes:
        self._hear(command)
        answer = phone.card.receive(command)
        self._hear(answer)
        self._check_phone(phone)
        return answer

    def _check_phone(self, phone: Phone) -> None:
        """Who is honest signs, and shows documents, for readers only that have proved themselves.

        What PKOC has signed has its own length, and no meaning in Aliro.
        """
        if phone.name not in ("alice", "bob"):
            return
        signed = self.people.keys[phone.name].signed
        given = {each for each in signed if len(each) != 16} | phone.device.gave
        for message in given:
            assert attacked.proved_to(self.sites, message), "no reader had proved itself"

    def _tell_door(self, door: Door, answer: bytes) -> None:
        if door.closed:
            return
        match door.session.receive(answer, 0.0):
            case Send(said):
                door.says = said
                self._hear(said)
            case Finished(outcome) if door.outcome is None:
                assert outcome is not None
                door.outcome = outcome
                self._judge(door, outcome)
                self._conclude(door, outcome)
            case Finished():
                door.closed = True
            case None:
                raise AssertionError("a session that is not over has nothing to say")

    def _judge(self, door: Door, outcome: Outcome) -> None:
        if not isinstance(outcome, Proven):
            return
        assert PublicKey.parse(outcome.key) not in self.own_keys
        who = self.people.name(outcome.key)
        signed = self.people.keys[who].signed
        if door.kind == "pkoc":
            assert door.number in signed, "nobody signed for this session"
            return
        wanted = attacked.answers
        by_signature = any(wanted(door.site, door.ephemeral, door.number, each) for each in signed)
        assert by_signature or self._by_cryptogram(door, who), "nobody answered this transaction"
        if door.kind == "documents":
            assert (who, outcome.issuer) == ("bob", issuer_id(DOCUMENT_ISSUER.public).hex())

    def _by_cryptogram(self, door: Door, who: str) -> bool:
        identifier = door.site.identity.reader_identifier
        made = identifier, door.ephemeral.public.point, door.number
        phones = (each for each in self.people.phones if each.name == who)
        known = self.people.keys[who].public.point in door.site.admitted
        return known and any(made in each.device.cryptograms for each in phones)

    def _conclude(self, door: Door, outcome: Outcome) -> None:
        farewell = None
        if door.transaction is not None:
            farewell = door.transaction.conclude(self._decide(door.site, outcome))
        if farewell is None:
            door.closed = True
            return
        door.session = DialogueSession(farewell, now=0.0)
        door.says = door.session.start()
        self._hear(door.says)

    def _decide(self, site: Site, outcome: Outcome) -> ReaderStatus:
        if not isinstance(outcome, Proven):
            return ReaderStatus.NO_ACCESS
        if outcome.issuer or outcome.key in self.enrolled:
            site.admitted.add(outcome.key)
            return ReaderStatus.UNSECURED
        site.admitted.discard(outcome.key)
        return ReaderStatus.NO_ACCESS


Attacker.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestAttacker = pytest.mark.slow(Attacker.TestCase)


def the_door(made: object) -> Door:
    """What a rule has made, as what it is."""
    assert isinstance(made, Door)
    return made


def the_phone(made: object) -> Phone:
    assert isinstance(made, Phone)
    return made


class TestTheMachineCanWin:
    """The law is worth something only where grants do happen."""

    def tap(self, machine: Attacker, kind: str, at: int, phone: Phone) -> Door:
        door = the_door(machine.a_reader_is_tapped(kind=kind, at=at))
        machine.honest_tap(door=door, phone=phone)
        assert door.closed
        return door

    def test_honest_taps_are_proven(self) -> None:
        for kind, who in (("aliro", "alice"), ("pkoc", "alice"), ("aliro", "bob")):
            for at in range(3):
                machine = Attacker()
                phone = the_phone(machine.a_phone_is_near(who=who))
                assert isinstance(self.tap(machine, kind, at, phone).outcome, Proven)

    def test_the_second_tap_is_fast(self) -> None:
        machine = Attacker()
        phone = the_phone(machine.a_phone_is_near(who="alice"))
        self.tap(machine, "aliro", 1, phone)
        before = len(machine.people.keys["alice"].signed)
        assert isinstance(self.tap(machine, "aliro", 1, phone).outcome, Proven)
        assert len(machine.people.keys["alice"].signed) == before
        assert phone.device.cryptograms

    def test_documents_let_in_their_holder(self) -> None:
        for at in range(3):
            machine = Attacker()
            machine.the_office_decides(who="bob", wanted=False)
            phone = the_phone(machine.a_phone_is_near(who="bob"))
            for _ in range(2):
                assert isinstance(self.tap(machine, "documents", at, phone).outcome, Proven)
            assert len(phone.device.gave) == 1

    def test_others_are_refused(self) -> None:
        for who, proven in (("mallory", True), ("thief", False), ("liar", False)):
            for at in range(2):
                machine = Attacker()
                phone = the_phone(machine.a_phone_is_near(who=who))
                assert isinstance(self.tap(machine, "aliro", at, phone).outcome, Proven) is proven
                assert not isinstance(self.tap(machine, "documents", at, phone).outcome, Proven)
