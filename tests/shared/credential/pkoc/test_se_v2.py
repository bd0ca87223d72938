"""Cards with a certificate: both ends against each other, and cards that break their word."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.apdu import SW, CommandAPDU, ResponseAPDU
from shared.credential.card import Card
from shared.credential.outcome import Outcome, Proven, Reason, Refused
from shared.credential.p256 import OwnKeys
from shared.credential.pkoc import nfc_reader
from shared.credential.pkoc.cvc import Certificate
from shared.credential.pkoc.nfc_holder import Certified, PkocApplication
from shared.credential.pkoc.nfc_reader import SeV2
from shared.credential.pkoc.suppliers import Suppliers
from shared.credential.session import Finished, Send
from shared.credential.tag import TagSession
from tests.shared.credential.keys import QUICK, key
from tests.shared.credential.pkoc.ends import ALICE, NOBODY, READER, TRANSACTION
from tests.shared.credential.pkoc.test_cvc import (
    CERTIFICATE,
    CLAIMS,
    IIR,
    SUPPLIER,
    SUPPLIERS,
    TODAY,
)

CHALLENGE = bytes(range(32))
DOOR = SeV2(CHALLENGE, SUPPLIERS, TODAY)
KEY = key("card")


def card(certificate: Certificate = CERTIFICATE) -> Card:
    return Card([PkocApplication(ALICE, certified=Certified(KEY, certificate))])


class Tampering:
    """A card whose answer to one instruction is replaced; what it was asked is kept."""

    def __init__(self, ins: int, answer: bytes, card: Card) -> None:
        self._ins, self._answer, self._card = ins, answer, card
        self.asked: list[int] = []

    def receive(self, raw: bytes) -> bytes:
        command = CommandAPDU.decode(raw)
        place = command.ins << 8 | command.p2 if command.ins == 0xCA else command.ins
        self.asked.append(command.ins)
        return self._answer if place == self._ins else self._card.receive(raw)


def tap(door: SeV2 | None, card: Card | Tampering, own_keys: OwnKeys = NOBODY) -> Outcome:
    session = TagSession(
        nfc_reader.dialogue(READER, TRANSACTION, own_keys=own_keys, se_v2=door), now=0.0
    )
    command = session.start()
    while True:
        match session.receive(card.receive(command), 0.0):
            case Send(command):
                pass
            case Finished(outcome):
                return outcome
            case None:
                raise AssertionError("every response moves it on")


INFO, CVC, INTERNAL, AUTHENTICATE = 0xCA63, 0xCA21, 0x88, 0x80
OK = b"\x90\x00"


class TestModes:
    def test_validated(self) -> None:
        outcome = tap(DOOR, card())
        assert isinstance(outcome, Proven)
        assert (outcome.key, outcome.issuer) == (KEY.public.point, IIR)

    def test_standard_looks_at_no_issuer(self) -> None:
        forged = Certificate.issue(CLAIMS, key("mallory"))
        outcome = tap(SeV2(CHALLENGE, None), card(forged))
        assert isinstance(outcome, Proven)
        assert (outcome.key, outcome.issuer) == (KEY.public.point, None)

    def test_a_door_of_se_v1_never_asks(self) -> None:
        outcome = tap(None, card())
        assert isinstance(outcome, Proven)
        assert (outcome.key, outcome.issuer) == (ALICE.public.point, None)

    def test_a_card_of_se_v1_is_read_as_one(self) -> None:
        outcome = tap(DOOR, Card([PkocApplication(ALICE)]))
        assert isinstance(outcome, Proven)
        assert (outcome.key, outcome.issuer) == (ALICE.public.point, None)

    def test_unless_the_door_wants_a_certificate(self) -> None:
        door = replace(DOOR, required=True)
        assert tap(door, Card([PkocApplication(ALICE)])) == Refused(Reason.FLOW_NOT_ALLOWED)
        assert isinstance(tap(door, card()), Proven)

    @pytest.mark.parametrize(
        "info",
        ["6F00", "6A88", "9000", "7F63 04 5C020100 9000", "5C020200 9000", "7F63 02 5C00 9000"],
    )
    def test_anything_but_that_one_answer_is_no_se_v2(self, info: str) -> None:
        outcome = tap(DOOR, Tampering(INFO, bytes.fromhex(info), card()))
        assert isinstance(outcome, Proven)
        assert outcome.key == ALICE.public.point

    def test_with_more_in_it_is_one(self) -> None:
        info = bytes.fromhex("7F63 07 C10101 5C020200 9000")
        outcome = tap(DOOR, Tampering(INFO, info, card()))
        assert isinstance(outcome, Proven)
        assert outcome.issuer == IIR


class TestCommitted:
    """Whatever fails after a card has said that it speaks SE V2 is the end."""

    @pytest.mark.parametrize(
        ("ins", "answer", "reason"),
        [
            (CVC, "6A88", Reason.CARD_ERROR),
            (CVC, "9000", Reason.MALFORMED),
            (CVC, "7F2100 9000", Reason.MALFORMED),
            (CVC, "AABB 9000", Reason.MALFORMED),
            (INTERNAL, "6985", Reason.CARD_ERROR),
            (INTERNAL, "9000", Reason.MALFORMED),
            (INTERNAL, "9E02AABB 9000", Reason.WRONG_LENGTH),
            (INTERNAL, "9E40" + "11" * 64 + "9000", Reason.BAD_SIGNATURE),
        ],
    )
    def test_no_fall_back(self, ins: int, answer: str, reason: Reason) -> None:
        bad = Tampering(ins, bytes.fromhex(answer), card())
        assert tap(DOOR, bad) == Refused(reason)
        assert AUTHENTICATE not in bad.asked

    @pytest.mark.parametrize(
        ("door", "reason"),
        [
            (replace(DOOR, suppliers=Suppliers({})), Reason.UNKNOWN_ISSUER),
            (replace(DOOR, today=None), Reason.NO_CLOCK),
            (replace(DOOR, today=TODAY.replace(year=2040)), Reason.CERTIFICATE_EXPIRED),
            (
                replace(DOOR, suppliers=Suppliers({IIR: key("mallory").public})),
                Reason.BAD_CERTIFICATE,
            ),
        ],
    )
    def test_a_certificate_that_does_not_hold(self, door: SeV2, reason: Reason) -> None:
        watched = Tampering(0, b"", card())
        assert tap(door, watched) == Refused(reason)
        assert not {AUTHENTICATE, INTERNAL} & set(watched.asked)

    def test_a_certificate_of_somebody_elses_key(self) -> None:
        stolen = Card([PkocApplication(ALICE, certified=Certified(key("thief"), CERTIFICATE))])
        assert tap(DOOR, stolen) == Refused(Reason.BAD_SIGNATURE)

    def test_a_signature_for_another_challenge(self) -> None:
        other = ResponseAPDU(b"\x9e\x40" + KEY.sign(bytes(32)), SW.OK).encode()
        assert tap(DOOR, Tampering(INTERNAL, other, card())) == Refused(Reason.BAD_SIGNATURE)

    def test_one_of_our_own_keys(self) -> None:
        claims = replace(CLAIMS, point=READER.key.public.point)
        ours = Certified(READER.key, Certificate.issue(claims, SUPPLIER))
        reflected = Card([PkocApplication(ALICE, certified=ours)])
        assert tap(DOOR, reflected) == Refused(Reason.OWN_KEY)
        assert tap(DOOR, card(), OwnKeys([KEY.public])) == Refused(Reason.OWN_KEY)

    def test_a_key_off_the_curve(self) -> None:
        off = Certificate.issue(replace(CLAIMS, point=b"\4" + bytes(range(64))), SUPPLIER)
        assert tap(DOOR, card(off)) == Refused(Reason.OFF_CURVE)

    @QUICK
    @given(st.sampled_from([CVC, INTERNAL]), st.binary(max_size=260))
    def test_nothing_else_is_believed(self, ins: int, answer: bytes) -> None:
        assert isinstance(tap(DOOR, Tampering(ins, answer, card())), Refused)


class TestCard:
    def test_it_signs_32_bytes_only(self) -> None:
        one = card()
        one.receive(bytes.fromhex("00A4040008A00000089800000100"))
        for size in (0, 16, 31, 33, 65, 96, 255):
            command = CommandAPDU(0x00, 0x88, 0, 0, bytes(size), 256)
            assert one.receive(command.encode()).hex() == "6700"

    @pytest.mark.parametrize(
        ("command", "sw"),
        [("00CA7F6400", "6a88"), ("00CA000000", "6a88"), ("0088010000", "6a86")],
    )
    def test_status_words(self, command: str, sw: str) -> None:
        one = card()
        one.receive(bytes.fromhex("00A4040008A00000089800000100"))
        assert one.receive(bytes.fromhex(command)).hex() == sw

    @pytest.mark.parametrize("command", ["00CA7F6300", "00CA7F2100", "00880000"])
    def test_a_card_without_certificate_knows_none_of_it(self, command: str) -> None:
        one = Card([PkocApplication(ALICE)])
        one.receive(bytes.fromhex("00A4040008A00000089800000100"))
        assert one.receive(bytes.fromhex(command)).hex() == "6d00"

    def test_the_two_profiles_have_two_keys(self) -> None:
        with pytest.raises(ValueError, match="key of its own"):
            PkocApplication(KEY, certified=Certified(KEY, CERTIFICATE))


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_our_challenge_has_32_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="32 random bytes"):
        SeV2(bytes(size), None)
