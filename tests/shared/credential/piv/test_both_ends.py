"""Staff cards at a door: both kinds of keys, pinned or issued, and cards that cheat."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.apdu import SW, CommandAPDU, ResponseAPDU
from shared.credential.card import Card
from shared.credential.identifier import is_point
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
from shared.credential.piv import reader
from shared.credential.piv.authorities import Authorities, Clock
from shared.credential.piv.holder import CardPrivateKey, PivApplication
from shared.credential.piv.keys import EccKey, RsaKey
from shared.credential.piv.messages import (
    Algorithm,
    CertificateObject,
    encode_signature,
    general_authenticate,
)
from shared.credential.piv.reader import Trust
from shared.credential.session import Finished, Send
from shared.credential.tag import TagSession
from tests.shared.credential.keys import QUICK, key
from tests.shared.credential.piv.cards import (
    DAY,
    ECC,
    FOR_CARDS,
    LAST,
    MIDDLE,
    NOW,
    ROOT,
    Authority,
    card,
    native,
    rsa_key,
)

NONCE = bytes(range(32))
NOBODY = OwnKeys(())
CLOCK = Clock(NOW)
CERTIFICATE = ROOT.issue(ECC.native)
TRUST = Trust(Authorities([ROOT.certificate]), CLOCK)

ZERO = bytes.fromhex("3006020100020101")  # r is zero
Answer = Callable[[bytes], bytes]


def tap(
    answer: Answer, trust: Trust | None = None, own_keys: OwnKeys = NOBODY
) -> tuple[Outcome, list[CommandAPDU]]:
    """One card at one reader; what came of it, and what the card was asked."""
    session = TagSession(
        reader.dialogue(b"reader 1", NONCE, own_keys=own_keys, trust=trust), now=0.0
    )
    command, asked = session.start(), []
    while True:
        asked.append(CommandAPDU.decode(command))
        match session.receive(answer(command), 0.0):
            case Send(command):
                pass
            case Finished(outcome):
                return outcome, asked
            case None:
                raise AssertionError("every response moves it on")


def outcome_of(answer: Answer, trust: Trust | None = None) -> Outcome:
    return tap(answer, trust)[0]


def replacing(ins: int, response: bytes, one: Card) -> Answer:
    """A card whose answer to one instruction is replaced."""

    def answer(raw: bytes) -> bytes:
        command = CommandAPDU.decode(raw)
        last = not command.cla & 0x10
        return response if command.ins == ins and last else one.receive(raw)

    return answer


class TestKeys:
    @pytest.mark.parametrize("compressed", [False, True])
    def test_p256(self, *, compressed: bool) -> None:
        outcome = outcome_of(card(CERTIFICATE, compressed=compressed).receive)
        assert outcome == Proven(
            EccKey(ECC.public).identifier, Standard.PIV, Transport.NFC, Strength.ONE_WAY, None
        )
        # By its point it would be found, too, when it signs in the words of another standard.
        assert not is_point(outcome.key)

    @pytest.mark.parametrize("compressed", [False, True])
    def test_rsa_2048_in_chained_commands(self, *, compressed: bool) -> None:
        holder = rsa_key()
        one = card(ROOT.issue(holder), holder, compressed=compressed)
        outcome, asked = tap(one.receive)
        assert isinstance(outcome, Proven)
        assert outcome.key == RsaKey(holder.public_key()).identifier
        assert (outcome.key[0], len(outcome.key)) == (1, 33)
        assert repr(RsaKey(holder.public_key())) == "RsaKey(2048 bits)"
        signing = [(each.cla, each.le) for each in asked if each.ins == 0x87]
        assert signing == [(0x10, None), (0x00, 256)]  # cards know it so from other software

    def test_the_certificate_need_not_be_issued_by_anybody(self) -> None:
        selfmade = Authority("nobody in particular").issue(ECC.native)
        assert isinstance(outcome_of(card(selfmade).receive), Proven)

    @pytest.mark.parametrize("kind", ["p384", "rsa 3072"])
    def test_keys_of_another_kind(self, kind: str) -> None:
        other = ec.generate_private_key(ec.SECP384R1()) if kind == "p384" else rsa_key(3072)
        outcome = outcome_of(card(ROOT.issue(other)).receive)
        assert outcome == Refused(Reason.BAD_CERTIFICATE)

    def test_one_of_our_own_keys(self) -> None:
        outcome, asked = tap(card(CERTIFICATE).receive, own_keys=OwnKeys([ECC.public]))
        assert outcome == Refused(Reason.OWN_KEY)
        assert 0x87 not in [each.ins for each in asked]


class TestTrust:
    def test_issued_by_the_authority(self) -> None:
        outcome = outcome_of(card(CERTIFICATE).receive, TRUST)
        assert isinstance(outcome, Proven)
        assert outcome.issuer == "CN=root"

    @pytest.mark.parametrize(
        ("trust", "reason"),
        [
            (Trust(TRUST.authorities), Reason.NO_CLOCK),
            (Trust(TRUST.authorities, Clock(NOW + 2 * DAY)), Reason.CERTIFICATE_EXPIRED),
            (Trust(Authorities([]), CLOCK), Reason.UNKNOWN_ISSUER),
            (Trust(Authorities([MIDDLE.certificate]), CLOCK), Reason.UNKNOWN_ISSUER),
            (
                Trust(Authorities([ROOT.certificate], [], [ROOT.revoke(7)]), CLOCK),
                Reason.CERTIFICATE_REVOKED,
            ),
        ],
    )
    def test_a_certificate_that_does_not_hold(self, trust: Trust, reason: Reason) -> None:
        outcome, asked = tap(card(CERTIFICATE).receive, trust)
        assert outcome == Refused(reason)
        assert 0x87 not in [each.ins for each in asked]

    def test_its_certificate_does_not_make_a_key_somebody_elses(self) -> None:
        """A copied certificate, and a key of one's own."""
        copied = card(CERTIFICATE, key("thief"))
        assert outcome_of(copied.receive, TRUST) == Refused(Reason.BAD_SIGNATURE)

    def test_a_certificate_for_something_else(self) -> None:
        for extension, good in (
            (FOR_CARDS, True),
            ((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False), True),
            ((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False), False),
        ):
            one = ROOT.issue(ECC.native, extensions=[extension])
            found = outcome_of(card(one).receive, TRUST)
            assert isinstance(found, Proven) is good
            assert good or found == Refused(Reason.BAD_CERTIFICATE)


class TestSignature:
    def test_for_another_nonce_or_reader(self) -> None:
        for message in (b"", b"doorward piv card authentication v1reader 2" + NONCE):
            challenge = EccKey(ECC.public).challenge(message)
            signed = card(CERTIFICATE)
            signed.receive(bytes.fromhex("00A4040009A0000003080000100000"))
            old = signed.receive(general_authenticate(Algorithm.ECC_P256, challenge).encode())
            again = replacing(0x87, old, card(CERTIFICATE))
            assert outcome_of(again) == Refused(Reason.BAD_SIGNATURE)

    @pytest.mark.parametrize("holder", [ECC, rsa_key()], ids=["ecc", "rsa"])
    @pytest.mark.parametrize(
        "signature",
        [b"", b"\0", bytes(64), bytes(256), b"\xff" * 256, bytes.fromhex("3006020101020101"), ZERO],
    )
    def test_that_is_none(self, holder: CardPrivateKey, signature: bytes) -> None:
        one = card(ROOT.issue(native(holder)), holder)
        answer = ResponseAPDU(encode_signature(signature), SW.OK).encode()
        assert outcome_of(replacing(0x87, answer, one)) == Refused(Reason.BAD_SIGNATURE)

    def test_der_has_one_form(self) -> None:
        """Another encoding of a good signature is no signature."""
        message = b"whatever"
        public = EccKey(ECC.public)
        good = ECC.native.sign(message, ec.ECDSA(SHA256(), deterministic_signing=True))
        assert public.verifies(good, message)
        assert not public.verifies(good + b"\0", message)
        longer = bytes((good[0], 0x81, good[1])) + good[2:]
        assert not public.verifies(longer, message)


class TestErrors:
    @pytest.mark.parametrize(
        ("ins", "answer", "reason"),
        [
            (0xA4, "6A82", Reason.NOT_THIS_STANDARD),
            (0xA4, "6F00", Reason.UNAVAILABLE),
            (0xCB, "6A82", Reason.UNAVAILABLE),  # a PIV card without that certificate
            (0xCB, "6A88", Reason.UNAVAILABLE),
            (0xCB, "6982", Reason.CARD_ERROR),
            (0xCB, "9000", Reason.MALFORMED),
            (0xCB, "5300 9000", Reason.MALFORMED),
            (0xCB, "5302 7000 9000", Reason.BAD_CERTIFICATE),
            (0xCB, "5305 7000 710101 9000", Reason.MALFORMED),  # compressed nothing
            (0x87, "6982", Reason.CARD_ERROR),
            (0x87, "6A80", Reason.CARD_ERROR),
            (0x87, "9000", Reason.MALFORMED),
            (0x87, "7C00 9000", Reason.MALFORMED),
        ],
    )
    def test_each_has_its_reason(self, ins: int, answer: str, reason: Reason) -> None:
        outcome = outcome_of(replacing(ins, bytes.fromhex(answer), card(CERTIFICATE)))
        assert outcome == Refused(reason)
        assert isinstance(outcome, Refused)
        assert outcome.detail

    @QUICK
    @given(st.sampled_from([0xA4, 0xCB, 0x87]), st.binary(max_size=256))
    def test_no_answer_is_believed_that_is_not_the_cards(self, ins: int, answer: bytes) -> None:
        outcome = outcome_of(replacing(ins, answer, card(CERTIFICATE)))
        assert isinstance(outcome, Refused) or ins == 0xA4

    @QUICK
    @given(st.integers(0, len(CERTIFICATE.public_bytes(Encoding.DER)) * 8 - 1))
    def test_no_bit_of_an_issued_certificate_can_be_flipped(self, bit: int) -> None:
        der = bytearray(CERTIFICATE.public_bytes(Encoding.DER))
        der[bit // 8] ^= 1 << bit % 8
        flipped = Card([PivApplication(ECC, CertificateObject(bytes(der)))])
        assert isinstance(outcome_of(flipped.receive, TRUST), Refused)

    def test_an_empty_slot(self) -> None:
        empty = Card([PivApplication(ECC, None)])
        assert outcome_of(empty.receive) == Refused(Reason.UNAVAILABLE)


class TestCard:
    def selected(self, holder: CardPrivateKey = ECC) -> Card:
        one = card(ROOT.issue(native(holder)), holder)
        assert one.receive(bytes.fromhex("00A4040005A000000308 00"))[-2:] == b"\x90\x00"
        return one

    @pytest.mark.parametrize(
        ("command", "sw"),
        [
            ("00CB3FFF 05 5C035FC102 00", "6a82"),  # another data object
            ("00CB3FFF 02 5C00 00", "6a82"),
            ("00CB3FFF", "6700"),
            ("00CB3FFE 05 5C035FC101 00", "6d00"),
            ("00200080", "6d00"),
            ("0087119A 04 7C028200 00", "6700"),
            ("0087119A 06 7C0482008100 00", "6a86"),  # another key
            ("0087079E 06 7C0482008100 00", "6a86"),  # another algorithm
            ("0087119E 06 7C0482008100 00", "6a80"),  # an empty challenge
            ("0087119E 07 7C05820100 8100 00", "6700"),
        ],
    )
    def test_status_words(self, command: str, sw: str) -> None:
        assert self.selected().receive(bytes.fromhex(command)).hex() == sw

    def test_an_rsa_card_takes_whole_blocks_only(self) -> None:
        one = self.selected(rsa_key())
        for block in (bytes(255), b"\xff" * 256):
            command = general_authenticate(Algorithm.RSA_2048, block)
            first = dataclasses.replace(command, cla=0x10, data=command.data[:255])
            assert one.receive(first.encode()).hex() == "9000"
            rest = dataclasses.replace(command, data=command.data[255:])
            assert one.receive(rest.encode()).hex() == "6a80"

    def test_an_rsa_key_has_2048_bits(self) -> None:
        with pytest.raises(ValueError, match="3072 bits"):
            PivApplication(rsa_key(3072), None)


@pytest.mark.parametrize("size", [0, 16, 33])
def test_our_nonce_has_32_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="32 random bytes"):
        reader.dialogue(b"", bytes(size), own_keys=NOBODY)


def test_a_path_over_intermediates_at_the_door() -> None:
    trust = Trust(Authorities([ROOT.certificate], [MIDDLE.certificate, LAST.certificate]), CLOCK)
    outcome = outcome_of(card(LAST.issue(ECC.native)).receive, trust)
    assert isinstance(outcome, Proven)
    assert outcome.issuer == "CN=root"
