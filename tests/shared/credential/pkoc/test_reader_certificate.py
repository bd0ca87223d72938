"""Certificates of readers, as a phone meets them: first contact, again, out of date, taken back."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.credential.errors import RuleBroken
from shared.credential.outcome import Outcome, Proven, Reason, Refused
from shared.credential.p256 import PublicKey
from shared.credential.pkoc import ble_holder, ble_reader
from shared.credential.pkoc.ble_messages import Status
from shared.credential.pkoc.identity import Keyring, KnownReader, ReaderIdentity
from shared.credential.pkoc.reader_certificate import (
    MAX_PINS,
    MAX_REVOKED,
    Issuers,
    ReaderCertificate,
    RevocationList,
)
from shared.credential.session import Finished, Send
from tests.shared.credential.keys import LOCATION, QUICK, SITE, key
from tests.shared.credential.parsing import attempt, feed_prefixes, feed_trailing
from tests.shared.credential.pkoc.ends import ALICE, NOBODY, READER

ISSUER = key("issuer")
KEY = READER.key.public
OTHER = bytes(15) + b"\x07"
CERTIFICATE = ReaderCertificate.issue(
    ISSUER, site=SITE, location=LOCATION, key=KEY, not_before=100, not_after=200
)
ALWAYS = ReaderCertificate.issue(ISSUER, site=SITE, location=LOCATION, key=KEY)
LIST = RevocationList.issue(ISSUER, site=SITE, issued=5, revoked=((OTHER, 3), (LOCATION, 4)))


def trusting() -> Issuers:
    return Issuers({SITE: ISSUER.public})


def judged(
    issuers: Issuers,
    certificate: ReaderCertificate = CERTIFICATE,
    *,
    location: bytes = LOCATION,
    at: int | None = 150,
) -> PublicKey | Reason:
    try:
        return issuers.reader_key(certificate.encode(), SITE, location, at=at)
    except RuleBroken as broken:
        return broken.reason


class TestLayout:
    def test_what_is_issued_is_read(self) -> None:
        assert len(CERTIFICATE.encode()) == 138
        assert ReaderCertificate.decode(CERTIFICATE.encode()) == CERTIFICATE
        assert RevocationList.decode(LIST.encode()) == LIST

    def test_byte_by_byte_and_trailing(self) -> None:
        feed_prefixes(ReaderCertificate.decode, CERTIFICATE.encode())
        feed_trailing(ReaderCertificate.decode, CERTIFICATE.encode())
        feed_prefixes(RevocationList.decode, LIST.encode())
        feed_trailing(RevocationList.decode, LIST.encode())

    @QUICK
    @given(st.binary(max_size=300) | st.binary(min_size=138, max_size=138))
    def test_any_bytes(self, data: bytes) -> None:
        attempt(ReaderCertificate.decode, data)
        attempt(RevocationList.decode, data)

    def test_another_version(self) -> None:
        with pytest.raises(RuleBroken, match="version"):
            ReaderCertificate.decode(b"\x02" + CERTIFICATE.encode()[1:])
        with pytest.raises(RuleBroken, match="version"):
            RevocationList.decode(b"\x02" + LIST.encode()[1:])

    def test_what_no_certificate_can_say_is_our_own_fault(self) -> None:
        with pytest.raises(ValueError, match="no moment"):
            ReaderCertificate.issue(
                ISSUER, site=SITE, location=LOCATION, key=KEY, not_before=9, not_after=8
            )
        with pytest.raises(ValueError, match="16 bytes"):
            ReaderCertificate.issue(ISSUER, site=b"", location=LOCATION, key=KEY)
        many = ((LOCATION, 1),) * (MAX_REVOKED + 1)
        with pytest.raises(ValueError, match="at most"):
            RevocationList.issue(ISSUER, site=SITE, issued=1, revoked=many)


class TestJudging:
    def test_it_gives_the_readers_key(self) -> None:
        assert judged(trusting()) == KEY

    @pytest.mark.parametrize(("at", "good"), [(99, False), (100, True), (200, True), (201, False)])
    def test_its_dates_are_included(self, at: int, *, good: bool) -> None:
        assert judged(trusting(), at=at) == (KEY if good else Reason.CERTIFICATE_EXPIRED)

    def test_without_a_clock_only_open_dates_hold(self) -> None:
        assert judged(trusting(), at=None) is Reason.NO_CLOCK
        assert judged(trusting(), ALWAYS, at=None) == KEY
        assert judged(trusting(), ALWAYS, at=2**33) == KEY

    def test_of_another_reader_also_when_it_is_remembered(self) -> None:
        issuers = trusting()
        assert judged(issuers, location=OTHER) is Reason.BAD_CERTIFICATE
        assert judged(issuers) == KEY
        assert judged(issuers, location=OTHER) is Reason.BAD_CERTIFICATE

    def test_of_another_site(self) -> None:
        elsewhere = ReaderCertificate.issue(ISSUER, site=OTHER, location=LOCATION, key=KEY)
        assert judged(trusting(), elsewhere) is Reason.BAD_CERTIFICATE
        assert judged(Issuers({})) is Reason.UNKNOWN_ISSUER

    def test_signed_by_somebody_else(self) -> None:
        assert judged(Issuers({SITE: key("mallory").public})) is Reason.BAD_CERTIFICATE

    def test_what_is_remembered_is_still_looked_at(self) -> None:
        issuers = trusting()
        assert judged(issuers) == KEY
        assert judged(issuers, at=201) is Reason.CERTIFICATE_EXPIRED
        issuers.accept(LIST)
        assert judged(issuers) is Reason.CERTIFICATE_REVOKED

    def test_another_certificate_is_verified_anew(self) -> None:
        issuers = trusting()
        assert judged(issuers) == KEY
        forged = replace(CERTIFICATE, key=key("mallory").public)
        assert judged(issuers, forged) is Reason.BAD_CERTIFICATE
        assert judged(issuers) == KEY

    def test_it_is_verified_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        issuers = trusting()
        assert judged(issuers) == KEY
        monkeypatch.setattr(ReaderCertificate, "is_signed_by", lambda *_: False)
        assert judged(issuers) == KEY

    def test_what_is_remembered_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        issuers = trusting()
        places = [number.to_bytes(16, "big") for number in range(MAX_PINS + 1)]
        shown = [ReaderCertificate.issue(ISSUER, site=SITE, location=at, key=KEY) for at in places]
        for place, one in zip(places, shown, strict=True):
            assert judged(issuers, one, location=place) == KEY
        monkeypatch.setattr(ReaderCertificate, "is_signed_by", lambda *_: False)
        assert judged(issuers, shown[0], location=places[0]) is Reason.BAD_CERTIFICATE
        assert judged(issuers, shown[-1], location=places[-1]) == KEY

    @QUICK
    @given(st.integers(0, 138 * 8 - 1))
    def test_no_bit_can_be_flipped(self, bit: int) -> None:
        data = bytearray(CERTIFICATE.encode())
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RuleBroken):
            trusting().reader_key(bytes(data), SITE, LOCATION, at=150)


class TestRevoking:
    def refused(self, issuers: Issuers, revocations: RevocationList) -> Reason:
        with pytest.raises(RuleBroken) as caught:
            issuers.accept(revocations)
        return caught.value.reason

    def test_only_a_newer_list_counts(self) -> None:
        issuers = trusting()
        issuers.accept(LIST)
        empty = RevocationList.issue(ISSUER, site=SITE, issued=5, revoked=())
        assert self.refused(issuers, empty) is Reason.OUT_OF_ORDER
        assert judged(issuers) is Reason.CERTIFICATE_REVOKED
        issuers.accept(RevocationList.issue(ISSUER, site=SITE, issued=6, revoked=()))
        assert judged(issuers) == KEY

    def test_of_the_site_itself(self) -> None:
        forged = RevocationList.issue(key("mallory"), site=SITE, issued=9, revoked=())
        assert self.refused(trusting(), forged) is Reason.BAD_SIGNATURE
        assert self.refused(Issuers({}), LIST) is Reason.UNKNOWN_ISSUER


# Both ends


def reader_session(certificate: ReaderCertificate | None) -> ble_reader.ReaderSession:
    policy = ble_reader.Policy(certificate=certificate)
    ephemeral = key("reader ephemeral")
    return ble_reader.ReaderSession(READER, ephemeral, own_keys=NOBODY, policy=policy, now=0.0)


def meet(
    issuers: Issuers,
    *,
    known: PublicKey,
    certificate: ReaderCertificate | None = CERTIFICATE,
    mtu: int = 247,
) -> tuple[ble_holder.Ending | None, Outcome | None]:
    """One phone at one reader until both are done."""
    reader = reader_session(certificate)
    phone = ble_holder.HolderSession(
        ALICE,
        key("device ephemeral"),
        Keyring([KnownReader(SITE, LOCATION, known)]),
        last_update=0,
        now=0.0,
        issuers=issuers,
        unix_time=150,
    )
    hello = reader.hello(mtu)
    assert isinstance(hello, tuple)
    queue = deque(hello)
    outcome: Outcome | None = None
    while queue:
        match phone.receive(queue.popleft(), 0.0):
            case Finished(ending):
                return ending, outcome
            case Send(message):
                match reader.receive(message, 0.0):
                    case Finished(outcome):
                        queue.append(reader.result(granted=True))
                    case Send(reply):
                        queue.append(reply)
                    case None:
                        pass
            case None:
                pass
    return None, outcome


def test_a_phone_with_the_issuer_learns_the_key_from_the_certificate() -> None:
    ending, outcome = meet(trusting(), known=key("an older key").public)
    assert ending == ble_holder.Hint(Status.GRANTED)
    assert isinstance(outcome, Proven)
    assert outcome.key == ALICE.public.point


def test_a_phone_without_it_goes_by_the_key_it_knows() -> None:
    ending, _ = meet(Issuers({}), known=KEY)
    assert ending == ble_holder.Hint(Status.GRANTED)
    ending, _ = meet(Issuers({}), known=key("an older key").public)
    assert ending == Refused(Reason.BAD_SIGNATURE)


def test_a_reader_without_certificate_goes_by_its_key() -> None:
    ending, _ = meet(trusting(), known=KEY, certificate=None)
    assert ending == ble_holder.Hint(Status.GRANTED)


def test_a_revoked_reader_learns_nothing_of_the_phone() -> None:
    issuers = trusting()
    issuers.accept(LIST)
    ending, outcome = meet(issuers, known=KEY)
    assert ending == Refused(Reason.CERTIFICATE_REVOKED)
    assert outcome is None


@pytest.mark.parametrize(("mtu", "sent"), [(143, 1), (144, 2), (247, 2)])
def test_it_is_sent_alone_and_first_where_it_fits(mtu: int, sent: int) -> None:
    hello = reader_session(CERTIFICATE).hello(mtu)
    assert isinstance(hello, tuple)
    assert [len(each) for each in hello] == [141, 78][-sent:]
    ending, _ = meet(trusting(), known=KEY, mtu=mtu)
    assert ending == ble_holder.Hint(Status.GRANTED)


def test_a_certificate_that_changes_within_one_hello() -> None:
    phone = ble_holder.HolderSession(
        ALICE, key("d"), Keyring([KnownReader(SITE, LOCATION, KEY)]), last_update=0, now=0.0
    )
    for certificate, expected in ((CERTIFICATE, None), (ALWAYS, Refused(Reason.MALFORMED))):
        hello = reader_session(certificate).hello(247)
        assert isinstance(hello, tuple)
        step = phone.receive(hello[0], 0.0)
        assert step == (None if expected is None else Finished(expected))


@pytest.mark.parametrize(
    "identity",
    [
        ReaderIdentity(OTHER, LOCATION, READER.key),
        ReaderIdentity(SITE, OTHER, READER.key),
        ReaderIdentity(SITE, LOCATION, key("another")),
    ],
)
def test_a_certificate_that_is_not_ours_is_our_own_fault(identity: ReaderIdentity) -> None:
    policy = ble_reader.Policy(certificate=CERTIFICATE)
    with pytest.raises(ValueError, match="another reader"):
        ble_reader.ReaderSession(identity, key("r"), own_keys=NOBODY, policy=policy, now=0.0)
