"""The reader before every kind of device, and what it tells each of them in the end."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from shared.credential.aliro.certificate import ReaderCertificate
from shared.credential.aliro.endings import Cause, ReaderStatus
from shared.credential.aliro.identity import Certified, ReaderIdentity
from shared.credential.aliro.kpersistent import KpersistentStore
from shared.credential.aliro.mailbox import Read
from shared.credential.aliro.messages import EXPEDITED_AID, Ins, SelectAnswer, key_slot
from shared.credential.aliro.reader import Settings, Transaction
from shared.credential.errors import Misuse
from shared.credential.outcome import (
    Outcome,
    Reason,
    Refused,
)
from shared.credential.p256 import OwnKeys
from shared.credential.tlv import encode
from tests.shared.credential.aliro.ends import (
    ALICE,
    BOB,
    GROUP,
    ISSUER,
    LONG_CERTIFICATE,
    NOBODY,
    READER,
    SUB_GROUP,
    Door,
    altered,
    certified,
    control_flow_heard,
    credential,
    device,
    renamed,
    status_heard,
)
from tests.shared.credential.keys import key

SELECTED = SelectAnswer.of(EXPEDITED_AID, [b"\1\0"]).encode()
OK = b"\x90\x00"
POINT = key("device ephemeral").public.point


def played(
    transaction: Transaction, answers: Sequence[bytes]
) -> tuple[Outcome, list[bytes], list[bytes]]:
    """The outcome before a device that answers this, and what is said before and after it."""
    dialogue, said = transaction.authenticate(), []
    try:
        said.append(next(dialogue))
        for answer in answers:
            said.append(dialogue.send(answer))  # noqa: PERF401 - it ends by an exception
    except StopIteration as end:
        farewell = transaction.conclude(ReaderStatus.UNSECURED)
        return end.value, said, [] if farewell is None else [next(farewell)]
    raise AssertionError("no outcome")


def refusal(transaction: Transaction, *answers: bytes) -> tuple[Reason, str]:
    """Why, and the farewell: nothing, the hex of CONTROL FLOW, or EXCHANGE."""
    outcome, _, after = played(transaction, answers)
    assert isinstance(outcome, Refused)
    assert outcome.detail
    if not after:
        return outcome.reason, ""
    (command,) = after
    return outcome.reason, command[5:].hex() if command[1] == 0x3C else "EXCHANGE"


NO_INFORMATION = "410100420100"


class TestBeforeTheChannel:
    @pytest.mark.parametrize("sw", ["6A82", "6A81", "6A86", "6D00", "6E00", "6700"])
    def test_other_cards_are_left_to_other_standards(self, sw: str) -> None:
        found = refusal(Door().transaction(), bytes.fromhex(sw))
        assert found == (Reason.NOT_THIS_STANDARD, "")

    def test_an_application_that_cannot_be_selected_is_told_nothing(self) -> None:
        assert refusal(Door().transaction(), b"\x6f\x00") == (Reason.UNAVAILABLE, "")

    @pytest.mark.parametrize(
        ("answer", "reason", "said"),
        [
            (OK, Reason.MALFORMED, NO_INFORMATION),
            (b"\x6f\x00" + OK, Reason.MALFORMED, NO_INFORMATION),
            (SELECTED.replace(b"\x55\x01", b"\x55\x02") + OK, Reason.MALFORMED, NO_INFORMATION),
            (SELECTED.replace(b"\x01\x00", b"\x00\x09") + OK, Reason.NO_COMMON_VERSION,
             f"4101004201{Cause.NO_COMMON_VERSION:02x}"),
        ],
    )  # fmt: skip
    def test_select(self, answer: bytes, reason: Reason, said: str) -> None:
        assert refusal(Door().transaction(), answer) == (reason, said)

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (b"\x69\x82", Reason.CARD_ERROR),
            (b"\x69\x85", Reason.CARD_ERROR),
            (b"\x6d\x00", Reason.CARD_ERROR),
            (OK, Reason.MALFORMED),
            (b"", Reason.MALFORMED),
            (encode(0x86, POINT[:-1]) + OK, Reason.WRONG_LENGTH),
            (encode(0x86, b"\4" + bytes(64)) + OK, Reason.OFF_CURVE),
            (encode(0x86, POINT) + encode(0x9D, bytes(64)) + OK, Reason.MALFORMED),
        ],
    )
    def test_auth0(self, answer: bytes, reason: Reason) -> None:
        found = refusal(Door().transaction(), SELECTED + OK, answer)
        assert found == (reason, NO_INFORMATION)

    @pytest.mark.parametrize("sw", ["6400", "6A88", "6F00"])
    def test_a_device_that_has_no_credential_for_us_is_told_before_anybody_else_asks(
        self, sw: str
    ) -> None:
        answers = (SELECTED + OK, bytes.fromhex(sw), b"\x6d\x00")
        outcome, said, after = played(Door().transaction(), answers)
        assert outcome == Refused(Reason.UNKNOWN_READER)
        assert said[-1].hex() == "803c000006" + NO_INFORMATION
        assert after == []

    @pytest.mark.parametrize("sw", ["6400", "6A88", "6F00"])
    def test_later_the_same_status_is_a_failure(self, sw: str) -> None:
        answers = (SELECTED + OK, encode(0x86, POINT) + OK, bytes.fromhex(sw))
        assert refusal(Door().transaction(), *answers) == (Reason.CARD_ERROR, "EXCHANGE")

    def test_a_cryptogram_was_asked_for_and_is_missing(self) -> None:
        door = Door()
        door.store.remember(ALICE.public, bytes(32))
        found = refusal(door.transaction(), SELECTED + OK, encode(0x86, POINT) + OK)
        assert found == (Reason.MALFORMED, NO_INFORMATION)

    def test_a_certificate_that_is_not_taken(self) -> None:
        answers = (SELECTED + OK, encode(0x86, POINT) + OK, b"\x6d\x00")
        found = refusal(Door(certified()).transaction(), *answers)
        assert found == (Reason.CARD_ERROR, NO_INFORMATION)

    def test_a_reader_set_to_end_after_a_cryptogram_of_nobody(self) -> None:
        phone, door = device(), Door(settings=Settings(fall_back=False))
        door.store.remember(BOB.public, bytes(32))
        tap = door.tap(phone)
        assert tap.refused is Reason.DECRYPTION_FAILED
        assert control_flow_heard(phone).cause == Cause.NO_INFORMATION


class TestAuth1:
    @pytest.mark.parametrize("answer", [b"\x69\x82", b"\x64\x00", OK, bytes(200) + OK, b"\x90"])
    def test_refused_or_unreadable(self, answer: bytes) -> None:
        answers = (SELECTED + OK, encode(0x86, POINT) + OK, answer)
        reason, said = refusal(Door().transaction(), *answers)
        assert reason in (Reason.CARD_ERROR, Reason.DECRYPTION_FAILED, Reason.MALFORMED)
        assert said == "EXCHANGE"

    @pytest.mark.parametrize(
        ("change", "reason", "status"),
        [
            (lambda _: b"", Reason.MALFORMED, ReaderStatus.INVALID_FORMAT),
            (lambda _: b"\x5a\x41", Reason.MALFORMED, ReaderStatus.INVALID_CONTENT),
            (lambda data: data + b"\0", Reason.MALFORMED, ReaderStatus.INVALID_CONTENT),
            (renamed(0x5E), Reason.MALFORMED, ReaderStatus.INVALID_FORMAT),
            (renamed(0x5A), Reason.MALFORMED, ReaderStatus.INVALID_FORMAT),
            (lambda data: encode(0x4E, bytes(8)) + data[67:], Reason.MALFORMED,
             ReaderStatus.INVALID_FORMAT),
            (lambda data: encode(0x5A, b"\4" + bytes(64)) + data[67:], Reason.OFF_CURVE,
             ReaderStatus.INVALID_FORMAT),
            (lambda data: encode(0x5A, BOB.public.point) + data[67:], Reason.BAD_SIGNATURE,
             ReaderStatus.SIGNATURE_INVALID),
            (lambda data: encode(0x5A, READER.key.public.point) + data[67:], Reason.OWN_KEY,
             ReaderStatus.SIGNATURE_INVALID),
        ],
    )  # fmt: skip
    def test_what_is_inside(self, change: object, reason: Reason, status: ReaderStatus) -> None:
        phone = altered(auth1=change)  # type: ignore[arg-type]
        tap = Door(own_keys=OwnKeys([READER.key.public])).tap(phone)
        assert tap.refused is reason
        assert status_heard(phone) == status

    def test_a_slot_of_nobody(self) -> None:
        phone = device()
        tap = Door(by_slot=lambda _: None).tap(phone)
        assert tap.refused is Reason.UNKNOWN_KEY
        assert status_heard(phone) == ReaderStatus.KEY_NOT_FOUND

    def test_a_slot_that_another_credential_shares(self) -> None:
        """A short name can be met by chance or on purpose; the signature cannot."""
        phone = device()
        tap = Door(by_slot={key_slot(ALICE.public): BOB.public}.get).tap(phone)
        assert tap.refused is Reason.BAD_SIGNATURE

    def test_a_whole_key_where_a_slot_was_asked_for(self) -> None:
        whole = encode(0x5A, ALICE.public.point)
        phone = altered(auth1=lambda data: whole + data[10:])
        tap = Door(by_slot={key_slot(ALICE.public): ALICE.public}.get).tap(phone)
        assert tap.refused is Reason.MALFORMED
        assert status_heard(phone) == ReaderStatus.INVALID_FORMAT

    def test_vendor_data_of_the_device_is_bound_into_the_keys(self) -> None:
        """This device says it and does not derive with it."""
        phone = altered(auth0=lambda data: data + encode(0xB2, b"vendor"))
        assert Door().tap(phone).refused is Reason.DECRYPTION_FAILED


class TestMisuse:
    def test_one_transaction_authenticates_once(self) -> None:
        transaction = Door().transaction()
        transaction.authenticate()
        with pytest.raises(Misuse):
            transaction.authenticate()

    def test_no_mailbox_without_a_proof(self) -> None:
        with pytest.raises(Misuse):
            Door().transaction().mailbox(Read(0, 1))

    @pytest.mark.parametrize("size", [0, 15, 17, 32])
    def test_our_number_has_16_bytes(self, size: int) -> None:
        with pytest.raises(ValueError, match="16 random bytes"):
            Transaction(READER, key("x"), bytes(size), own_keys=NOBODY, store=KpersistentStore())

    @pytest.mark.parametrize(("group", "sub"), [(bytes(15), SUB_GROUP), (GROUP, bytes(17))])
    def test_identifiers_have_16_bytes(self, group: bytes, sub: bytes) -> None:
        with pytest.raises(ValueError, match="16 bytes"):
            ReaderIdentity(group, sub, READER.key)

    def test_a_certificate_is_the_readers_own_and_good(self) -> None:
        other = ReaderCertificate.issue(ISSUER, BOB.public)
        with pytest.raises(ValueError, match="another reader"):
            certified(other)
        rogue = ReaderCertificate.issue(BOB, READER.key.public)
        with pytest.raises(ValueError, match="not signed"):
            ReaderIdentity(GROUP, SUB_GROUP, READER.key, Certified(ISSUER.public, rogue))


class TestLength:
    @pytest.mark.parametrize(
        ("lengths", "extended", "commands"),
        [(None, True, 2), ((1024, 1024), False, 2), ((200, 200), True, 2), ((300, 300), True, 2),
         ((1024, 1024), True, 1)],
    )  # fmt: skip
    def test_extended_only_where_both_ends_take_it(
        self, lengths: tuple[int, int] | None, extended: bool, commands: int
    ) -> None:
        identity = certified(LONG_CERTIFICATE)
        settings = Settings(certificate_in_auth1=True, extended_length=extended)
        phone = device(credential(reader=identity), lengths=lengths)
        tap = Door(identity, settings).tap(phone)
        assert tap.names.count("AUTH1") == commands
        assert status_heard(phone) == ReaderStatus.UNSECURED
        assert {each.le for each in tap.said if each.ins != Ins.AUTH1} == {256}
        limit = lengths[0] if lengths and extended and commands == 1 else 1024
        assert all(len(each.encode()) <= limit for each in tap.said)


def test_the_detail_repeats_nothing_of_the_device() -> None:
    tap = Door().tap(altered(auth1=lambda data: encode(0x5A, BOB.public.point) + data[67:]))
    assert isinstance(tap.outcome, Refused)
    assert BOB.public.point.hex()[:8] not in tap.outcome.detail
