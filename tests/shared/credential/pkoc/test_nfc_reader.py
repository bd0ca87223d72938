"""The NFC reader before every kind of card: ours, foreign, slow, talkative, broken, hostile."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.apdu import CommandAPDU
from shared.credential.card import Card
from shared.credential.outcome import Proven, Reason, Refused, Standard, Strength, Transport
from shared.credential.p256 import OwnKeys, PrivateKey
from shared.credential.pkoc.nfc_holder import PkocApplication
from shared.credential.pkoc.nfc_messages import V1_0, V1_1, Authenticate, AuthenticateAnswer
from shared.credential.session import Finished, Send
from shared.credential.tag import TagSession
from tests.shared.credential.keys import QUICK, key
from tests.shared.credential.pkoc.ends import (
    ALICE,
    READER,
    TRANSACTION,
    nfc_reader_session,
    proven,
    refused,
    sent,
)

OK = b"\x90\x00"


def tap(session: TagSession, card: Card) -> Proven | Refused:
    """One card at one reader until the outcome; no card takes more than two commands."""
    command = session.start()
    for _ in range(2):
        match session.receive(card.receive(command), 0.0):
            case Send(command):
                pass
            case Finished(outcome):
                return outcome
            case None:
                break
    raise AssertionError("no outcome after two commands")


def authenticating(own_keys: OwnKeys | None = None) -> TagSession:
    """A reader whose SELECT was answered well."""
    session = nfc_reader_session(own_keys=own_keys or OwnKeys(()))
    session.start()
    sent(session.receive(b"\x5c\x02\x01\x00" + OK, 0.0))
    return session


def answer(who: PrivateKey = ALICE, message: bytes = TRANSACTION) -> bytes:
    return AuthenticateAnswer(who.public.point, who.sign(message)).encode()


@pytest.mark.parametrize("versions", [(V1_0,), (V1_1,), (V1_1, V1_0), (b"\x09\x00",)])
def test_our_card(versions: tuple[bytes, ...]) -> None:
    outcome = tap(nfc_reader_session(), Card([PkocApplication(ALICE, versions)]))
    assert outcome == Proven(ALICE.public.point, Standard.PKOC, Transport.NFC, Strength.ONE_WAY)


class TestSelect:
    @pytest.mark.parametrize("sw", ["6A82", "6A81", "6A86", "6D00", "6E00", "6700", "6B00"])
    def test_a_foreign_card_is_left_to_other_standards(self, sw: str) -> None:
        session = nfc_reader_session()
        session.start()
        assert refused(session.receive(bytes.fromhex(sw), 0.0)) is Reason.NOT_THIS_STANDARD
        assert session.receive(bytes.fromhex(sw), 0.0) is None

    @pytest.mark.parametrize("sw", ["6F00", "6999", "6985", "6283", "0000"])
    def test_a_phone_that_keeps_its_key_for_another_radio(self, sw: str) -> None:
        session = nfc_reader_session()
        session.start()
        assert refused(session.receive(bytes.fromhex(sw), 0.0)) is Reason.UNAVAILABLE

    @pytest.mark.parametrize(
        ("versions", "chosen"),
        [
            ("0100", V1_0),
            ("01010100", V1_1),
            ("01000101", V1_1),
            ("02000101", V1_1),
            ("0300", b"\x03\x00"),
            ("0A00" * 100, b"\x0a\x00"),
        ],
    )
    def test_any_list_of_versions(self, versions: str, chosen: bytes) -> None:
        session = nfc_reader_session()
        session.start()
        value = bytes.fromhex(versions)
        command = sent(session.receive(bytes((0x5C, len(value))) + value + OK, 0.0))
        challenge = Authenticate.decode(CommandAPDU.decode(command).data)
        assert challenge == Authenticate(chosen, TRANSACTION, READER.reader_identifier)

    @pytest.mark.parametrize(
        "text", ["9000", "5C00 9000", "5C0101 9000", "6F00 9000", "5C04 0100 9000"]
    )
    def test_no_list_of_versions(self, text: str) -> None:
        session = nfc_reader_session()
        session.start()
        assert refused(session.receive(bytes.fromhex(text), 0.0)) is Reason.MALFORMED

    def test_a_bare_nonce_behind_the_list(self) -> None:
        session = nfc_reader_session()
        session.start()
        assert sent(session.receive(bytes.fromhex("5C020100 ABCD 9000"), 0.0))


class TestAuthenticate:
    def test_a_signature_over_anything_but_our_number(self) -> None:
        for message in (bytes(16), TRANSACTION + b"\0", READER.reader_identifier, b""):
            step = authenticating().receive(answer(message=message) + OK, 0.0)
            assert refused(step) is Reason.BAD_SIGNATURE

    def test_a_signature_of_somebody_else(self) -> None:
        forged = AuthenticateAnswer(ALICE.public.point, key("mallory").sign(TRANSACTION))
        assert refused(authenticating().receive(forged.encode() + OK, 0.0)) is Reason.BAD_SIGNATURE

    @pytest.mark.parametrize("who", ["reader", "colleague"])
    def test_own_keys(self, who: str) -> None:
        session = authenticating(OwnKeys([key("colleague").public]))
        assert refused(session.receive(answer(key(who)) + OK, 0.0)) is Reason.OWN_KEY

    @pytest.mark.parametrize("sw", ["6F00", "6985", "6984", "6A82"])
    def test_an_error(self, sw: str) -> None:
        assert refused(authenticating().receive(bytes.fromhex(sw), 0.0)) is Reason.CARD_ERROR

    def test_success_without_data(self) -> None:
        assert refused(authenticating().receive(OK, 0.0)) is Reason.MALFORMED

    def test_either_order_and_unknown_tags(self) -> None:
        data = answer()
        proven(authenticating().receive(data[67:] + b"\x71\0" + data[:67] + OK, 0.0))

    def test_a_response_in_pieces(self) -> None:
        session = authenticating()
        data = answer()
        assert sent(session.receive(data[:100] + b"\x61\x21", 0.0)).hex() == "00c0000021"
        proven(session.receive(data[100:] + OK, 0.0))

    def test_another_length_asked_for(self) -> None:
        session = authenticating()
        again = sent(session.receive(b"\x6c\x85", 0.0))
        assert (again[:4].hex(), again[-1]) == ("80800001", 0x85)
        proven(session.receive(answer() + OK, 0.0))

    def test_a_card_that_never_ends(self) -> None:
        session = authenticating()
        rounds = 0
        while isinstance(step := session.receive(bytes(256) + b"\x61\x00", 0.0), Send):
            rounds += 1
        assert refused(step) is Reason.MALFORMED
        assert rounds == 15

    @pytest.mark.parametrize("response", [b"", b"\x90"])
    def test_no_status_word(self, response: bytes) -> None:
        assert refused(authenticating().receive(response, 0.0)) is Reason.MALFORMED

    def test_byte_by_byte_and_trailing(self) -> None:
        data = answer()
        for size in range(len(data)):
            refused(authenticating().receive(data[:size] + OK, 0.0))
        for extra in range(256):
            refused(authenticating().receive(data + bytes((extra,)) + OK, 0.0))


class TestTimeAndEnd:
    def test_two_seconds_in_all(self) -> None:
        session = authenticating()
        assert session.deadline == 2.0
        assert session.expire(1.9) is None
        assert refused(session.expire(2.0)) is Reason.TIMEOUT
        assert (session.deadline, session.expire(3.0)) == (math.inf, None)

    def test_a_late_answer(self) -> None:
        assert refused(authenticating().receive(answer() + OK, 2.0)) is Reason.TIMEOUT

    def test_a_torn_card(self) -> None:
        session = authenticating()
        assert refused(session.lost()) is Reason.LINK_LOST
        assert session.lost() is None

    def test_one_attempt(self) -> None:
        session = authenticating()
        refused(session.receive(b"\x6f\x00", 0.0))
        assert session.receive(answer() + OK, 0.0) is None


@pytest.mark.parametrize("size", [0, 15, 17, 33])
def test_our_number_has_16_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="16 random bytes"):
        nfc_reader_session(bytes(size))


@QUICK
@given(st.lists(st.binary(max_size=260), min_size=20, max_size=20))
def test_any_card_is_done_and_proves_nothing(responses: list[bytes]) -> None:
    session = nfc_reader_session()
    session.start()
    steps = [*(session.receive(response, 0.0) for response in responses), session.lost()]
    (ending,) = [step for step in steps if isinstance(step, Finished)]
    refused(ending)
