"""The rows of the public reader certification that concern the step-up phase over NFC.

Each test has the name of its row. In each the device wants its step-up application selected, the
first transaction is a standard one, and what counts is the high byte of the reader status. The
documents are of our own making; `tests/vectors/aliro/documents` has those of somebody else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.credential.aliro.documents.access_data import AccessData, AccessRule, Capability
from shared.credential.aliro.documents.issuers import issuer_id
from shared.credential.aliro.documents.messages import Document
from shared.credential.aliro.documents.recurrence import Pattern, Recurrence, Schedule
from shared.credential.aliro.documents.revocation import (
    Entry,
    Mode,
    RevocationData,
    credential_hash,
)
from shared.credential.aliro.documents.verification import Policy
from shared.credential.aliro.endings import ReaderStatus
from shared.credential.aliro.reader import Settings
from shared.credential.outcome import Reason
from tests.shared.credential.aliro.documents.certificates import (
    certificate,
    with_empty_key,
    with_raw_signature,
)
from tests.shared.credential.aliro.documents.door import STEP_UP, Careless, DocumentDoor, Phone
from tests.shared.credential.aliro.documents.ends import (
    CERTIFIED_ISSUER,
    FLOOR,
    ISSUER,
    NOW,
    VALIDITY,
    access,
    dated,
    resigned,
    revocation,
)
from tests.shared.credential.aliro.ends import ALICE, BOB, FAST
from tests.shared.credential.keys import key

UNSECURE = Capability.UNSECURE
STANDARD_ONLY = Settings(fast=False)
DAY = 24 * 3600
# Working days from eight to eighteen, since Monday, 2 November 2026.
OFFICE_HOURS = Schedule(
    1_793_606_400, None, Recurrence(10 * 3600, 0x1F, Pattern.WEEKLY), is_utc=True
)
NEVER = Schedule(NOW - 200, NOW - 100, is_utc=True)


def rules(*found: AccessRule, schedules: tuple[Schedule, ...] = ()) -> Document:
    return access(AccessData(b"badge-01", found, schedules))


def certified(der: bytes, *, with_key_id: bool = False) -> Document:
    return access(issuer=CERTIFIED_ISSUER, certificate=der, with_key_id=with_key_id)


class TestAccessDocument:
    def test_nfc_rdr_stepup_ad_key_id(self) -> None:
        phone, door = Phone(access()), DocumentDoor()
        tap = door.visit(phone)
        assert tap.names == STEP_UP
        assert tap.proven.key == ALICE.public.point
        assert tap.proven.issuer == issuer_id(ISSUER.public).hex()
        assert phone.status == ReaderStatus.UNSECURED

    @pytest.mark.parametrize("der", [certificate(), with_raw_signature(certificate())])
    def test_nfc_rdr_stepup_ad_issuer_cert(self, der: bytes) -> None:
        phone = Phone(certified(der))
        tap = DocumentDoor().visit(phone)
        assert tap.proven.issuer == issuer_id(CERTIFIED_ISSUER.public).hex()
        assert phone.is_admitted

    def test_nfc_rdr_stepup_ad_issuer_cert_key_id(self) -> None:
        DocumentDoor().admits(Phone(certified(certificate(), with_key_id=True)))

    def test_nfc_rdr_stepup_ad_access_rule(self) -> None:
        DocumentDoor().admits(Phone(rules(AccessRule(UNSECURE))))

    def test_nfc_rdr_stepup_ad_access_rule_schedules(self) -> None:
        DocumentDoor().admits(Phone(rules(AccessRule(UNSECURE, 1), schedules=(OFFICE_HOURS,))))

    def test_nfc_rdr_stepup_ad_same_doc_twice(self) -> None:
        phone, door = Phone(access()), DocumentDoor(settings=STANDARD_ONLY)
        door.admits(phone)
        assert door.visit(phone).names == STEP_UP
        assert phone.is_admitted

    def test_nfc_rdr_stepup_ad_unknown_non_access_extension(self) -> None:
        DocumentDoor().admits(Phone(access({0: 1, 5: {0xABCDEF: [[1, 1, {"any": 1.5}]]}})))

    def test_nfc_rdr_stepup_ad_unknown_non_critical_access_extension(self) -> None:
        DocumentDoor().admits(Phone(access({0: 1, 6: {0xABCDEF: [[1, 1, 1, b"any"]]}})))


class TestRevocationDocument:
    def test_nfc_rdr_stepup_rd(self) -> None:
        """Six iterations: the status follows the list that comes of them."""
        alice, bob = (Entry(credential_hash(each.public)) for each in (ALICE, BOB))
        change, overwrite = Mode.CHANGE, Mode.OVERWRITE
        iterations = [
            (RevocationData(overwrite, (bob,)), True),
            (RevocationData(change, (alice,)), False),
            (RevocationData(change, (), (alice,)), True),
            (RevocationData(overwrite, (alice,)), False),
            (RevocationData(change, (alice,), (alice,)), True),  # in both: it is removed
            (RevocationData(overwrite), True),
        ]
        door = DocumentDoor(access=(), revocation=(FLOOR,), settings=STANDARD_ONLY)
        phone = Phone()
        for number, (data, is_admitted) in enumerate(iterations, 1):
            door.visit(phone.carry(revocation(data, number)))
            assert phone.is_admitted is is_admitted
        bobs = Phone(revocation(RevocationData(change, (bob,)), 7), who=BOB)
        assert door.refuses(bobs) is Reason.CREDENTIAL_REVOKED

    def test_nfc_rdr_neg_stepup_rd_invalid_element_version(self) -> None:
        """And nothing comes of what it says."""
        entry = {0: credential_hash(BOB.public)}
        phone = Phone(revocation({0: 42, 1: 0, 2: [entry]}))
        door = DocumentDoor(access=(), revocation=(FLOOR,))
        assert door.refuses(phone) is Reason.BAD_DATA_ELEMENT
        assert len(door.memory.revocations) == 0


class TestFast:
    def test_nfc_rdr_stepup_fast(self) -> None:
        door, alices = DocumentDoor(), Phone(dated(iteration=1))
        bobs = Phone(access(holder=BOB.public, validity=replace(VALIDITY, iteration=8)), who=BOB)
        for phone in (alices, bobs):
            assert door.visit(phone).names[-3:] == STEP_UP[-3:]
            assert phone.is_admitted
        for phone in (alices, bobs):  # seven behind is not too many
            tap = door.visit(phone)
            assert tap.names == FAST
            assert tap.proven.issuer == issuer_id(ISSUER.public).hex()
            assert phone.is_admitted

    def test_nfc_rdr_stepup_fast_kpersistent_removed(self) -> None:
        door, alices = DocumentDoor(), Phone(dated(iteration=1))
        bobs = Phone(access(holder=BOB.public, validity=replace(VALIDITY, iteration=9)), who=BOB)
        door.admits(alices)
        door.admits(bobs)
        remembered = [credential for credential, _ in door.memory.kpersistents]
        assert remembered == [BOB.public]
        assert door.memory.documents.find(ALICE.public) is None
        tap = door.visit(alices)
        assert "AUTH1" in tap.names
        assert tap.refused is Reason.DOCUMENT_SUPERSEDED
        assert not alices.is_admitted


class TestRefused:
    @pytest.mark.parametrize(
        ("document", "reason", "status"),
        [
            pytest.param(
                access(holder=BOB.public),
                Reason.OTHER_HOLDER,
                ReaderStatus.INVALID_CONTENT,
                id="nfc_rdr_neg_stepup_ad_device_key_info_mismatch",
            ),
            pytest.param(
                resigned(lambda said: said.update({"5": "aliro-x"})),
                Reason.WRONG_DOCUMENT,
                ReaderStatus.INVALID_CONTENT,
                id="nfc_rdr_neg_stepup_ad_issuer_doctype_mismatch",
            ),
            pytest.param(
                dated(valid_from=NOW + DAY),
                Reason.DOCUMENT_NOT_YET_VALID,
                ReaderStatus.KEY_EXPIRED,
                id="nfc_rdr_neg_stepup_ad_early_issuer_auth",
            ),
            pytest.param(
                dated(valid_until=NOW - DAY),
                Reason.DOCUMENT_EXPIRED,
                ReaderStatus.KEY_EXPIRED,
                id="nfc_rdr_neg_stepup_ad_expired_issuer_auth",
            ),
            pytest.param(
                access({0: 2}),
                Reason.BAD_DATA_ELEMENT,
                ReaderStatus.INVALID_CONTENT,
                id="nfc_rdr_neg_stepup_ad_invalid_access_data_element_version",
            ),
            pytest.param(
                resigned(lambda said: said["3"]["aliro-a"].update({1: bytes(32)})),
                Reason.DIGEST_MISMATCH,
                ReaderStatus.INVALID_CONTENT,
                id="nfc_rdr_neg_stepup_ad_invalid_hash_issuer_auth",
            ),
            pytest.param(
                resigned(lambda said: None, key("a stranger")),
                Reason.BAD_SIGNATURE,
                ReaderStatus.INVALID_CONTENT,
                id="nfc_rdr_neg_stepup_ad_invalid_signature_issuer_auth",
            ),
            pytest.param(
                certified(certificate(until=NOW - 60)),
                Reason.CERTIFICATE_EXPIRED,
                ReaderStatus.KEY_EXPIRED,
                id="nfc_rdr_neg_stepup_ad_issuer_cert_expired",
            ),
            pytest.param(
                certified(certificate(authority=key("another authority"))),
                Reason.UNKNOWN_ISSUER,
                ReaderStatus.KEY_NOT_TRUSTED,
                id="nfc_rdr_neg_stepup_ad_issuer_cert_invalid_signature",
            ),
            pytest.param(
                certified(with_empty_key(certificate())),
                Reason.BAD_CERTIFICATE,
                ReaderStatus.KEY_NOT_TRUSTED,
                id="nfc_rdr_neg_stepup_ad_issuer_cert_empty_public_key",
            ),
            pytest.param(
                certified(certificate(since=NOW - 60)),
                Reason.CERTIFICATE_EXPIRED,
                ReaderStatus.KEY_EXPIRED,
                id="nfc_rdr_neg_stepup_ad_issuer_certificate_time_mismatch",
            ),
            pytest.param(
                access(with_key_id=False),
                Reason.UNKNOWN_ISSUER,
                ReaderStatus.KEY_NOT_TRUSTED,
                id="nfc_rdr_neg_stepup_ad_no_issuer_cert_no_key_id",
            ),
            pytest.param(
                rules(AccessRule(0x3F & ~UNSECURE)),
                Reason.NO_ACCESS_RULE,
                ReaderStatus.NO_ACCESS,
                id="nfc_rdr_neg_stepup_ad_no_access_rule_for_reader_action",
            ),
            pytest.param(
                access(elements={}),
                Reason.NO_DATA_ELEMENT,
                ReaderStatus.NO_ACCESS,
                id="nfc_rdr_neg_stepup_ad_no_data_elements",
            ),
            pytest.param(
                rules(AccessRule(UNSECURE, 1), schedules=(NEVER,)),
                Reason.OUTSIDE_SCHEDULE,
                ReaderStatus.NO_ACCESS,
                id="nfc_rdr_neg_stepup_ad_no_valid_schedule_allow_scheduleid",
            ),
            pytest.param(
                rules(AccessRule(UNSECURE, 0, 1), schedules=(OFFICE_HOURS,)),
                Reason.OUTSIDE_SCHEDULE,
                ReaderStatus.NO_ACCESS,
                id="nfc_rdr_neg_stepup_ad_valid_schedule_deny_scheduleid",
            ),
            pytest.param(
                access({0: 1, 6: {0xABCDEF: [[0, 1, 1, b"any"]]}}),
                Reason.UNKNOWN_EXTENSION,
                ReaderStatus.NO_ACCESS,
                id="nfc_rdr_neg_stepup_ad_unknown_critical_access_extension",
            ),
            pytest.param(
                access(AccessData(reader_rules=(0x1234,))),
                Reason.UNKNOWN_READER_RULE,
                ReaderStatus.NO_ACCESS,
                id="nfc_rdr_neg_stepup_ad_unknown_reader_rule",
            ),
        ],
    )
    def test_row(self, document: Document, reason: Reason, status: ReaderStatus) -> None:
        phone, door = Phone(document), DocumentDoor()
        assert door.refuses(phone) is reason
        assert phone.status == status
        assert len(door.memory.kpersistents) == len(door.memory.documents) == 0

    @pytest.mark.parametrize("kind", ["aliro-x", "aliro-r"])
    def test_nfc_rdr_neg_stepup_ad_doctype_not_aliroa(self, kind: str) -> None:
        """It is served as what it is not asked for, which takes a device of its own."""
        phone = Phone(access(), kind=Careless)
        phone.credential.documents = (replace(access(), kind=kind),)
        assert DocumentDoor().refuses(phone) is Reason.WRONG_DOCUMENT

    def test_nfc_rdr_neg_stepup_ad_validity_iteration(self) -> None:
        door, phone = DocumentDoor(settings=STANDARD_ONLY), Phone()
        expected = [(1, None), (9, None), (3, None), (1, Reason.DOCUMENT_SUPERSEDED)]
        for iteration, reason in expected:
            phone.carry(dated(iteration=iteration))
            if reason is None:
                door.admits(phone)
            else:
                assert door.refuses(phone) is reason


class TestWithoutAClock:
    """Rows for readers that do not claim time or schedules: ours, when its clock is not trusted."""

    LENIENT = Policy(clock_required=False)

    def test_nfc_rdr_neg_stepup_ad_schedule_in_access_rule_and_reader(self) -> None:
        door = DocumentDoor(policy=self.LENIENT, moment=None)
        scheduled = rules(AccessRule(UNSECURE, 1), schedules=(OFFICE_HOURS,))
        assert door.refuses(Phone(scheduled)) is Reason.NO_CLOCK
        door.admits(Phone(rules(AccessRule(UNSECURE))))

    @pytest.mark.parametrize("schedules", [(), (OFFICE_HOURS,)])
    def test_nfc_rdr_neg_stepup_ad_schedule_time_verify_required(self, schedules: Any) -> None:
        rule = AccessRule(UNSECURE, 1 if schedules else 0)
        data = AccessData(rules=(rule,), schedules=schedules)
        document = access(data, validity=replace(VALIDITY, time_required=True))
        door = DocumentDoor(policy=self.LENIENT, moment=None)
        assert door.refuses(Phone(document)) is Reason.NO_CLOCK

    def test_nfc_rdr_neg_stepup_ad_time_verification_required(self) -> None:
        door = DocumentDoor(policy=self.LENIENT, moment=None)
        assert door.refuses(Phone(dated(time_required=True))) is Reason.NO_CLOCK
        door.admits(Phone(dated(time_required=False)))
