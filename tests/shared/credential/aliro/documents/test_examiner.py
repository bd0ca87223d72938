"""What a door makes of documents, and what it remembers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.credential.aliro.documents.access_data import AccessData, AccessRule, Capability
from shared.credential.aliro.documents.encoding import encode
from shared.credential.aliro.documents.examiner import Examiner, Memory
from shared.credential.aliro.documents.issue import issue
from shared.credential.aliro.documents.issuers import Issuers, issuer_id
from shared.credential.aliro.documents.iterations import Iterations
from shared.credential.aliro.documents.messages import (
    DeviceRequest,
    DeviceResponse,
    Document,
    DocumentType,
)
from shared.credential.aliro.documents.recurrence import Moment, Schedule
from shared.credential.aliro.documents.revocation import (
    Entry,
    Mode,
    RevocationData,
    RevocationList,
    credential_hash,
)
from shared.credential.aliro.documents.verification import DEFAULT, SEVEN_DAYS, Policy
from shared.credential.aliro.kpersistent import KpersistentStore
from shared.credential.aliro.offer import NOTHING, Offer, Signaling
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.p256 import PrivateKey
from tests.shared.credential.aliro.documents.certificates import certificate
from tests.shared.credential.aliro.documents.ends import (
    AUTHORITY,
    CERTIFIED_ISSUER,
    FLOOR,
    ISSUER,
    ISSUERS,
    MOMENT,
    NOW,
    VALIDITY,
    access,
    resigned,
    revocation,
)
from tests.shared.credential.aliro.ends import ALICE, BOB
from tests.shared.credential.keys import key

ACCESS, REVOCATION = DocumentType
UNSECURE = Capability.UNSECURE
BOTH = Offer(Signaling.ACCESS_DOCUMENT | Signaling.REVOCATION_DOCUMENT)
REVOKE_ALICE = RevocationData(Mode.OVERWRITE, (Entry(credential_hash(ALICE.public)),))
REVOKE_BADGE = RevocationData(Mode.OVERWRITE, (Entry(id=b"badge-01"),))
BADGE = AccessData(b"badge-01")


class Bench:
    """An examiner with its memory, and short words for using it."""

    def __init__(
        self,
        issuers: Issuers = ISSUERS,
        access: tuple[str, ...] = (FLOOR,),
        revocation: tuple[str, ...] = (FLOOR,),
        policy: Policy = DEFAULT,
    ) -> None:
        self.memory = Memory(KpersistentStore())
        for each in (ALICE, BOB):
            self.memory.kpersistents.remember(each.public, bytes(32))
        self._rest = {"access": access, "revocation": revocation, "policy": policy}
        self.trust(issuers)

    def trust(self, issuers: Issuers) -> None:
        self.examiner = Examiner(issuers, self.memory, **self._rest)  # type: ignore[arg-type]

    def sees(
        self, *documents: Document, who: PrivateKey = ALICE, moment: Moment | None = MOMENT
    ) -> Reason | None:
        kinds = {"aliro-a": ACCESS, "aliro-r": REVOCATION}
        request = DeviceRequest(tuple((kinds[each.kind], (FLOOR,)) for each in documents))
        return self._reason(
            lambda: self.examiner.examine(
                request, DeviceResponse(documents), who.public, UNSECURE, moment
            )
        )

    def recalls(
        self,
        who: PrivateKey = ALICE,
        moment: Moment | None = MOMENT,
        action: Capability = UNSECURE,
    ) -> Reason | None:
        return self._reason(lambda: self.examiner.recall(who.public, action, moment))

    def remembers(self, who: PrivateKey) -> bool:
        known = who.public in [each for each, _ in self.memory.kpersistents]
        assert known or self.memory.documents.find(who.public) is None
        return known

    @staticmethod
    def _reason(act: object) -> Reason | None:
        try:
            act()  # type: ignore[operator]
        except RuleBroken as broken:
            return broken.reason
        return None


class TestRequest:
    def test_what_is_wanted_and_offered(self) -> None:
        examiner = Bench().examiner
        assert examiner.request(BOTH) == DeviceRequest(((ACCESS, (FLOOR,)), (REVOCATION, (FLOOR,))))
        one = Offer(Signaling.ACCESS_DOCUMENT)
        assert examiner.request(one) == DeviceRequest(((ACCESS, (FLOOR,)),))

    @pytest.mark.parametrize("offer", [NOTHING, Offer(Signaling.REVOCATION_DOCUMENT)])
    def test_no_access_document(self, offer: Offer) -> None:
        with pytest.raises(RuleBroken) as broken:
            Bench().examiner.request(offer)
        assert broken.value.reason is Reason.NO_DOCUMENT

    def test_revocations_alone(self) -> None:
        examiner = Bench(access=()).examiner
        assert examiner.request(BOTH) == DeviceRequest(((REVOCATION, (FLOOR,)),))
        assert examiner.request(NOTHING) is None


class TestResponse:
    REQUEST = DeviceRequest(((ACCESS, (FLOOR,)),))

    @pytest.mark.parametrize(
        ("response", "reason"),
        [
            (DeviceResponse((), 0), Reason.NO_DOCUMENT),
            (DeviceResponse((), 10), Reason.CARD_ERROR),
            (DeviceResponse((access(),), 10), Reason.CARD_ERROR),
            (DeviceResponse((access(), access())), Reason.MALFORMED),
            (DeviceResponse((access(), revocation(REVOKE_ALICE))), Reason.WRONG_DOCUMENT),
        ],
    )
    def test_other_documents_than_were_asked_for(
        self, response: DeviceResponse, reason: Reason
    ) -> None:
        bench = Bench()
        with pytest.raises(RuleBroken) as broken:
            bench.examiner.examine(self.REQUEST, response, ALICE.public, UNSECURE, MOMENT)
        assert broken.value.reason is reason
        assert len(bench.memory.revocations) == 0


NOBODY = {0: 1, 2: [{0: 0}]}


class TestElements:
    def test_one_of_several_is_enough(self) -> None:
        bench = Bench(access=("a", "b", "c"))
        document = access(elements={"b": {0: 2}, "c": {0: 1}, "d": NOBODY})
        request = DeviceRequest(((ACCESS, ("a", "b", "c")),))
        response = DeviceResponse((document,))
        found = bench.examiner.examine(request, response, ALICE.public, UNSECURE, MOMENT)
        assert found == issuer_id(ISSUER.public)

    def test_the_first_says_what_is_wrong(self) -> None:
        bench = Bench(access=("a", "b"))
        document = access(elements={"b": {0: 2}, "a": NOBODY})
        assert bench.sees(document) is Reason.NO_ACCESS_RULE

    def test_those_that_were_not_asked_for_do_not_count(self) -> None:
        assert Bench(access=("a",)).sees(access(elements={"b": {0: 1}})) is Reason.NO_DATA_ELEMENT

    def test_of_another_name_space(self) -> None:
        """Signed, but as something else."""
        other = resigned(lambda said: said.update({"3": {"x": said["3"]["aliro-a"]}}))
        moved = replace(other, items=tuple(replace(each, space="x") for each in other.items))
        assert Bench().sees(moved) is Reason.NO_DATA_ELEMENT


class TestRevoked:
    def test_in_the_same_breath(self) -> None:
        bench = Bench()
        assert bench.sees(access(), revocation(REVOKE_ALICE)) is Reason.CREDENTIAL_REVOKED
        assert not bench.remembers(ALICE)
        assert bench.remembers(BOB)
        assert bench.sees(access()) is Reason.CREDENTIAL_REVOKED

    def test_by_a_document_that_another_brought(self) -> None:
        bench = Bench(access=())
        assert bench.sees(revocation(REVOKE_ALICE), who=BOB) is None
        assert not bench.remembers(ALICE)
        assert bench.remembers(BOB)
        assert bench.recalls() is Reason.CREDENTIAL_REVOKED

    def test_by_the_id_in_its_document(self) -> None:
        bench = Bench()
        assert bench.sees(access(BADGE)) is None
        assert bench.sees(access(holder=BOB.public), revocation(REVOKE_BADGE), who=BOB) is None
        assert not bench.remembers(ALICE)
        assert bench.sees(access(BADGE)) is Reason.CREDENTIAL_REVOKED
        assert bench.sees(access(AccessData(b"badge-02"))) is None

    def test_one_revoked_id_is_too_many(self) -> None:
        bench = Bench(access=("a", "b"))
        assert bench.sees(revocation(REVOKE_BADGE)) is None
        document = access(elements={"a": BADGE.plain, "b": {0: 1}})
        assert bench.sees(document) is Reason.CREDENTIAL_REVOKED
        spoilt = access(elements={"a": {0: 2}, "b": BADGE.plain})
        assert bench.sees(spoilt) is Reason.CREDENTIAL_REVOKED

    def test_until_it_expires(self) -> None:
        bench = Bench()
        entry = Entry(credential_hash(ALICE.public), expiry=NOW + 60)
        brought = revocation(RevocationData(Mode.OVERWRITE, (entry,)))
        assert bench.sees(access(), brought) is Reason.CREDENTIAL_REVOKED
        assert bench.sees(access(), moment=Moment(NOW + 60)) is None

    def test_two_elements_or_nothing(self) -> None:
        """One of two cannot be read: neither is applied."""
        bench = Bench(access=(), revocation=("a", "b"))
        elements = {"a": REVOKE_ALICE.plain, "b": {0: 42}}
        document = issue(ISSUER, REVOCATION, elements, VALIDITY, random=bytes)
        assert bench.sees(document) is Reason.BAD_DATA_ELEMENT
        assert bench.remembers(ALICE)

    def test_an_old_list_does_not_bring_anybody_back(self) -> None:
        bench = Bench(access=())
        assert bench.sees(revocation(REVOKE_ALICE, 2), who=BOB) is None
        empty = revocation(RevocationData(Mode.OVERWRITE), 1)
        assert bench.sees(empty) is Reason.DOCUMENT_SUPERSEDED
        assert bench.recalls() is Reason.CREDENTIAL_REVOKED

    def test_a_stranger_revokes_nobody(self) -> None:
        bench = Bench(access=())
        strange = revocation(REVOKE_ALICE, issuer=key("a stranger"))
        assert bench.sees(strange, who=BOB) is Reason.UNKNOWN_ISSUER
        assert bench.remembers(ALICE)


class TestRecall:
    def test_nobody_has_been_here(self) -> None:
        assert Bench().recalls() is Reason.NO_DOCUMENT

    def test_the_same_again(self) -> None:
        bench = Bench()
        assert bench.sees(access()) is None
        assert bench.recalls() is None
        assert bench.recalls(BOB) is Reason.NO_DOCUMENT

    def test_time_goes_by(self) -> None:
        bench = Bench(policy=Policy(longest=None))
        rule = AccessRule(UNSECURE, 1)
        data = AccessData(rules=(rule,), schedules=(Schedule(NOW, NOW + 60, is_utc=True),))
        assert bench.sees(access(data, validity=replace(VALIDITY, valid_until=NOW + 99))) is None
        assert bench.recalls(moment=Moment(NOW + 59)) is None
        assert bench.recalls(moment=Moment(NOW + 60)) is Reason.OUTSIDE_SCHEDULE
        assert bench.recalls(moment=Moment(NOW + 100)) is Reason.DOCUMENT_EXPIRED
        assert bench.recalls(moment=None) is Reason.NO_CLOCK

    def test_seven_days(self) -> None:
        bench = Bench()
        assert bench.sees(access()) is None
        last = VALIDITY.signed + SEVEN_DAYS
        assert bench.recalls(moment=Moment(last)) is None
        assert bench.recalls(moment=Moment(last + 1)) is Reason.DOCUMENT_TOO_OLD

    def test_another_action(self) -> None:
        bench = Bench()
        assert bench.sees(access(AccessData(rules=(AccessRule(UNSECURE),)))) is None
        assert bench.recalls(action=Capability.SECURE) is Reason.NO_ACCESS_RULE

    def test_no_longer_than_its_certificate(self) -> None:
        bench = Bench(policy=Policy(longest=None))
        document = access(issuer=CERTIFIED_ISSUER, certificate=certificate())
        assert bench.sees(document) is None
        assert bench.recalls(moment=Moment(NOW + 10 * 86400)) is None
        after = Moment(NOW + 10 * 86400 + 1)
        assert bench.recalls(moment=after) is Reason.DOCUMENT_EXPIRED

    @pytest.mark.parametrize(
        "left", [Issuers([ISSUER.public]), Issuers([CERTIFIED_ISSUER.public], [ISSUER.public])]
    )
    def test_no_longer_than_its_authority_is_trusted(self, left: Issuers) -> None:
        bench = Bench()
        assert bench.sees(access(issuer=CERTIFIED_ISSUER, certificate=certificate())) is None
        bench.trust(Issuers([], [AUTHORITY.public]))
        assert bench.recalls() is None
        bench.trust(left)
        assert bench.recalls() is Reason.NO_DOCUMENT

    def test_a_refusal_forgets_what_was_kept(self) -> None:
        """The newer document does not let in; the older one would have."""
        bench = Bench()
        assert bench.sees(access()) is None
        stingy = access(AccessData(rules=(AccessRule(Capability.SECURE),)))
        assert bench.sees(stingy) is Reason.NO_ACCESS_RULE
        assert bench.recalls() is Reason.NO_DOCUMENT

    def test_behind(self) -> None:
        bench = Bench()
        assert bench.sees(access(validity=replace(VALIDITY, iteration=1))) is None
        bobs = access(holder=BOB.public, validity=replace(VALIDITY, iteration=8))
        assert bench.sees(bobs, who=BOB) is None
        assert bench.recalls() is None
        bobs = access(holder=BOB.public, validity=replace(VALIDITY, iteration=9))
        assert bench.sees(bobs, who=BOB) is None
        assert not bench.remembers(ALICE)
        assert bench.remembers(BOB)

    def test_behind_after_a_restart(self) -> None:
        """Iterations are stored, and documents were, before the others moved on."""
        bench = Bench()
        assert bench.sees(access(validity=replace(VALIDITY, iteration=1))) is None
        later = Iterations()
        later.advance(issuer_id(ISSUER.public), ACCESS, 9)
        bench.memory.iterations = Iterations.decode(later.encode())
        assert bench.recalls() is Reason.DOCUMENT_SUPERSEDED

    def test_others_stay_when_an_issuer_moves_on(self) -> None:
        bench = Bench()
        certified = access(issuer=CERTIFIED_ISSUER, certificate=certificate())
        assert bench.sees(certified) is None
        bobs = access(holder=BOB.public, validity=replace(VALIDITY, iteration=99))
        assert bench.sees(bobs, who=BOB) is None
        assert bench.recalls() is None

    def test_revocations_alone(self) -> None:
        bench = Bench(access=())
        assert bench.recalls() is None
        bench.memory.revocations = RevocationList.decode(bench.memory.revocations.encode())
        assert bench.sees(revocation(REVOKE_ALICE)) is Reason.CREDENTIAL_REVOKED


def test_refused_documents_move_their_issuer_on() -> None:
    """The signature and the dates are good; that the rules refuse does not make it less new."""
    bench = Bench()
    stingy = access(AccessData(rules=(AccessRule(0),)), validity=replace(VALIDITY, iteration=9))
    assert bench.sees(stingy) is Reason.NO_ACCESS_RULE
    assert bench.sees(access()) is Reason.DOCUMENT_SUPERSEDED


def test_forged_documents_do_not() -> None:
    bench = Bench()
    forged = access(validity=replace(VALIDITY, iteration=9), holder=BOB.public)
    assert bench.sees(forged) is Reason.OTHER_HOLDER
    assert bench.memory.iterations.highest(issuer_id(ISSUER.public), ACCESS) == 0


def test_elements_are_kept_as_they_were_signed() -> None:
    bench = Bench()
    said = {0: 1, 6: {7: [[1, 2, 3, {"any": [1.5]}]]}}
    assert bench.sees(access(said)) is None
    kept = bench.memory.documents.find(ALICE.public)
    assert kept is not None
    assert kept.elements == ((FLOOR, encode(said)),)
