"""An active attacker between readers and holders of PKOC and PIV, as long as it likes.

It relays, replays, reflects, reorders, cuts, flips, splices across sessions, standards and
transports, asks cards and phones whatever it wants signed, speaks as a reader with old and
self-made certificates, and has a credential of its own. The law: nobody is proven without a fresh
signature, by that key, on that transport, for this reader and this session; nobody is vouched for
but by whom the door trusts; no session ends twice; a careful phone's key is never on the air, and
it signs for a reader only that has proved itself. (Aliro: `aliro.test_attacker`.)
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from shared.credential.apdu import CommandAPDU
from shared.credential.card import Card
from shared.credential.exchange import Dialogue
from shared.credential.outcome import Outcome, Proven, Refused
from shared.credential.p256 import OwnKeys, PrivateKey, PublicKey
from shared.credential.piv import reader as piv
from shared.credential.piv.authorities import Authorities, Clock
from shared.credential.piv.holder import PivApplication
from shared.credential.piv.keys import EccKey
from shared.credential.piv.messages import (
    CertificateObject,
)
from shared.credential.piv.reader import Trust
from shared.credential.pkoc import ble_holder, ble_reader, nfc_reader
from shared.credential.pkoc.ble_messages import (
    Credential,
    DeviceEphemeral,
    Encrypted,
    ReaderProof,
    Tag,
    decode_device,
)
from shared.credential.pkoc.channel import Channel, transcript
from shared.credential.pkoc.cvc import Certificate
from shared.credential.pkoc.hello import Hello
from shared.credential.pkoc.identity import Keyring, KnownReader, ReaderIdentity
from shared.credential.pkoc.nfc_holder import Certified, PkocApplication
from shared.credential.pkoc.nfc_messages import AUTHENTICATE, SELECT, internal_authenticate
from shared.credential.pkoc.nfc_reader import SeV2
from shared.credential.pkoc.reader_certificate import Issuers, ReaderCertificate
from shared.credential.selection import try_in_order
from shared.credential.session import Finished, Send
from shared.credential.tag import TagSession
from shared.credential.tlv import Lengths, encode, encode_compact
from tests.shared.credential.attacked import AnyCard, Door, People, StaffCard, names_of
from tests.shared.credential.keys import key
from tests.shared.credential.piv.cards import NOW, ROOT
from tests.shared.credential.pkoc.bad_air import Witness, witness
from tests.shared.credential.pkoc.test_cvc import CLAIMS, SUPPLIER, SUPPLIERS, TODAY

TRUST = Trust(Authorities([ROOT.certificate]), Clock(NOW))
PIV_PURPOSE = b"doorward piv card authentication v1"
SIZES = (16, 32, 33, 65, 96)
SITE_ISSUER = key("issuer of reader certificates")
STOLEN = key("a reader that was stolen")
UNIX_NOW = 1_800_000_000
# An authority of the same name as the one that counts.
FORGER = copy.copy(ROOT)
FORGER.key = key("mallory").native
KINDS = st.sampled_from(["v1", "v2", "piv", "all"])
AT = st.sampled_from([0, 1])
WITH_CARDS = st.sampled_from(["alice", "alice of old", "staff", "mallory", "forger"])
WITH_PHONES = st.sampled_from(["alice", "bob", "carol"])


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
        self.proofs = [each.key for each in self.sites if isinstance(each.key, Witness)]
        self.own_keys = OwnKeys([each.key.public for each in self.sites])
        self.count = 0
        self.on_air: list[bytes] = []
        self.checked = 0
        self.memory: dict[tuple[str, bytes], list[bytes]] = {}
        certificate = Certificate.issue(
            dataclasses.replace(CLAIMS, point=self.people.keys["alice v2"].public.point), SUPPLIER
        )
        self.certified = Certified(self.people.keys["alice v2"], certificate)
        staff = ROOT.issue(self.people.keys["staff"].native)
        self.staff = CertificateObject(staff.public_bytes(Encoding.DER))
        self.certificate = self._certificate(0, self.sites[0].key)

    def fresh(self, what: str, size: int) -> bytes:
        """Bytes that no session has had before."""
        self.count += 1
        return hashlib.sha512(f"{what} {self.count}".encode()).digest()[:size]

    def _certificate(
        self, at: int, held: PrivateKey, issuer: PrivateKey = SITE_ISSUER, **dates: int
    ) -> ReaderCertificate:
        site = self.sites[at]
        return ReaderCertificate.issue(
            issuer, site=site.site, location=site.location, key=held.public, **dates
        )

    def ephemeral(self, what: str) -> PrivateKey:
        return PrivateKey.from_bytes(self.fresh(what, 32))

    # Readers

    @rule(target=doors, at=AT, kind=KINDS)
    def a_reader_asks_a_card(self, at: int, kind: str) -> Door:
        return self.asking(at, kind)

    def asking(self, at: int, kind: str) -> Door:
        site = self.sites[at]
        number, challenge = self.fresh("number", 16), self.fresh("challenge", 32)
        nonce = self.fresh("nonce", 32)
        v2 = SeV2(challenge, SUPPLIERS, TODAY, required=kind == "v2")
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
        vouched = kind in ("v2", "piv")
        return Door(session, wanted.__contains__, session.start(), kind=kind, vouched=vouched)

    @rule(target=doors, at=AT, normal=st.booleans(), certified=st.booleans())
    def a_reader_greets_a_phone(self, at: int, *, normal: bool, certified: bool = False) -> Door:
        return self.greeting(at, normal=normal, certified=certified)

    def greeting(self, at: int, *, normal: bool, certified: bool) -> Door:
        """With a certificate before its hello, if the site has an issuer."""
        site, ephemeral = self.sites[at], self.ephemeral("reader")
        certificate = self.certificate if certified and at == 0 else None
        policy = ble_reader.Policy(allow_normal=normal, certificate=certificate)
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
        assert said[-1] == hello.encode()
        return Door(session, wanted, said[-1], hello)

    # Holders

    @rule(target=cards, who=WITH_CARDS)
    def a_card_is_near(self, who: str) -> AnyCard:
        return self.card(who)

    def card(self, who: str) -> AnyCard:
        keys = self.people.keys
        if who == "staff":
            return StaffCard(Card([PivApplication(keys["staff"], self.staff)]), keys["staff"])
        if who in ("alice", "alice of old"):
            certified = self.certified if who == "alice" else None
            return Card([PkocApplication(keys["alice"], certified=certified)])
        if who == "forger":
            return self._forged()
        # The attacker's card says that it has Alice's certificate, and has not her key.
        stolen = Certified(keys["mallory"], self.certified.certificate)
        copied = PivApplication(keys["mallory"], self.staff)
        return Card([PkocApplication(keys["mallory v1"], certified=stolen), copied])

    def _forged(self) -> AnyCard:
        """Mallory's key, with certificates in the names of those who count."""
        keys = self.people.keys
        held = keys["mallory"]
        claims = dataclasses.replace(CLAIMS, point=held.public.point)
        made = Certified(held, Certificate.issue(claims, held))
        der = FORGER.issue(held.native).public_bytes(Encoding.DER)
        piv_application = PivApplication(held, CertificateObject(der))
        return StaffCard(
            Card([PkocApplication(keys["mallory v1"], certified=made), piv_application]), held
        )

    @rule(target=phones, who=WITH_PHONES)
    def a_phone_is_near(self, who: str) -> ble_holder.HolderSession:
        return self.phone(who)

    def phone(self, who: str) -> ble_holder.HolderSession:
        """Alice has chosen the un-encrypted flow for the second site; Bob never does.

        Carol judges the first site by the certificates of its issuer.
        """
        known = [KnownReader(each.site, each.location, each.key.public) for each in self.sites]
        normal = [self.sites[1].site] if who == "alice" else []
        issuers = Issuers({self.sites[0].site: SITE_ISSUER.public} if who == "carol" else {})
        return ble_holder.HolderSession(
            self.people.phones[who],
            self.ephemeral(who),
            Keyring(known, normal),
            last_update=0,
            now=0.0,
            issuers=issuers,
            unix_time=UNIX_NOW,
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
        card.receive(SELECT.encode())
        if kind == "internal":
            return card.receive(internal_authenticate(message).encode())
        command = encode(0x5C, b"\1\0") + encode(0x4C, message) + encode(0x4D, bytes(32))
        return card.receive(CommandAPDU(*AUTHENTICATE, command, 256).encode())

    @rule(target=answers, phone=phones, message=st.one_of(commands, answers))
    def tell_phone(self, phone: ble_holder.HolderSession, message: bytes) -> bytes:
        return self._tell_phone(phone, message)

    def _tell_phone(self, phone: ble_holder.HolderSession, message: bytes) -> bytes:
        step = phone.receive(message, 0.0)
        said = step.message if isinstance(step, Send) else b""
        self.on_air.append(said)
        return said

    @rule(who=WITH_PHONES, at=AT)
    def greet_phones(self, who: str, at: int) -> None:
        """Greet as one of the doors, with an ephemeral key and a proof of one's own."""
        for how in ("none", "expired", "elsewhere", "self-made", "copied"):
            self._greet(who, at, how)

    def _greet(self, who: str, at: int, how: str) -> None:
        phone = self.phone(who)
        site, ephemeral, signer = self.sites[at], self.ephemeral("mallory's"), STOLEN
        match how:
            case "expired":
                shown = self._certificate(at, STOLEN, not_after=UNIX_NOW - 1)
            case "elsewhere":
                shown = self._certificate(1 - at, STOLEN)
            case "self-made":
                shown = self._certificate(at, STOLEN, issuer=STOLEN)
            case _:
                shown = self.certificate
        if how != "none":
            phone.receive(encode_compact(Tag.CERTIFICATE, shown.encode(), Lengths.BER), 0.0)
        hello = Hello(ble_reader.PROTOCOL, ephemeral.public, site.location, site.site)
        step = phone.receive(hello.encode(), 0.0)
        if isinstance(step, Send):
            self.on_air.append(step.message)
            said = decode_device(step.message)
            if isinstance(said, DeviceEphemeral):
                device = PublicKey.parse(said.point)
                signed = transcript(site.site, site.location, device, ephemeral.public)
                phone.receive(ReaderProof(signer.sign(signed)).encode(), 0.0)

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
                asked, answer = (door.kind, door.says[:2]), card.receive(door.says)
                self._tell(door, answer)
                if not isinstance(door.outcome, Refused):
                    self.memory.setdefault(asked, []).append(answer)

    @rule(who=WITH_CARDS, kind=KINDS, at=AT)
    def card_visits(self, who: str, kind: str, at: int) -> None:
        for each in (who, "forger"):
            self.honest_tap(self.asking(at, kind), self.card(each), 6)

    @rule(who=WITH_PHONES, at=AT, certified=st.booleans())
    def phone_visits(self, who: str, at: int, *, certified: bool) -> None:
        for normal in (False, True):
            door = self.greeting(at, normal=normal, certified=certified)
            phone = self.phone(who)
            for _ in range(2):
                self._tell(door, self._tell_phone(phone, door.says))

    @rule(who=WITH_CARDS, kind=KINDS, at=AT, commands=st.integers(0, 4), back=st.integers(0, 3))
    def from_memory(self, who: str, kind: str, at: int, commands: int, back: int) -> None:
        """From some command on, answer as somebody once did at such a door."""
        self.honest_tap(self.asking(at, kind), self.card(who), 6)
        door = self.asking(at, kind)
        self.honest_tap(door, self.card(who), commands)
        while door.outcome is None and (known := self.memory.get((kind, door.says[:2]))):
            self._tell(door, known[-1 - back % len(known)])

    @rule(door=doors, shown=st.sampled_from(["mallory", "door", "stolen", "bob"]))
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
        # Mallory signs, also with the key of the door once it is stolen; for the others there is
        # what the reader itself has just signed.
        door_key = PrivateKey(site.key.public, site.key.native)
        mallory = self.people.keys["mallory"]
        signers: dict[str, PrivateKey] = {"mallory": mallory, "stolen": door_key}
        who = {**signers, "door": door_key, "bob": self.people.phones["bob"]}[shown]
        point = who.public.point
        signature = who.sign(signed) if shown in signers else step.message[2:]
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
        assert not any(outcome.key in names_of(each.key.public) for each in self.sites)
        signed = self.people.signed(outcome.key, outcome.transport)
        assert any(map(door.wanted, signed)), "nobody signed for this session"
        keys = self.people.keys
        trusted = [keys["alice v2"].public.point, EccKey(keys["staff"].public).identifier]
        assert (outcome.key in trusted) or (outcome.issuer is None and not door.vouched)

    @invariant()
    def a_careful_phone_is_nobody_on_the_air(self) -> None:
        careful = [self.people.phones[who].public.x for who in ("bob", "carol")]
        new, self.checked = self.on_air[self.checked :], len(self.on_air)
        assert not any(each in message for message in new for each in careful)

    @invariant()
    def a_card_signs_what_has_the_length_of_its_standard(self) -> None:
        """So what it signs means nothing on another transport."""
        for who, size in (("alice", 16), ("alice v2", 32), ("staff", 32)):
            assert all(len(each) == size for each in self.people.keys[who].signed)

    @invariant()
    def phones_sign_for_readers_that_have_proved_themselves(self) -> None:
        proved = set().union(*(each.signed for each in self.proofs))
        for who, phone in self.people.phones.items():
            clear = {each for each in phone.signed if len(each) == 33}
            assert not clear or who == "alice"
            assert phone.signed - clear <= proved


Attacker.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestAttacker = pytest.mark.slow(Attacker.TestCase)


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
        for shown in ("mallory", "door", "stolen", "bob"):
            door = a_door(machine.a_reader_greets_a_phone(at=0, normal=False))
            machine.encrypted_by_hand(door=door, shown=shown)
            assert isinstance(door.outcome, Proven) is (shown == "mallory"), shown

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
