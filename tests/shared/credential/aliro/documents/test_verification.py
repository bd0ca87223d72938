"""Is a document genuine, of this holder, and good now?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cbor2 import CBORTag

from shared.credential.aliro.documents.issuers import issuer_id
from shared.credential.aliro.documents.iterations import Iterations
from shared.credential.aliro.documents.messages import Document, DocumentType, IssuerAuth
from shared.credential.aliro.documents.revocation import Mode, RevocationData
from shared.credential.aliro.documents.security import SecurityObject
from shared.credential.aliro.documents.verification import (
    DEFAULT,
    SEVEN_DAYS,
    Policy,
    Verified,
    verify,
)
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.p256 import PrivateKey, PublicKey
from tests.shared.credential.aliro.documents.certificates import certificate
from tests.shared.credential.aliro.documents.ends import (
    AUTHORITY,
    CERTIFIED_ISSUER,
    FLOOR,
    ISSUER,
    ISSUERS,
    NOW,
    VALIDITY,
    access,
    dated,
    flips,
    resigned,
    revocation,
)
from tests.shared.credential.aliro.ends import ALICE, BOB
from tests.shared.credential.keys import key

ACCESS, REVOCATION = DocumentType
NOBODY_REVOKED = RevocationData(Mode.OVERWRITE)


def judged(
    document: Document,
    kind: DocumentType = ACCESS,
    *,
    holder: PublicKey = ALICE.public,
    policy: Policy = DEFAULT,
    now: int | None = NOW,
    iterations: Iterations | None = None,
) -> Verified:
    """As it travels: what is judged is what comes out of its bytes."""
    return verify(
        Document.decode(document.encode()),
        kind,
        issuers=ISSUERS,
        holder=holder,
        iterations=iterations or Iterations(),
        policy=policy,
        now=now,
    )


def refusal(document: Document, *args: Any, **more: Any) -> Reason:
    with pytest.raises(RuleBroken) as broken:
        judged(document, *args, **more)
    return broken.value.reason


def test_a_good_one() -> None:
    found = judged(access())
    assert found.issuer == found.anchor == issuer_id(ISSUER.public)
    assert found.validity == VALIDITY
    assert found.elements == {FLOOR: {0: 1}}


def test_a_good_revocation() -> None:
    found = judged(revocation(NOBODY_REVOKED, 3), REVOCATION)
    assert found.elements == {FLOOR: NOBODY_REVOKED.plain}
    assert found.validity.iteration == 3


def test_by_certificate() -> None:
    document = access(issuer=CERTIFIED_ISSUER, certificate=certificate(), with_key_id=False)
    found = judged(document)
    assert found.issuer == issuer_id(CERTIFIED_ISSUER.public)
    assert found.anchor == issuer_id(AUTHORITY.public)
    assert found.validity.valid_until == NOW + 10 * 86400


class TestInTurn:
    def test_type(self) -> None:
        assert refusal(access(), REVOCATION) is Reason.WRONG_DOCUMENT
        assert refusal(revocation(NOBODY_REVOKED)) is Reason.WRONG_DOCUMENT

    def test_issuer(self) -> None:
        assert refusal(access(issuer=key("a stranger"))) is Reason.UNKNOWN_ISSUER
        assert refusal(access(with_key_id=False)) is Reason.UNKNOWN_ISSUER

    def test_signature(self) -> None:
        assert refusal(resigned(lambda said: None, key("a stranger"))) is Reason.BAD_SIGNATURE
        mine = access(issuer=key("a stranger"), certificate=certificate(), with_key_id=False)
        assert refusal(mine) is Reason.BAD_SIGNATURE

    def test_an_element_of_another_document(self) -> None:
        generous = access(elements={FLOOR: {0: 1}}, issuer=key("a stranger"))
        stingy = access(elements={FLOOR: {0: 1, 2: [{0: 0}]}})
        assert refusal(replace(stingy, items=generous.items)) is Reason.DIGEST_MISMATCH

    def test_an_element_that_was_never_signed(self) -> None:
        assert refusal(resigned(lambda said: said.update({"3": {}}))) is Reason.DIGEST_MISMATCH
        renamed = [replace(each, space="aliro-x") for each in access().items]
        assert refusal(replace(access(), items=tuple(renamed))) is Reason.DIGEST_MISMATCH

    def test_another_type_in_the_signature(self) -> None:
        changed = resigned(lambda said: said.update({"5": "aliro-r"}))
        assert refusal(changed) is Reason.WRONG_DOCUMENT

    @pytest.mark.parametrize("part", [{"1": "1.1"}, {"2": "SHA-512"}])
    def test_another_version(self, part: dict[str, Any]) -> None:
        assert refusal(resigned(lambda said: said.update(part))) is Reason.WRONG_DOCUMENT

    def test_holder(self) -> None:
        assert refusal(access(), holder=BOB.public) is Reason.OTHER_HOLDER
        assert refusal(access(holder=None)) is Reason.OTHER_HOLDER

    def test_a_revocation_has_no_holder(self) -> None:
        document = revocation(NOBODY_REVOKED, holder=ALICE.public)
        assert refusal(document, REVOCATION) is Reason.WRONG_DOCUMENT

    def test_a_certificate_that_was_not_good_then(self) -> None:
        late = certificate(since=NOW - 60)
        document = access(issuer=CERTIFIED_ISSUER, certificate=late)
        assert refusal(document) is Reason.CERTIFICATE_EXPIRED

    def test_iteration(self) -> None:
        iterations = Iterations()
        iterations.advance(issuer_id(ISSUER.public), ACCESS, 9)
        assert refusal(dated(iteration=1), iterations=iterations) is Reason.DOCUMENT_SUPERSEDED
        judged(dated(iteration=2), iterations=iterations)
        iterations.advance(issuer_id(ISSUER.public), REVOCATION, 9)
        document = revocation(NOBODY_REVOKED, 8)
        assert refusal(document, REVOCATION, iterations=iterations) is Reason.DOCUMENT_SUPERSEDED


class TestDates:
    @pytest.mark.parametrize(
        ("document", "reason"),
        [
            (dated(valid_from=NOW), None),
            (dated(valid_from=NOW + 1), Reason.DOCUMENT_NOT_YET_VALID),
            (dated(signed=NOW + 1), Reason.DOCUMENT_NOT_YET_VALID),
            (dated(valid_until=NOW), None),
            (dated(valid_until=NOW - 1), Reason.DOCUMENT_EXPIRED),
            (dated(signed=NOW - SEVEN_DAYS), None),
            (dated(signed=NOW - SEVEN_DAYS - 1), Reason.DOCUMENT_TOO_OLD),
        ],
    )
    def test_by_the_clock(self, document: Document, reason: Reason | None) -> None:
        if reason is None:
            judged(document)
        else:
            assert refusal(document) is reason

    def test_a_site_may_trust_longer_or_less(self) -> None:
        judged(dated(signed=NOW - 10**7), policy=Policy(longest=None))
        hour = Policy(longest=3600)
        judged(dated(signed=NOW - 3600), policy=hour)
        assert refusal(dated(signed=NOW - 3601), policy=hour) is Reason.DOCUMENT_TOO_OLD

    def test_without_a_clock(self) -> None:
        """Ours wants one; Aliro wants one where the document does."""
        lenient = Policy(clock_required=False)
        strict = dated(time_required=True)
        assert refusal(access(), now=None) is Reason.NO_CLOCK
        judged(dated(valid_until=0), now=None, policy=lenient)
        assert refusal(strict, now=None, policy=lenient) is Reason.NO_CLOCK


class TestDatesOfRevocations:
    """They open nothing: a site's own caution about what opens would only leave people in."""

    def dated(self, **changes: Any) -> Document:
        return revocation(NOBODY_REVOKED, validity=replace(VALIDITY, **changes))

    def test_an_old_one_still_counts(self) -> None:
        judged(self.dated(signed=NOW - SEVEN_DAYS - 1), REVOCATION)

    def test_without_a_clock(self) -> None:
        judged(self.dated(), REVOCATION, now=None)
        required = self.dated(time_required=True)
        assert refusal(required, REVOCATION, now=None) is Reason.NO_CLOCK

    def test_their_own_dates(self) -> None:
        early, late = self.dated(valid_from=NOW + 1), self.dated(valid_until=NOW - 1)
        assert refusal(early, REVOCATION) is Reason.DOCUMENT_NOT_YET_VALID
        assert refusal(late, REVOCATION) is Reason.DOCUMENT_EXPIRED


class TestWhatIsSigned:
    @pytest.mark.parametrize(
        "change",
        [
            lambda said: said.pop("1"),
            lambda said: said.pop("3"),
            lambda said: said.pop("5"),
            lambda said: said.pop("6"),
            lambda said: said["6"].pop("2"),
            lambda said: said.update({"3": []}),
            lambda said: said["3"].update({"aliro-a": {1: bytes(31)}}),
            lambda said: said["3"].update({"aliro-a": {"1": bytes(32)}}),
            lambda said: said["3"].update({1: {1: bytes(32)}}),
            lambda said: said.update({"4": {}}),
            lambda said: said["4"]["1"].update({1: 1}),
            lambda said: said["4"]["1"].update({-1: 2}),
            lambda said: said["4"]["1"].pop(-2),
            lambda said: said["4"]["1"].update({-2: bytes(31)}),
            lambda said: said["4"]["1"].update({-3: None}),
            lambda said: said.update({"5": 5}),
            lambda said: said.update({"6": []}),
            lambda said: said["6"].update({"1": "2026-11-17T10:30:00Z"}),
            lambda said: said["6"].update({"2": CBORTag(1, 5)}),
            lambda said: said["6"].update({"3": CBORTag(0, "tomorrow")}),
            lambda said: said["6"].update({"4": 5}),
            lambda said: said["6"].update({"5": -1}),
            lambda said: said["6"].update({"5": True}),
            lambda said: said.update({"7": 1}),
        ],
    )
    def test_wrong(self, change: Callable[[dict[str, Any]], object]) -> None:
        assert refusal(resigned(change)) is Reason.MALFORMED

    def test_a_holder_off_the_curve(self) -> None:
        changed = resigned(lambda said: said["4"]["1"].update({-3: bytes(32)}))
        assert refusal(changed) is Reason.OFF_CURVE

    @pytest.mark.parametrize("who", [ALICE, BOB])
    def test_a_compressed_holder(self, who: PrivateKey) -> None:
        odd = bool(who.public.point[-1] & 1)

        def compress(said: dict[str, Any]) -> None:
            said["4"]["1"] |= {-2: who.public.x, -3: odd}

        judged(resigned(compress), holder=who.public)

    def test_what_may_be_missing(self) -> None:
        found = judged(resigned(lambda said: said.pop("7")))
        assert found.validity == VALIDITY

    def test_round_trip(self) -> None:
        validity = replace(VALIDITY, iteration=5, time_required=True, expected_update=NOW)
        digests = {("aliro-a", 1): bytes(32), ("aliro-a", 2): bytes(32)}
        found = SecurityObject("aliro-a", digests, ALICE.public, validity)
        assert SecurityObject.decode(found.encode()) == found

    def test_something_else_than_what_is_signed(self) -> None:
        auth = IssuerAuth(access().issuer_auth.key_id, None, b"\0", b"")
        auth = replace(auth, signature=ISSUER.sign(auth.covered))
        assert refusal(replace(access(), issuer_auth=auth)) is Reason.MALFORMED


def test_no_flipped_bit_passes() -> None:
    """Wherever it is: nothing passes that the issuer has not signed in this form."""
    good = access(issuer=CERTIFIED_ISSUER, certificate=certificate()).encode()
    expected = judged(Document.decode(good))
    for data in flips(good, 3):
        try:
            found = judged(Document.decode(data))
        except RuleBroken:
            continue
        assert found == expected  # the flip was in a header that says nothing
