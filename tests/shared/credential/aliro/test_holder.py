"""The device before every kind of reader: what it answers, what it keeps, when it closes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.aliro import keys
from shared.credential.aliro.certificate import ReaderCertificate
from shared.credential.aliro.channel import SecureChannel
from shared.credential.aliro.credential import MAX_READERS, Credential
from shared.credential.aliro.endings import ControlFlow, Exchange, ReaderStatus
from shared.credential.aliro.holder import Supplies, UserDevice
from shared.credential.aliro.identity import ReaderIdentity
from shared.credential.aliro.keys import Transcript
from shared.credential.aliro.mailbox import Mailbox, MailboxRequest, Operation, Read, Write
from shared.credential.aliro.messages import (
    SELECT,
    Auth0,
    Auth0Answer,
    Auth1,
    AuthenticationPolicy,
    Ins,
)
from shared.credential.aliro.offer import Offer, Signaling
from shared.credential.apdu import SW, CommandAPDU, ResponseAPDU
from shared.credential.card import Card
from shared.credential.outcome import Reason, Refused
from shared.credential.p256 import PrivateKey, PublicKey
from tests.shared.credential.aliro.ends import (
    ALICE,
    BOB,
    CERTIFICATE,
    GROUP,
    ISSUER,
    READER,
    SUB_GROUP,
    Door,
    Tap,
    certified,
    credential,
    device,
    fresh,
    noise,
    status_heard,
)
from tests.shared.credential.keys import QUICK, key

EPHEMERAL = key("reader ephemeral")
AUTH0 = Auth0(
    fast=False,
    policy=AuthenticationPolicy.USER_SETTING,
    version=b"\1\0",
    ephemeral=EPHEMERAL.public.point,
    transaction_id=bytes(16),
    reader_identifier=GROUP + SUB_GROUP,
)


class ByHand:
    """A reader that can be made to say anything at any time."""

    def __init__(self, phone: UserDevice, identity: ReaderIdentity = READER) -> None:
        self.phone, self.identity = phone, identity
        self.card = Card([phone])
        self.transcript: Transcript | None = None
        self.channel: SecureChannel | None = None

    def ask(self, command: CommandAPDU) -> ResponseAPDU:
        return ResponseAPDU.decode(self.card.receive(command.encode()))

    def select(self) -> ByHand:
        answer = self.ask(SELECT)
        assert answer.sw == SW.OK
        self.proprietary = answer.data[answer.data.index(0xA5) :]
        return self

    def auth0(self, auth0: Auth0 = AUTH0) -> int:
        answer = self.ask(Ins.AUTH0.command(auth0.encode()))
        if answer.sw != SW.OK:
            assert not answer.data
            return answer.sw
        self.answer0 = Auth0Answer.decode(answer.data)
        self.transcript = Transcript(
            self.identity.group_key,
            auth0.reader_identifier,
            auth0.version,
            auth0.ephemeral,
            self.answer0.ephemeral,
            auth0.transaction_id,
            auth0.parameters,
            self.proprietary,
            auth0.vendor_tlv,
            self.answer0.vendor_tlv,
        )
        return answer.sw

    def auth1(self, signer: PrivateKey = READER.key, certificate: bytes | None = None) -> int:
        assert self.transcript is not None
        signature = signer.sign(self.transcript.signed_by_reader)
        auth1 = Auth1(full_key=True, signature=signature, certificate=certificate)
        answer = self.ask(Ins.AUTH1.command(auth1.encode()))
        if answer.sw == SW.OK:
            device_key = key_of(self.answer0)
            secret = keys.kdh(EPHEMERAL, device_key, bytes(16))
            derived = keys.standard_keys(secret, self.transcript)
            self.channel = SecureChannel.of_reader(derived.reader, derived.device)
            assert ALICE.public.point in self.channel.open(answer.data)
        else:
            assert not answer.data
        return answer.sw

    def exchange(self, said: Exchange) -> bytes | int:
        assert self.channel is not None
        answer = self.ask(Ins.EXCHANGE.command(self.channel.seal(said.encode())))
        return self.channel.open(answer.data) if answer.sw == SW.OK else answer.sw


def key_of(answer: Auth0Answer) -> PublicKey:
    return PublicKey.parse(answer.ephemeral)


def challenged(phone: UserDevice | None = None, identity: ReaderIdentity = READER) -> ByHand:
    reader = ByHand(phone or device(), identity).select()
    assert reader.auth0() == SW.OK
    return reader


def opened(phone: UserDevice | None = None) -> ByHand:
    reader = challenged(phone)
    assert reader.auth1() == SW.OK
    return reader


def closed(reader: ByHand, reason: Reason) -> None:
    """Nothing but SELECT is answered, and the device says why."""
    assert reader.phone.ended == Refused(reason)
    for ins in Ins:
        assert reader.ask(ins.command(b"x")).sw == SW.UNKNOWN_INS
    assert reader.phone.ended == Refused(reason)
    assert reader.select().auth0() == SW.OK


class TestOrder:
    @pytest.mark.parametrize("ins", set(Ins) - {Ins.AUTH0, Ins.CONTROL_FLOW})
    def test_after_select(self, ins: Ins) -> None:
        reader = ByHand(device()).select()
        assert reader.ask(ins.command(b"x")).sw == SW.UNKNOWN_INS
        closed(reader, Reason.OUT_OF_ORDER)

    def test_auth0_twice(self) -> None:
        reader = challenged()
        assert reader.auth0() == SW.UNKNOWN_INS
        closed(reader, Reason.OUT_OF_ORDER)

    def test_no_exchange_after_a_standard_auth0(self) -> None:
        reader = challenged()
        assert reader.ask(Ins.EXCHANGE.command(bytes(16))).sw == SW.UNKNOWN_INS
        closed(reader, Reason.OUT_OF_ORDER)

    @pytest.mark.parametrize("ins", [Ins.AUTH0, Ins.AUTH1, Ins.LOAD_CERT])
    def test_after_auth1(self, ins: Ins) -> None:
        reader = opened()
        assert reader.ask(ins.command(AUTH0.encode())).sw == SW.UNKNOWN_INS
        closed(reader, Reason.OUT_OF_ORDER)

    def test_no_auth1_after_a_fast_exchange(self) -> None:
        held, door = credential(), Door()
        door.tap(device(held))
        transaction, phone = door.transaction(), device(held)
        tap = Tap(Card([phone]))
        tap.run(transaction.authenticate())
        assert tap.run(transaction.mailbox(Read(0, 1))) == (b"\0",)
        assert tap.card.receive(Ins.AUTH1.command(b"x").encode()) == b"\x6d\x00"

    def test_after_the_status_nothing(self) -> None:
        reader = opened()
        assert reader.exchange(Exchange(ReaderStatus.UNSECURED)) == b"\0\2\0\0"
        assert reader.exchange(Exchange(ReaderStatus.UNSECURED)) == SW.UNKNOWN_INS
        assert status_heard(reader.phone) == ReaderStatus.UNSECURED

    def test_control_flow_ends_it_at_any_time(self) -> None:
        for reader in (ByHand(device()).select(), challenged(), opened()):
            command = Ins.CONTROL_FLOW.command(ControlFlow(0x27).encode())
            assert reader.ask(command) == ResponseAPDU(b"", SW.OK)
            assert reader.phone.ended == ControlFlow(0x27)
            assert reader.ask(command).sw == SW.UNKNOWN_INS

    def test_select_begins_anew(self) -> None:
        reader = opened().select()
        assert reader.phone.ended is None
        assert reader.auth0() == SW.OK
        assert reader.auth1() == SW.OK


class TestForm:
    @pytest.mark.parametrize(
        ("command", "sw"),
        [
            (CommandAPDU(0x00, 0x80, 0, 0, AUTH0.encode(), 256), SW.UNKNOWN_CLA),
            (CommandAPDU(0x80, 0x80, 1, 0, AUTH0.encode(), 256), SW.WRONG_PARAMETERS),
            (CommandAPDU(0x80, 0x80, 0, 1, AUTH0.encode(), 256), SW.WRONG_PARAMETERS),
            (CommandAPDU(0x80, 0x80, 0, 0, AUTH0.encode()), SW.NOT_COMPLIANT),
            (CommandAPDU(0x80, 0x80, 0, 0, AUTH0.encode(), 1), SW.NOT_COMPLIANT),
            (CommandAPDU(0x80, 0x80, 0, 0, AUTH0.encode()[1:], 256), SW.NOT_COMPLIANT),
            (CommandAPDU(0x80, 0x3C, 0, 0, ControlFlow().encode(), 256), SW.NOT_COMPLIANT),
            (CommandAPDU(0x80, 0x3C, 0, 0, b"\x41\x00"), SW.NOT_COMPLIANT),
            (CommandAPDU(0x80, 0x77, 0, 0, b"", 256), SW.UNKNOWN_INS),
        ],
    )
    def test_refused(self, command: CommandAPDU, sw: SW) -> None:
        reader = ByHand(device()).select()
        assert reader.ask(command) == ResponseAPDU(b"", sw)
        assert isinstance(reader.phone.ended, Refused)
        assert reader.auth0() == SW.UNKNOWN_INS

    def test_get_data_of_the_phones_own_stack(self) -> None:
        reader = ByHand(device()).select()
        command = CommandAPDU(0x00, 0xCA, 0x7F, 0x68, b"", 256)
        assert reader.ask(command).sw == SW.REFERENCE_NOT_FOUND
        assert reader.auth0() == SW.OK


class TestAuth0:
    def test_a_version_not_offered(self) -> None:
        reader = ByHand(device()).select()
        assert reader.auth0(replace(AUTH0, version=b"\0\x09")) == SW.CONDITIONS_NOT_SATISFIED
        closed(reader, Reason.NO_COMMON_VERSION)

    def test_a_group_not_known(self) -> None:
        reader = ByHand(device()).select()
        stranger = replace(AUTH0, reader_identifier=bytes(32))
        assert reader.auth0(stranger) == SW.FAILURE
        closed(reader, Reason.UNKNOWN_READER)

    def test_a_key_off_the_curve(self) -> None:
        reader = ByHand(device()).select()
        assert reader.auth0(replace(AUTH0, ephemeral=b"\4" + bytes(64))) == SW.NOT_COMPLIANT
        closed(reader, Reason.OFF_CURVE)

    @pytest.mark.parametrize("policy", AuthenticationPolicy)
    def test_the_holder_has_to_agree(self, policy: AuthenticationPolicy) -> None:
        asked: list[AuthenticationPolicy] = []

        def consents(policy: AuthenticationPolicy) -> bool:
            asked.append(policy)
            return policy is not AuthenticationPolicy.FORCE

        supplies = Supplies(fresh("device"), noise, consents=consents)
        reader = ByHand(UserDevice([credential()], supplies)).select()
        forced = policy is AuthenticationPolicy.FORCE
        sw = reader.auth0(replace(AUTH0, policy=policy))
        assert sw == (SW.SECURITY_STATUS if forced else SW.OK)
        assert asked == [policy]

    def test_noise_where_there_is_no_kpersistent(self) -> None:
        reader = ByHand(device()).select()
        assert reader.auth0(replace(AUTH0, fast=True)) == SW.OK
        assert reader.answer0.cryptogram == noise(64)
        assert reader.auth1() == SW.OK

    def test_a_fresh_ephemeral_key_each_time(self) -> None:
        reader = challenged()
        first = reader.answer0.ephemeral
        reader.select().auth0()
        assert reader.answer0.ephemeral != first

    def test_the_credential_of_the_group_and_no_other(self) -> None:
        other = ReaderIdentity(bytes(16), SUB_GROUP, key("other reader"))
        phone = device(credential(BOB, other), credential(ALICE))
        assert Door().tap(phone).proven.key == ALICE.public.point
        assert Door(other).tap(phone).proven.key == BOB.public.point

    def test_vendor_data_is_bound_and_not_looked_at(self) -> None:
        reader = ByHand(device()).select()
        assert reader.auth0(replace(AUTH0, vendor=b"\xff" * 9)) == SW.OK
        assert reader.auth1() == SW.OK


class TestTheReaderProvesItself:
    def test_with_another_key(self) -> None:
        reader = challenged()
        assert reader.auth1(BOB) == SW.SECURITY_STATUS
        closed(reader, Reason.BAD_SIGNATURE)

    def test_its_signature_is_not_ours(self) -> None:
        """What the device signs, sent back, is not what a reader signs."""
        reader = challenged()
        assert reader.transcript is not None
        signature = READER.key.sign(reader.transcript.signed_by_device)
        auth1 = Auth1(full_key=True, signature=signature)
        assert reader.ask(Ins.AUTH1.command(auth1.encode())).sw == SW.SECURITY_STATUS

    def test_a_certificate_that_is_none(self) -> None:
        phone = device(credential(reader=certified()))
        reader = challenged(phone, certified())
        assert reader.auth1(certificate=b"\x30\x00") == SW.FAILURE
        closed(reader, Reason.MALFORMED)

    def test_a_loaded_certificate_that_is_none_shows_at_auth1(self) -> None:
        reader = challenged(device(credential(reader=certified())), certified())
        assert reader.ask(Ins.LOAD_CERT.command(b"\x30\x00")) == ResponseAPDU(b"", SW.OK)
        assert reader.auth1() == SW.FAILURE

    def test_a_certificate_of_another_issuer(self) -> None:
        rogue = ReaderCertificate.issue(BOB, READER.key.public).encode()
        reader = challenged(device(credential(reader=certified())), certified())
        assert reader.auth1(certificate=rogue) == SW.SECURITY_STATUS
        closed(reader, Reason.BAD_CERTIFICATE)

    def test_a_certificate_out_of_date(self) -> None:
        old = ReaderCertificate.issue(ISSUER, READER.key.public, not_after=1_700_000_000)
        for now, sw in ((1_700_000_000, SW.OK), (1_700_000_001, SW.SECURITY_STATUS)):
            phone = device(credential(reader=certified()), now=now)
            reader = challenged(phone, certified())
            assert reader.auth1(certificate=old.encode()) == sw

    def test_a_certificate_and_somebody_elses_signature(self) -> None:
        reader = challenged(device(credential(reader=certified())), certified())
        assert reader.auth1(BOB, CERTIFICATE.encode()) == SW.SECURITY_STATUS

    def test_the_issuer_does_not_sign_for_a_reader_with_a_certificate(self) -> None:
        reader = challenged(device(credential(reader=certified())), certified())
        assert reader.auth1(ISSUER, CERTIFICATE.encode()) == SW.SECURITY_STATUS


class TestExchange:
    def test_what_does_not_open(self) -> None:
        reader = opened()
        assert reader.ask(Ins.EXCHANGE.command(bytes(20))).sw == SW.SECURITY_STATUS
        closed(reader, Reason.DECRYPTION_FAILED)

    def test_what_is_no_message(self) -> None:
        reader = opened()
        assert reader.channel is not None
        sealed = reader.channel.seal(b"\x97\x01\x01")
        assert reader.ask(Ins.EXCHANGE.command(sealed)).sw == SW.NOT_COMPLIANT
        closed(reader, Reason.WRONG_LENGTH)

    def test_an_empty_one(self) -> None:
        reader = opened()
        assert reader.exchange(Exchange()) == b"\0\2\0\0"
        assert reader.phone.ended is None

    def test_a_status_we_do_not_know(self) -> None:
        reader = opened()
        reader.exchange(Exchange(0x0042))
        assert status_heard(reader.phone) == 0x0042

    @pytest.mark.parametrize("end", ["status", "select"])
    def test_a_mailbox_session_that_was_not_ended(self, end: str) -> None:
        held = credential(mailbox=bytes(4))
        reader = opened(device(held))
        request = MailboxRequest((Write(0, b"ab"),), more=True)
        assert reader.exchange(Exchange(mailbox=request)) == b"\0\2\0\0"
        if end == "status":
            reader.exchange(Exchange(ReaderStatus.UNSECURED))
        reader.select()
        assert isinstance(held.mailbox, Mailbox)
        held.mailbox.apply(MailboxRequest(()))
        assert held.mailbox.content == bytes(4)

    def test_mailbox_and_status_in_one(self) -> None:
        held = credential(mailbox=b"abcd")
        reader = opened(device(held))
        said = Exchange(ReaderStatus.SECURED, MailboxRequest((Read(1, 2), Write(0, b"x"))))
        assert reader.exchange(said) == b"\0\2bc\0\2\0\0"
        assert status_heard(reader.phone) == ReaderStatus.SECURED
        assert isinstance(held.mailbox, Mailbox)
        assert held.mailbox.content == b"xbcd"

    @pytest.mark.parametrize("operation", [Read(4, 1), Write(5, b"")])
    def test_over_the_end_of_the_mailbox(self, operation: Operation) -> None:
        reader = opened(device(credential(mailbox=bytes(4))))
        request = MailboxRequest((operation,))
        assert reader.exchange(Exchange(mailbox=request)) == b"\0\2\xff\xff"
        closed(reader, Reason.WRONG_LENGTH)


class TestCredential:
    def test_what_it_offers(self) -> None:
        held = credential(mailbox=bytes(4))
        access = Signaling.MAILBOX_READABLE | Signaling.MAILBOX_WRITABLE
        assert held.offer == Offer(access)
        assert isinstance(held.mailbox, Mailbox)
        held.mailbox.apply(MailboxRequest((Write(0, b"x"),)))
        assert held.offer.signaling == access | Signaling.MAILBOX_USED
        held.mailbox = None
        held.revocation_signed = b"2026-11-01T00:00:00Z"
        held.signaling = Signaling.NOTIFY_APP
        found = held.offer
        assert found.signaling == Signaling.REVOCATION_DOCUMENT | Signaling.NOTIFY_APP
        assert found.revocation_signed == held.revocation_signed

    def test_one_kpersistent_for_each_reader(self) -> None:
        held = credential()
        for number in range(MAX_READERS + 2):
            held.remember(number.to_bytes(32, "big"), bytes(32))
        held.remember((2).to_bytes(32, "big"), b"1" * 32)
        held.remember(b"\xff" * 32, b"2" * 32)
        assert len(held.kpersistents) == MAX_READERS
        assert held.kpersistents[(2).to_bytes(32, "big")] == b"1" * 32
        assert (3).to_bytes(32, "big") not in held.kpersistents

    def test_misuse(self) -> None:
        with pytest.raises(ValueError, match="16 bytes"):
            Credential(ALICE, bytes(15), READER.key.public)
        with pytest.raises(ValueError, match="two credentials"):
            device(credential(ALICE), credential(BOB))


@QUICK
@given(
    st.lists(st.tuples(st.sampled_from([0x00, 0x80, 0x90]), st.sampled_from([*Ins, 0xA4, 0xC3]),
                       st.binary(max_size=160)), max_size=6),
    st.booleans(),
)  # fmt: skip
def test_any_reader_gets_an_answer_and_never_the_credential(
    commands: list[tuple[int, int, bytes]], begun: bool
) -> None:
    reader = challenged() if begun else ByHand(device()).select()
    for cla, ins, data in commands:
        answer = reader.card.receive(CommandAPDU(cla, ins, 0, 0, data, 256).encode())
        assert ALICE.public.x not in answer
        assert len(answer) >= 2
