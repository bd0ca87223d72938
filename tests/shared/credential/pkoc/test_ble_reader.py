"""The BLE reader: what it says when, what it refuses, and what it forgets."""

from __future__ import annotations

import gc
import math

import pytest

from shared.credential.errors import Misuse
from shared.credential.outcome import Proven, Reason, Standard, Strength, Transport
from shared.credential.p256 import OwnKeys, PrivateKey
from shared.credential.pkoc import ble_reader
from shared.credential.pkoc.ble_messages import Credential, DeviceEphemeral, Encrypted
from shared.credential.pkoc.channel import Channel, transcript
from shared.credential.session import Send
from shared.credential.tlv import Lengths, encode_compact
from tests.shared.credential.keys import LOCATION, SITE, key
from tests.shared.credential.pkoc.ends import (
    ALICE,
    READER,
    ble_reader_session,
    greeting,
    proven,
    refused,
    sent,
)

DEVICE = key("device ephemeral")
EPHEMERAL = key("reader ephemeral")
OPENING = DeviceEphemeral(DEVICE.public.point, bytes.fromhex("0300000001"))
SIGNED = transcript(SITE, LOCATION, DEVICE.public, EPHEMERAL.public)


def shown(who: PrivateKey = ALICE, message: bytes = SIGNED) -> Credential:
    return Credential(who.public.point, who.sign(message))


def sealed(credential: Credential, lengths: Lengths = Lengths.ONE_BYTE) -> bytes:
    return Encrypted(Channel(DEVICE, EPHEMERAL.public).seal(credential.encode()), lengths).encode()


def opened(*, normal: bool = False, own_keys: OwnKeys | None = None) -> ble_reader.ReaderSession:
    """A reader that has sent its proof."""
    session = ble_reader_session(normal=normal, own_keys=own_keys or OwnKeys(()))
    greeting(session)
    sent(session.receive(OPENING.encode(), 1.0))
    return session


def greeted(*, normal: bool = False) -> ble_reader.ReaderSession:
    session = ble_reader_session(normal=normal)
    greeting(session)
    return session


class TestEcdhe:
    @pytest.mark.parametrize("lengths", list(Lengths))
    def test_a_holder_proves_itself(self, lengths: Lengths) -> None:
        outcome = proven(opened().receive(sealed(shown(), lengths), 2.0))
        assert outcome == Proven(ALICE.public.point, Standard.PKOC, Transport.BLE, Strength.MUTUAL)

    def test_the_proof_verifies_under_the_readers_key(self) -> None:
        session = ble_reader_session()
        greeting(session)
        proof = sent(session.receive(OPENING.encode(), 1.0))
        assert READER.key.public.verifies(proof[2:], SIGNED)

    def test_somebody_elses_signature(self) -> None:
        forged = Credential(ALICE.public.point, key("mallory").sign(SIGNED))
        session = opened()
        assert refused(session.receive(sealed(forged), 2.0)) is Reason.BAD_SIGNATURE
        assert session.result(granted=False) == bytes.fromhex("040106")

    @pytest.mark.parametrize(
        "message",
        [
            EPHEMERAL.public.compressed,  # the normal flow's message
            SIGNED[:32] + SIGNED[64:] + SIGNED[32:64],
            transcript(SITE, LOCATION, DEVICE.public, key("other").public),
            transcript(LOCATION, SITE, DEVICE.public, EPHEMERAL.public),
            bytes(16),
        ],
    )
    def test_a_signature_over_anything_else(self, message: bytes) -> None:
        step = opened().receive(sealed(shown(message=message)), 2.0)
        assert refused(step) is Reason.BAD_SIGNATURE

    def test_a_flipped_bit(self) -> None:
        message = bytearray(sealed(shown()))
        message[40] ^= 1
        session = opened()
        assert refused(session.receive(bytes(message), 2.0)) is Reason.DECRYPTION_FAILED
        assert session.result(granted=True) == bytes.fromhex("040107")

    @pytest.mark.parametrize("point", [b"\x04" + bytes(64), b"\x05" + ALICE.public.point[1:]])
    def test_a_credential_off_the_curve(self, point: bytes) -> None:
        step = opened().receive(sealed(Credential(point, bytes(64))), 2.0)
        assert refused(step) is Reason.OFF_CURVE

    @pytest.mark.parametrize("who", ["reader", "colleague"])
    def test_our_own_keys_are_nobodys_credential(self, who: str) -> None:
        own_keys = OwnKeys([key("colleague").public])
        step = opened(own_keys=own_keys).receive(sealed(shown(key(who))), 2.0)
        assert refused(step) is Reason.OWN_KEY

    def test_plaintext_that_is_no_credential(self) -> None:
        channel = Channel(DEVICE, EPHEMERAL.public)
        message = Encrypted(channel.seal(OPENING.encode())).encode()
        assert refused(opened().receive(message, 2.0)) is Reason.MALFORMED


class TestOpening:
    @pytest.mark.parametrize("point", [b"\x04" + bytes(64), b"\x04" + b"\xff" * 64, bytes(65)])
    def test_a_device_key_off_the_curve(self, point: bytes) -> None:
        session = greeted()
        assert refused(session.receive(DeviceEphemeral(point).encode(), 1.0)) is Reason.OFF_CURVE
        assert session.result(granted=False) == bytes.fromhex("040105")

    def test_our_own_ephemeral_key_comes_back(self) -> None:
        point = EPHEMERAL.public.point
        negative = point[:33] + (P - int.from_bytes(point[33:], "big")).to_bytes(32, "big")
        for reflected in (point, negative):
            step = greeted().receive(DeviceEphemeral(reflected).encode(), 1.0)
            assert refused(step) is Reason.OWN_KEY

    def test_a_repetition_is_ignored_and_buys_no_time(self) -> None:
        session = opened()
        deadline = session.deadline
        assert session.receive(OPENING.encode(), 2.0) is None
        assert session.deadline == deadline
        proven(session.receive(sealed(shown()), 3.0))

    def test_another_device_key_is_not(self) -> None:
        other = DeviceEphemeral(key("other").public.point).encode()
        assert refused(opened().receive(other, 2.0)) is Reason.OUT_OF_ORDER

    def test_a_sealed_message_before_there_is_a_key(self) -> None:
        assert refused(greeted().receive(sealed(shown()), 1.0)) is Reason.OUT_OF_ORDER


P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF


class TestNormal:
    CLEAR = Credential(ALICE.public.point, ALICE.sign(EPHEMERAL.public.compressed)).encode()

    def test_where_it_is_allowed(self) -> None:
        outcome = proven(greeted(normal=True).receive(self.CLEAR, 1.0))
        assert (outcome.key, outcome.strength) == (ALICE.public.point, Strength.ONE_WAY)

    def test_nowhere_else(self) -> None:
        session = greeted()
        assert refused(session.receive(self.CLEAR, 1.0)) is Reason.FLOW_NOT_ALLOWED
        assert session.result(granted=True) == bytes.fromhex("040105")

    @pytest.mark.parametrize("normal", [False, True])
    def test_not_after_the_encrypted_flow_began(self, *, normal: bool) -> None:
        step = opened(normal=normal).receive(self.CLEAR, 2.0)
        assert refused(step) is Reason.FLOW_NOT_ALLOWED

    def test_the_encrypted_flow_is_there_as_well(self) -> None:
        outcome = proven(opened(normal=True).receive(sealed(shown()), 2.0))
        assert outcome.strength is Strength.MUTUAL

    def test_a_signature_for_another_session(self) -> None:
        replayed = Credential(ALICE.public.point, ALICE.sign(key("old").public.compressed))
        step = greeted(normal=True).receive(replayed.encode(), 1.0)
        assert refused(step) is Reason.BAD_SIGNATURE

    def test_own_keys(self) -> None:
        own = READER.key
        shown_key = Credential(own.public.point, own.sign(EPHEMERAL.public.compressed))
        step = greeted(normal=True).receive(shown_key.encode(), 1.0)
        assert refused(step) is Reason.OWN_KEY


class TestMtu:
    @pytest.mark.parametrize(("mtu", "pieces"), [(517, 1), (81, 1), (80, 2), (69, 2)])
    def test_one_notification_wherever_possible(self, mtu: int, pieces: int) -> None:
        hello = ble_reader_session().hello(mtu)
        assert isinstance(hello, tuple)
        assert len(hello) == pieces
        assert all(len(piece) <= mtu - 3 for piece in hello)

    @pytest.mark.parametrize(
        ("mtu", "normal"), [(68, False), (37, True), (23, False), (23, True), (3, False)]
    )
    def test_too_small_is_an_outcome(self, mtu: int, *, normal: bool) -> None:
        session = ble_reader_session(normal=normal)
        assert refused(session.hello(mtu)) is Reason.MTU_TOO_SMALL
        assert session.receive(OPENING.encode(), 1.0) is None
        assert len(session.result(granted=False)) == 3

    def test_a_narrow_link_carries_the_normal_flow_only(self) -> None:
        session = ble_reader_session(normal=True)
        hello = session.hello(38)
        assert isinstance(hello, tuple)
        assert [len(piece) for piece in hello] == [7, 35, 18, 18]
        assert refused(session.receive(OPENING.encode(), 1.0)) is Reason.MTU_TOO_SMALL


class TestTime:
    def test_five_seconds_without_progress(self) -> None:
        session = ble_reader_session()
        assert session.deadline == 5.0
        assert session.expire(4.9) is None
        assert refused(session.expire(5.0)) is Reason.TIMEOUT
        assert (session.deadline, session.expire(6.0)) == (math.inf, None)

    def test_progress_extends_up_to_eight(self) -> None:
        session = greeted()
        sent(session.receive(OPENING.encode(), 4.0))
        assert session.deadline == 8.0

    def test_a_late_message_is_too_late(self) -> None:
        session = opened()
        assert refused(session.receive(sealed(shown()), session.deadline)) is Reason.TIMEOUT

    def test_a_lost_link(self) -> None:
        session = opened()
        assert refused(session.lost()) is Reason.LINK_LOST
        assert session.lost() is None


class TestEnd:
    @pytest.mark.parametrize(("granted", "status"), [(True, "040103"), (False, "040102")])
    def test_the_result_of_a_proof(self, *, granted: bool, status: str) -> None:
        session = opened()
        proven(session.receive(sealed(shown()), 2.0))
        assert session.result(granted=granted).hex() == status

    def test_a_refusal_is_never_told_as_granted(self) -> None:
        session = greeted()
        refused(session.receive(b"garbage", 1.0))
        assert session.result(granted=True) == bytes.fromhex("040105")

    def test_repeated_writes_are_ignored(self) -> None:
        session = opened()
        message = sealed(shown())
        proven(session.receive(message, 2.0))
        assert session.receive(message, 2.1) is None
        assert session.receive(b"", 2.2) is None
        assert session.expire(100.0) is None
        assert session.lost() is None

    @pytest.mark.parametrize("ending", ["proven", "refused", "expired", "lost"])
    def test_secrets_are_dropped(self, ending: str) -> None:
        ephemeral = PrivateKey.from_bytes(EPHEMERAL.secret_bytes())
        session = ble_reader_session(ephemeral=ephemeral)
        greeting(session)
        assert holds(session, PrivateKey) == {READER.key, ephemeral}
        sent(session.receive(OPENING.encode(), 1.0))
        assert holds(session, PrivateKey) == {READER.key}
        assert len(holds(session, Channel)) == 1
        match ending:
            case "proven":
                session.receive(sealed(shown()), 2.0)
            case "refused":
                session.receive(b"garbage", 2.0)
            case "expired":
                session.expire(60.0)
            case _:
                session.lost()
        assert holds(session, PrivateKey) == {READER.key}
        assert not holds(session, Channel)

    def test_a_session_shows_no_secret(self) -> None:
        session = opened()
        for secret in (EPHEMERAL, READER.key):
            assert secret.secret_bytes().hex() not in repr(vars(session))


def holds(root: object, kind: type[object]) -> set[object]:
    """Every object of `kind` that can be reached from `root`."""
    seen: dict[int, object] = {}
    todo = [root]
    while todo:
        here = todo.pop()
        if id(here) in seen or isinstance(here, type):
            continue
        seen[id(here)] = here
        todo.extend(gc.get_referents(here))
    return {each for each in seen.values() if isinstance(each, kind)}


class TestMisuse:
    def test_receive_before_hello(self) -> None:
        with pytest.raises(Misuse, match="call hello"):
            ble_reader_session().receive(OPENING.encode(), 0.0)

    def test_hello_twice(self) -> None:
        session = greeted()
        with pytest.raises(Misuse, match="greets once"):
            session.hello(247)

    def test_result_before_the_end(self) -> None:
        with pytest.raises(Misuse, match="no result"):
            opened().result(granted=True)


@pytest.mark.parametrize("message", [OPENING.encode(), TestNormal.CLEAR])
def test_byte_by_byte_proves_nothing(message: bytes) -> None:
    """A message in pieces is no message: the first piece already ends the session."""
    session = greeted(normal=True)
    assert refused(session.receive(message[:1], 0.0)) is Reason.MALFORMED
    assert all(session.receive(bytes((byte,)), 0.0) is None for byte in message[1:])


@pytest.mark.parametrize("extra", range(0, 256, 17))
def test_trailing_bytes(extra: int) -> None:
    for message in (OPENING.encode(), TestNormal.CLEAR):
        step = greeted(normal=True).receive(message + bytes((extra,)), 0.0)
        assert refused(step) is Reason.MALFORMED
    assert not isinstance(opened().receive(sealed(shown()) + bytes((extra,)), 0.0), Send)


def test_unknown_tags_around_the_credential() -> None:
    message = b"\x80\x02ab" + TestNormal.CLEAR + encode_compact(0x55, bytes(9))
    proven(greeted(normal=True).receive(message, 0.0))
