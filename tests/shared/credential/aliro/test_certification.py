"""The rows of the public reader certification that concern the expedited phase over NFC.

Each test has the name of its row, and judges as the certification does: by the high byte of the
reader status, and by what the reader may and may not say before it.
"""

from __future__ import annotations

import pytest

from shared.credential.aliro.endings import Cause, ControlFlow, Descriptor, ReaderStatus
from shared.credential.aliro.holder import UserDevice
from shared.credential.aliro.kpersistent import KpersistentStore
from shared.credential.aliro.mailbox import Mailbox, Read, Set, Write
from shared.credential.aliro.messages import Auth0, key_slot
from shared.credential.aliro.reader import Settings
from shared.credential.card import Card
from shared.credential.outcome import Reason
from tests.shared.credential.aliro.ends import (
    ALICE,
    FAST,
    ISSUER,
    LONG_CERTIFICATE,
    STANDARD,
    Door,
    Tap,
    altered,
    certified,
    control_flow_heard,
    credential,
    device,
    renamed,
    status_heard,
    with_extra_tag,
)
from tests.shared.credential.keys import key

DESCRIPTOR = Descriptor(b"\xd0\x0e\x01", b"Doorward", b"0.1.0")


def certified_phone(lengths: tuple[int, int] | None = None) -> UserDevice:
    held = credential(reader=certified())
    assert held.group_key == ISSUER.public
    return device(held, lengths=lengths, now=1_800_000_000)


class TestStandard:
    def test_nfc_rdr_standard_no_cert(self) -> None:
        phone = device()
        tap = Door().tap(phone)
        assert tap.names == STANDARD
        assert tap.proven.key == ALICE.public.point
        assert status_heard(phone) == ReaderStatus.UNSECURED

    def test_nfc_rdr_standard_no_cert_by_key_slot(self) -> None:
        phone = device()
        tap = Door(by_slot={key_slot(ALICE.public): ALICE.public}.get).tap(phone)
        assert len(tap.answered[2].encode()) == 98
        assert tap.proven.key == ALICE.public.point
        assert status_heard(phone) == ReaderStatus.UNSECURED

    def test_nfc_rdr_standard_cert_in_load_cert_no_chaining(self) -> None:
        phone = certified_phone()
        tap = Door(certified()).tap(phone)
        assert tap.names == ["SELECT", "AUTH0", "LOAD CERT", "AUTH1", "EXCHANGE"]
        assert tap.proven.key == ALICE.public.point
        assert status_heard(phone) == ReaderStatus.UNSECURED

    def test_nfc_rdr_standard_cert_in_load_cert_with_chaining(self) -> None:
        phone = certified_phone()
        tap = Door(certified(LONG_CERTIFICATE)).tap(phone)
        assert tap.names == ["SELECT", "AUTH0", "LOAD CERT", "LOAD CERT", "AUTH1", "EXCHANGE"]
        assert [each.cla for each in tap.said[2:4]] == [0x90, 0x80]
        assert status_heard(phone) == ReaderStatus.UNSECURED

    @pytest.mark.parametrize("lengths", [None, (1024, 1024)])
    def test_nfc_rdr_standard_cert_in_auth1_no_chaining(
        self, lengths: tuple[int, int] | None
    ) -> None:
        phone = certified_phone(lengths)
        settings = Settings(certificate_in_auth1=True, extended_length=lengths is not None)
        identity = certified(LONG_CERTIFICATE) if lengths else certified()
        tap = Door(identity, settings).tap(phone)
        assert tap.names == STANDARD
        assert len(tap.said[2].data) > (255 if lengths else 200)
        assert tap.said[2].le == (65536 if lengths else 256)
        assert status_heard(phone) == ReaderStatus.UNSECURED

    def test_nfc_rdr_standard_cert_in_auth1_with_chaining(self) -> None:
        phone = certified_phone()
        tap = Door(certified(LONG_CERTIFICATE), Settings(certificate_in_auth1=True)).tap(phone)
        assert tap.names == ["SELECT", "AUTH0", "AUTH1", "AUTH1", "EXCHANGE"]
        assert status_heard(phone) == ReaderStatus.UNSECURED


class TestFast:
    def test_nfc_rdr_fast(self) -> None:
        door, phone = Door(), device()
        first, second = door.tap(phone), door.tap(phone)
        assert (first.names, second.names) == (STANDARD, FAST)
        assert not Auth0.decode(first.said[1].data).fast
        assert Auth0.decode(second.said[1].data).fast
        assert second.proven == first.proven
        assert status_heard(phone) == ReaderStatus.UNSECURED

    def test_nfc_rdr_fast_with_a_certified_reader(self) -> None:
        """Nothing is signed, and still the issuer's key opens the salt."""
        door, phone = Door(certified()), certified_phone()
        door.tap(phone)
        assert door.tap(phone).names == FAST

    def test_nfc_rdr_fast_kpersistent_cache_max(self) -> None:
        door = Door(store=KpersistentStore(4))
        phones = [device(credential(key(f"person {number}"))) for number in range(5)]
        for phone in phones:
            assert door.tap(phone).names[-2:] == ["AUTH1", "EXCHANGE"]
        assert len(door.store) == 4
        assert door.tap(phones[4]).names == FAST
        assert door.tap(phones[1]).names == FAST
        # The first one has given up its place; it is let in all the same, and is fast after that.
        assert door.tap(phones[0]).names == STANDARD
        assert door.tap(phones[0]).names == FAST


class TestExchange:
    def test_nfc_rdr_exchange_mailbox(self) -> None:
        held = credential(mailbox=b"0123456789")
        phone, door = device(held), Door()
        tap, transaction = Tap(Card([phone])), door.transaction()
        tap.outcome = tap.run(transaction.authenticate())
        assert tap.proven.key == ALICE.public.point
        assert tap.run(transaction.mailbox(Read(0, 4), Write(0, b"ab"))) == (b"0123",)
        assert tap.run(transaction.mailbox(Set(2, 2, 0x2A), more=True)) == ()
        assert tap.run(transaction.mailbox(Write(9, b"!"), Read(2, 2))) == (b"23",)
        farewell = transaction.conclude(ReaderStatus.UNSECURED)
        assert farewell is not None
        tap.run(farewell)
        assert tap.names == [*STANDARD[:3], *["EXCHANGE"] * 4]
        assert status_heard(phone) == ReaderStatus.UNSECURED
        assert isinstance(held.mailbox, Mailbox)
        assert held.mailbox.content == b"ab**45678!"

    def test_nfc_rdr_exchange_rdr_descriptor_tag(self) -> None:
        phone = altered(auth1=with_extra_tag)
        tap = Door(settings=Settings(descriptor=DESCRIPTOR)).tap(phone)
        assert tap.said[2].data[:3] == bytes.fromhex("410101")
        assert tap.proven.key == ALICE.public.point
        assert status_heard(phone) == ReaderStatus.UNSECURED
        assert getattr(phone.ended, "descriptor", None) == DESCRIPTOR

    def test_nfc_rdr_control_flow_rdr_descriptor_tag(self) -> None:
        phone = altered(auth0=renamed(0x86))
        tap = Door(settings=Settings(descriptor=DESCRIPTOR)).tap(phone)
        assert tap.names == ["SELECT", "AUTH0", "CONTROL FLOW"]
        assert control_flow_heard(phone) == ControlFlow(0, DESCRIPTOR)


class TestNegative:
    def test_nfc_rdr_neg_sel_rsp_no_common_expedited_protocol_version(self) -> None:
        phone = device(versions=[b"\0\x09", b"\2\0"])
        tap = Door().tap(phone)
        assert tap.refused is Reason.NO_COMMON_VERSION
        assert tap.names == ["SELECT", "CONTROL FLOW"]
        assert control_flow_heard(phone) == ControlFlow(Cause.NO_COMMON_VERSION)

    def test_nfc_rdr_neg_auth0_extra_tag(self) -> None:
        phone = altered(auth0=with_extra_tag)
        assert Door().tap(phone).proven.key == ALICE.public.point
        assert status_heard(phone) == ReaderStatus.UNSECURED

    def test_nfc_rdr_neg_auth0_wrong_value(self) -> None:
        phone = altered(auth0=renamed(0x86))
        tap = Door().tap(phone)
        assert tap.refused is Reason.MALFORMED
        assert control_flow_heard(phone) == ControlFlow(Cause.NO_INFORMATION)

    def test_nfc_rdr_neg_auth1_extra_tag(self) -> None:
        phone = altered(auth1=with_extra_tag)
        assert Door().tap(phone).proven.key == ALICE.public.point
        assert status_heard(phone) == ReaderStatus.UNSECURED

    def test_nfc_rdr_neg_auth1_wrong_ud_signature(self) -> None:
        phone = altered(auth1=lambda data: data[:-5] + bytes((data[-5] ^ 0xFF,)) + data[-4:])
        tap = Door().tap(phone)
        assert tap.refused is Reason.BAD_SIGNATURE
        assert status_heard(phone) == ReaderStatus.SIGNATURE_INVALID

    def test_nfc_rdr_neg_auth1_wrong_values(self) -> None:
        phone = altered(auth1=renamed(0x9E))
        tap = Door().tap(phone)
        assert tap.refused is Reason.MALFORMED
        assert tap.names == STANDARD
        assert status_heard(phone) == ReaderStatus.INVALID_FORMAT


class TestWhatStepUpCasesAskOfThisPhase:
    """They fail a reader whose AUTH0 asks for the fast phase where it knows nobody, or ever."""

    def test_never_fast_where_it_is_switched_off(self) -> None:
        door, phone = Door(settings=Settings(fast=False)), device()
        for _ in range(3):
            assert door.tap(phone).names == STANDARD
        assert len(door.store) == 0

    def test_not_fast_where_nobody_is_known(self) -> None:
        door = Door()
        assert not Auth0.decode(door.tap(device()).said[1].data).fast
