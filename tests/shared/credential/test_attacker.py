"""An active attacker between real readers and real holders, of every standard, as long as it likes.

It relays, replays, reflects, reorders, cuts, flips, splices across sessions, standards and
transports, asks cards and phones whatever it wants signed, and has a credential of its own. The
law: nobody is proven without a fresh signature, by that key, for this reader and this session; no
session ends twice; a careful phone's key is never on the air.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from shared.credential.apdu import CommandAPDU
from shared.credential.card import Card
from shared.credential.errors import RuleBroken
from shared.credential.exchange import Dialogue
from shared.credential.outcome import Outcome, Proven
from shared.credential.p256 import OwnKeys, PrivateKey, PublicKey
from shared.credential.piv import reader as piv
from shared.credential.piv.authorities import Authorities, Clock
from shared.credential.piv.holder import PivApplication
from shared.credential.piv.messages import (
    GENERAL_AUTHENTICATE,
    CertificateObject,
    decode_challenge,
)
from shared.credential.piv.reader import Trust
from shared.credential.pkoc import ble_holder, ble_reader, nfc_reader
from shared.credential.pkoc.ble_messages import Credential, DeviceEphemeral, Encrypted
from shared.credential.pkoc.channel import Channel, transcript
from shared.credential.pkoc.cvc import Certificate
from shared.credential.pkoc.hello import Hello
from shared.credential.pkoc.identity import Keyring, KnownReader, ReaderIdentity
from shared.credential.pkoc.nfc_holder import Certified, PkocApplication
from shared.credential.pkoc.nfc_messages import Authenticate, internal_authenticate
from shared.credential.pkoc.nfc_reader import SeV2
from shared.credential.selection import try_in_order
from shared.credential.session import Finished, Send
from shared.credential.tag import TagSession
from tests.shared.credential.keys import key
from tests.shared.credential.piv.cards import NOW, ROOT
from tests.shared.credential.pkoc.bad_air import Witness, witness
from tests.shared.credential.pkoc.test_cvc import CLAIMS, SUPPLIER, SUPPLIERS, TODAY

TRUST = Trust(Authorities([ROOT.certificate]), Clock(NOW))
PIV_PURPOSE = b"doorward piv card authentication v1"
SIZES = (16, 32, 33, 65, 96)
KINDS = st.sampled_from(["v1", "v2", "piv", "all"])


@dataclass
class People:
    """Holders by the key they prove; Mallory is the attacker, who has a key, too."""

    keys: dict[str, Witness] = field(
        default_factory=lambda: {
            name: witness(name) for name in ("alice", "alice v2", "staff", "bob", "mallory")
        }
    )

    def signed(self, point: bytes) -> set[bytes]:
        """All that the holder of `point` has signed."""
        (found,) = [each for each in self.keys.values() if each.public.point == point]
        return found.signed


@dataclass
class StaffCard:
    """A PIV card; its key remembers the hashes that it is made to sign."""

    card: Card
    key: Witness

    def receive(self, raw: bytes) -> bytes:
        answer = self.card.receive(raw)
        try:
            command = CommandAPDU.decode(raw)
            if command.ins == GENERAL_AUTHENTICATE[1] and answer[-2:] == b"\x90\x00":
                self.key.signed.add(decode_challenge(command.data))
        except RuleBroken:
            pass
        return answer


AnyCard: TypeAlias = Card | StaffCard


@dataclass
class Door:
    """One session of a reader, over either transport, and what must be signed for it."""

    session: TagSession | ble_reader.ReaderSession
    wanted: Callable[[bytes], bool]
    says: bytes
    hello: Hello | None = None
    outcome: Outcome | None = None


class Attacker(RuleBasedStateMachine):
    """Bundles hold whatever was heard, and everything that can be spoken to."""

    doors = Bundle("doors")
    cards = Bundle("cards")
    phones = Bundle("phones")
    commands = Bundle("commands")
    answers = Bundle("answers")

    def __init__(self) -> None:
        super().__init__()
        self.people = People()
        self.sites = [
            ReaderIdentity(bytes((at,)) * 16, bytes((0x80 + at,)) * 16, witness(f"door {at}"))
            for at in range(2)
        ]
        self.own_keys = OwnKeys([each.key.public for each in self.sites])
        self.count = 0
        self.on_air: list[bytes] = []
        certificate = Certificate.issue(
            dataclasses.replace(CLAIMS, point=self.people.keys["alice v2"].public.point), SUPPLIER
        )
        self.certified = Certified(self.people.keys["alice v2"], certificate)
        staff = ROOT.issue(self.people.keys["staff"].native)
        self.staff = CertificateObject(staff.public_bytes(Encoding.DER))

    def fresh(self, what: str, size: int) -> bytes:
        """Bytes that no session has had before."""
        self.count += 1
        return hashlib.sha512(f"{what} {self.count}".encode()).digest()[:size]

    def ephemeral(self, what: str) -> PrivateKey:
        return PrivateKey.from_bytes(self.fresh(what, 32))

    # Readers

    @rule(
        target=doors, at=st.sampled_from([0, 1]), kind=st.sampled_from(["v1", "v2", "piv", "all"])
    )
    def a_reader_asks_a_card(self, at: int, kind: str) -> Door:
        site = self.sites[at]
        number, challenge = self.fresh("number", 16), self.fresh("challenge", 32)
        nonce = self.fresh("nonce", 32)
        v2 = SeV2(challenge, SUPPLIERS, TODAY)
        standards: dict[str, Dialogue[Outcome]] = {
            "v1": nfc_reader.dialogue(site, number, own_keys=self.own_keys),
            "v2": nfc_reader.dialogue(site, number, own_keys=self.own_keys, se_v2=v2),
            "piv": piv.dialogue(site.reader_identifier, nonce, own_keys=self.own_keys, trust=TRUST),
        }
        chosen = list(standards.values())[1:] if kind == "all" else [standards[kind]]
        session = TagSession(try_in_order(chosen), now=0.0)
        wanted = {
            number,
            challenge,
            hashlib.sha256(PIV_PURPOSE + site.reader_identifier + nonce).digest(),
        }
        return Door(session, wanted.__contains__, session.start())

    @rule(target=doors, at=st.sampled_from([0, 1]), normal=st.booleans())
    def a_reader_greets_a_phone(self, at: int, *, normal: bool) -> Door:
        site, ephemeral = self.sites[at], self.ephemeral("reader")
        policy = ble_reader.Policy(allow_normal=normal)
        session = ble_reader.ReaderSession(
            site, ephemeral, own_keys=self.own_keys, policy=policy, now=0.0
        )
        said = session.hello(247)
        assert isinstance(said, tuple)
        self.on_air += said

        def wanted(message: bytes) -> bool:
            ours = message.startswith(site.site + site.location)
            mutual = ours and message.endswith(ephemeral.public.x)
            return mutual or (normal and message == ephemeral.public.compressed)

        hello = Hello(ble_reader.PROTOCOL, ephemeral.public, site.location, site.site)
        assert said == (hello.encode(),)
        return Door(session, wanted, said[0], hello)

    # Holders

    @rule(target=cards, who=st.sampled_from(["alice", "staff", "mallory"]))
    def a_card_is_near(self, who: str) -> AnyCard:
        keys = self.people.keys
        if who == "staff":
            return StaffCard(Card([PivApplication(keys["staff"], self.staff)]), keys["staff"])
        if who == "alice":
            return Card([PkocApplication(keys["alice"], certified=self.certified)])
        # The attacker's card says that it has Alice's certificate, and has not her key.
        stolen = Certified(keys["mallory"], self.certified.certificate)
        copied = PivApplication(keys["mallory"], self.staff)
        return Card([PkocApplication(key("mallory v1"), certified=stolen), copied])

    @rule(target=phones, who=st.sampled_from(["alice", "bob"]))
    def a_phone_is_near(self, who: str) -> ble_holder.HolderSession:
        known = [KnownReader(each.site, each.location, each.key.public) for each in self.sites]
        # Alice has chosen the un-encrypted flow for the second site; Bob never does.
        normal = [self.sites[1].site] if who == "alice" else []
        return ble_holder.HolderSession(
            self.people.keys[who],
            self.ephemeral(who),
            Keyring(known, normal),
            last_update=0,
            now=0.0,
        )

    # What the attacker does

    @rule(target=commands, door=doors)
    def overhear(self, door: Door) -> bytes:
        return door.says

    @rule(target=answers, card=cards, door=doors)
    def relay(self, card: AnyCard, door: Door) -> bytes:
        return card.receive(door.says)

    @rule(target=answers, card=cards, command=commands)
    def ask_again(self, card: AnyCard, command: bytes) -> bytes:
        return card.receive(command)

    @rule(
        target=answers,
        card=cards,
        heard=commands,
        size=st.sampled_from(SIZES),
        kind=st.sampled_from(["authenticate", "internal"]),
    )
    def have_signed(self, card: AnyCard, heard: bytes, size: int, kind: str) -> bytes:
        """Ask a card to sign what was heard elsewhere, in this length."""
        message = (heard + bytes(size))[-size:]
        if kind == "internal":
            return card.receive(internal_authenticate(message).encode())
        return card.receive(Authenticate(b"\1\0", message).encode().encode())

    @rule(target=answers, phone=phones, message=st.one_of(commands, answers))
    def tell_phone(self, phone: ble_holder.HolderSession, message: bytes) -> bytes:
        step = phone.receive(message, 0.0)
        said = step.message if isinstance(step, Send) else b""
        self.on_air.append(said)
        return said

    @rule(target=commands, phone=phones, at=st.sampled_from([0, 1]))
    def greet_phone(self, phone: ble_holder.HolderSession, at: int) -> bytes:
        """Greet as one of the doors, with an ephemeral key of one's own."""
        site, ephemeral = self.sites[at], self.ephemeral("mallory's")
        hello = Hello(ble_reader.PROTOCOL, ephemeral.public, site.location, site.site).encode()
        step = phone.receive(hello, 0.0)
        self.on_air.append(step.message if isinstance(step, Send) else b"")
        return hello

    @rule(target=answers, one=answers, other=answers, cut=st.integers(0, 200))
    def splice(self, one: bytes, other: bytes, cut: int) -> bytes:
        return one[:cut] + other[cut:]

    @rule(target=answers, one=answers, bit=st.integers(0, 1600))
    def flip(self, one: bytes, bit: int) -> bytes:
        flipped = bytearray(one)
        if flipped:
            flipped[bit // 8 % len(flipped)] ^= 1 << bit % 8
        return bytes(flipped)

    @rule(target=answers, door=doors, answer=answers)
    def answer(self, door: Door, answer: bytes) -> bytes:
        return self._tell(door, answer)

    @rule(door=doors, card=cards, commands_left=st.integers(1, 6))
    def honest_tap(self, door: Door, card: AnyCard, commands_left: int) -> None:
        """Carry everything between a card and a reader, as air does."""
        for _ in range(commands_left):
            if isinstance(door.session, TagSession):
                self._tell(door, card.receive(door.says))

    @rule(door=doors, shown=st.sampled_from(["mallory", "door", "bob"]))
    def encrypted_by_hand(self, door: Door, shown: str) -> None:
        """Do the encrypted flow oneself, and show one's own key, the reader's, or somebody's."""
        session, hello = door.session, door.hello
        if hello is None or door.outcome is not None:
            return
        ephemeral = self.ephemeral("mallory's phone")
        step = session.receive(DeviceEphemeral(ephemeral.public.point).encode(), 0.0)
        if not isinstance(step, Send):
            return
        self.on_air.append(step.message)
        signed = transcript(hello.site, hello.location, ephemeral.public, hello.ephemeral)
        site = next(each for each in self.sites if each.site == hello.site)
        who: PrivateKey = site.key if shown == "door" else self.people.keys[shown]
        point = who.public.point
        # Mallory signs; for the others there is what the reader itself has just signed.
        signature = who.sign(signed) if shown == "mallory" else step.message[2:]
        sealed = Channel(ephemeral, hello.ephemeral).seal(Credential(point, signature).encode())
        self._tell(door, Encrypted(sealed).encode())

    @rule(door=consumes(doors))
    def leave(self, door: Door) -> None:
        ended = door.session.lost()
        assert (ended is None) is (door.outcome is not None)

    def _tell(self, door: Door, message: bytes) -> bytes:
        match door.session.receive(message, 0.0):
            case Send(said):
                door.says = said
                self.on_air.append(said)
                return said
            case Finished(outcome):
                assert door.outcome is None, "a session has ended twice"
                door.outcome = outcome
                self._judge(door, outcome)
            case None:
                pass
        return b""

    def _judge(self, door: Door, outcome: Outcome) -> None:
        if not isinstance(outcome, Proven):
            return
        assert PublicKey.parse(outcome.key) not in self.own_keys
        signed = self.people.signed(outcome.key)
        assert any(map(door.wanted, signed)), "nobody signed for this session"

    @invariant()
    def a_careful_phone_is_nobody_on_the_air(self) -> None:
        bob = self.people.keys["bob"].public.x
        assert not any(bob in message for message in self.on_air)


Attacker.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestAttacker = Attacker.TestCase


def a_door(made: object) -> Door:
    """What a rule has made, as what it is."""
    assert isinstance(made, Door)
    return made


class TestTheMachineCanWin:
    """The law is worth something only where grants do happen."""

    def test_honest_taps_are_proven(self) -> None:
        for kind, who in (("v1", "alice"), ("v2", "alice"), ("piv", "staff"), ("all", "staff")):
            machine = Attacker()
            door = a_door(machine.a_reader_asks_a_card(at=0, kind=kind))
            machine.honest_tap(door=door, card=machine.a_card_is_near(who=who), commands_left=6)
            assert isinstance(door.outcome, Proven), (kind, who)

    def test_the_attacker_gets_in_by_its_own_key_only(self) -> None:
        machine = Attacker()
        for shown, proven in (("mallory", True), ("door", False), ("bob", False)):
            door = a_door(machine.a_reader_greets_a_phone(at=0, normal=False))
            machine.encrypted_by_hand(door=door, shown=shown)
            assert isinstance(door.outcome, Proven) is proven, shown

    def test_a_relayed_phone_is_proven(self) -> None:
        """Relays are not stopped; the key did sign for this very session."""
        for at, normal, who in ((0, False, "bob"), (1, True, "alice")):
            machine = Attacker()
            door = a_door(machine.a_reader_greets_a_phone(at=at, normal=normal))
            phone = machine.a_phone_is_near(who=who)
            for _ in range(2):
                machine.answer(door=door, answer=machine.tell_phone(phone=phone, message=door.says))
            assert isinstance(door.outcome, Proven), who
            machine.a_careful_phone_is_nobody_on_the_air()
