"""The BLE holder: whom it answers, and that nothing of it shows before the reader's proof."""

from __future__ import annotations

import math

import pytest

from shared.credential.outcome import Reason, Refused
from shared.credential.p256 import PrivateKey
from shared.credential.pkoc.ble_holder import Hint, HolderSession
from shared.credential.pkoc.ble_messages import (
    Credential,
    DeviceEphemeral,
    Encrypted,
    ProtocolId,
    ReaderProof,
    Response,
    Status,
    decode_device,
)
from shared.credential.pkoc.channel import Channel, transcript
from shared.credential.pkoc.hello import Hello
from shared.credential.pkoc.identity import Keyring, KnownReader
from shared.credential.tlv import Lengths, encode_compact
from tests.shared.credential.keys import LOCATION, SITE, key
from tests.shared.credential.pkoc.ends import (
    ALICE,
    KNOWN,
    READER,
    ble_holder_session,
    finished,
    holder_refused,
    sent,
)

EPHEMERAL = key("reader ephemeral")
DEVICE = key("device ephemeral")
HELLO = Hello(ProtocolId(3, 0, 1), EPHEMERAL.public, LOCATION, SITE)
SIGNED = transcript(SITE, LOCATION, DEVICE.public, EPHEMERAL.public)
PROOF = ReaderProof(READER.key.sign(SIGNED)).encode()
NORMAL = Keyring([], [SITE])


def greeted(keyring: Keyring | None = None) -> HolderSession:
    """A holder that has sent its ephemeral key."""
    session = ble_holder_session(keyring)
    sent(session.receive(HELLO.encode(), 1.0))
    return session


class TestEcdhe:
    def test_it_shows_itself_to_a_reader_it_knows(self) -> None:
        session = ble_holder_session()
        opening = decode_device(sent(session.receive(HELLO.encode(), 1.0)))
        assert opening == DeviceEphemeral(DEVICE.public.point, bytes.fromhex("0300000001"))
        message = decode_device(sent(session.receive(PROOF, 2.0)))
        assert isinstance(message, Encrypted)
        shown = Credential.decode(Channel(EPHEMERAL, DEVICE.public).open(message.sealed))
        assert shown.point == ALICE.public.point
        assert ALICE.public.verifies(shown.signature, SIGNED)
        assert shown.last_update == (1_700_000_000).to_bytes(4, "big")
        step = session.receive(Response(Status.GRANTED).encode(), 3.0)
        assert finished(step) == Hint(Status.GRANTED)

    @pytest.mark.parametrize(
        "hello",
        [
            Hello(HELLO.protocol, HELLO.ephemeral, bytes(16), SITE),
            Hello(HELLO.protocol, HELLO.ephemeral, LOCATION, bytes(16)),
            Hello(HELLO.protocol, HELLO.ephemeral, SITE, LOCATION),
        ],
    )
    def test_a_stranger_gets_no_word(self, hello: Hello) -> None:
        step = ble_holder_session().receive(hello.encode(), 1.0)
        assert holder_refused(step) is Reason.UNKNOWN_READER

    @pytest.mark.parametrize(
        ("signer", "message"),
        [
            ("mallory", SIGNED),
            ("reader", SIGNED[:32] + SIGNED[64:] + SIGNED[32:64]),
            ("reader", transcript(SITE, LOCATION, key("old").public, EPHEMERAL.public)),
            ("reader", transcript(SITE, LOCATION, DEVICE.public, key("old").public)),
        ],
    )
    def test_an_impostor_gets_no_identity(self, signer: str, message: bytes) -> None:
        proof = ReaderProof(key(signer).sign(message)).encode()
        step = greeted().receive(proof, 2.0)
        assert holder_refused(step) is Reason.BAD_SIGNATURE

    def test_a_reader_that_begins_anew_gets_no_identity(self) -> None:
        """Some phones show themselves at any second notification; ours waits for the proof."""
        session = greeted()
        other = Hello(HELLO.protocol, key("other").public, LOCATION, SITE)
        for data in (HELLO.encode(), other.encode(), b"\x0c\x05\x03\0\0\0\x01", b""):
            assert session.receive(data, 2.0) is None
        assert sent(session.receive(PROOF, 3.0))

    def test_a_proof_before_the_hello(self) -> None:
        assert holder_refused(ble_holder_session().receive(PROOF, 0.0)) is Reason.OUT_OF_ORDER

    def test_a_repeated_proof_changes_nothing(self) -> None:
        session = greeted()
        sent(session.receive(PROOF, 2.0))
        assert session.receive(PROOF, 3.0) is None

    @pytest.mark.parametrize(
        ("certificate", "lengths"),
        [
            (b"", Lengths.ONE_BYTE),
            (encode_compact(0x10, bytes(138)), Lengths.ONE_BYTE),
            (encode_compact(0x10, bytes(138), Lengths.BER), Lengths.BER),
        ],
    )
    def test_long_lengths_follow_the_readers_certificate(
        self, certificate: bytes, lengths: Lengths
    ) -> None:
        session = ble_holder_session()
        if certificate:
            assert session.receive(certificate, 0.5) is None
        sent(session.receive(HELLO.encode(), 1.0))
        message = decode_device(sent(session.receive(PROOF, 2.0)))
        assert isinstance(message, Encrypted)
        assert message.lengths is lengths

    def test_a_hello_in_pieces(self) -> None:
        session = ble_holder_session()
        *first, last = HELLO.split(35)
        assert all(session.receive(piece, 1.0) is None for piece in first)
        assert sent(session.receive(last, 1.0))


class TestNormal:
    def test_only_for_sites_so_chosen(self) -> None:
        session = ble_holder_session(NORMAL)
        shown = decode_device(sent(session.receive(HELLO.encode(), 1.0)))
        assert isinstance(shown, Credential)
        assert shown.point == ALICE.public.point
        assert ALICE.public.verifies(shown.signature, EPHEMERAL.public.compressed)
        step = session.receive(Response(Status.DENIED).encode(), 2.0)
        assert finished(step) == Hint(Status.DENIED)

    def test_the_choice_is_for_one_site(self) -> None:
        keyring = Keyring([KNOWN], [bytes(16)])
        message = sent(ble_holder_session(keyring).receive(HELLO.encode(), 1.0))
        assert isinstance(decode_device(message), DeviceEphemeral)

    @pytest.mark.parametrize("size", [16, 32, 34, 96])
    def test_no_oracle_for_other_lengths(self, size: int) -> None:
        hello = b"\x0c\x05\x03\0\0\0\x01" + encode_compact(0x02, bytes(size))
        hello += encode_compact(0x0D, LOCATION) + encode_compact(0x0E, SITE)
        step = ble_holder_session(NORMAL).receive(hello, 1.0)
        assert holder_refused(step) is Reason.WRONG_LENGTH

    def test_no_oracle_for_33_bytes_that_are_no_point(self) -> None:
        hello = b"\x0c\x05\x03\0\0\0\x01\x02\x21\x02" + bytes(31) + b"\x01"
        hello += encode_compact(0x0D, LOCATION) + encode_compact(0x0E, SITE)
        step = ble_holder_session(NORMAL).receive(hello, 1.0)
        assert holder_refused(step) is Reason.OFF_CURVE


class TestStatus:
    @pytest.mark.parametrize("status", list(Status))
    def test_before_the_credential_was_shown_it_is_a_refusal(self, status: Status) -> None:
        """A forged "granted" must not light the phone green before it has said anything."""
        response = Response(status).encode()
        for session in (ble_holder_session(), greeted()):
            assert holder_refused(session.receive(response, 2.0)) is Reason.TURNED_AWAY

    def test_above_eight(self) -> None:
        session = greeted()
        sent(session.receive(PROOF, 2.0))
        assert finished(session.receive(b"\x04\x01\xff", 3.0)) == Hint(Status.UNKNOWN)

    def test_an_empty_one(self) -> None:
        session = greeted()
        sent(session.receive(PROOF, 2.0))
        assert holder_refused(session.receive(b"\x04\x00", 3.0)) is Reason.WRONG_LENGTH


class TestTimeAndEnd:
    def test_silence(self) -> None:
        session = greeted()
        assert session.deadline == 6.0
        assert session.expire(5.9) is None
        assert holder_refused(session.expire(6.0)) is Reason.TIMEOUT
        assert session.deadline == math.inf

    def test_a_late_proof(self) -> None:
        assert holder_refused(greeted().receive(PROOF, 6.0)) is Reason.TIMEOUT

    def test_in_all_eight_seconds(self) -> None:
        session = ble_holder_session()
        sent(session.receive(HELLO.encode(), 4.0))
        sent(session.receive(PROOF, 7.0))
        assert session.deadline == 8.0

    def test_a_lost_link(self) -> None:
        session = greeted()
        assert holder_refused(session.lost()) is Reason.LINK_LOST
        assert (session.lost(), session.expire(99.0)) == (None, None)

    def test_after_the_end_nothing_is_answered(self) -> None:
        session = ble_holder_session()
        assert holder_refused(session.receive(b"\xff", 0.0)) is Reason.MALFORMED
        assert session.receive(HELLO.encode(), 0.0) is None
        assert session.receive(PROOF, 0.0) is None


def test_a_session_shows_no_secret() -> None:
    session = greeted()
    for secret in (ALICE, DEVICE):
        assert secret.secret_bytes().hex() not in repr(vars(session))


def test_readers_are_told_apart_by_location() -> None:
    """Two doors of one site with keys of their own: each proves itself with its own."""
    other_key = key("other door")
    other = KnownReader(SITE, bytes(16), other_key.public)
    keyring = Keyring([KNOWN, other])
    hello = Hello(HELLO.protocol, EPHEMERAL.public, bytes(16), SITE)
    signed = transcript(SITE, bytes(16), DEVICE.public, EPHEMERAL.public)

    def prove(signer: PrivateKey) -> object:
        session = ble_holder_session(keyring)
        sent(session.receive(hello.encode(), 1.0))
        return session.receive(ReaderProof(signer.sign(signed)).encode(), 2.0)

    assert not isinstance(prove(READER.key), Refused)
    assert prove(other_key) != prove(READER.key)
