"""Is this document genuine, of this holder, and good now? Each check in turn, the first that fails.

1. its type; 2. whose it says it is; 3. the issuer's signature; 4. the digests of its elements;
5. that the issuer meant this type; 6. the holder; 7. the dates, also of the issuer's certificate;
8. the iteration. What its elements say comes after: `access_data`, `revocation`.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any

from shared.credential.aliro.documents.issuers import Issuers, issuer_id
from shared.credential.aliro.documents.iterations import Iterations
from shared.credential.aliro.documents.messages import Document, DocumentType
from shared.credential.aliro.documents.security import SecurityObject, Validity
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.p256 import PublicKey

SEVEN_DAYS = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Policy:
    """What this site asks of access documents beyond what their issuers say."""

    # Aliro lets a reader without a clock take documents that do not ask for one.
    clock_required: bool = True
    # Seconds after its signature for which a document is trusted, however long its issuer says; a
    # lost phone then opens no longer than a lost card would. None: as long as the issuer says.
    longest: int | None = SEVEN_DAYS

    def check(self, validity: Validity, now: int | None) -> None:
        """Whether a document is good `now` (Unix seconds; None: the time is not trusted).

        Raises `RuleBroken`: no_clock, document_not_yet_valid, _expired or _too_old.
        """
        if now is None:
            if self.clock_required or validity.time_required:
                raise RuleBroken(Reason.NO_CLOCK, "the document has dates, the time is unknown")
            return
        if now < max(validity.valid_from, validity.signed):
            raise RuleBroken(Reason.DOCUMENT_NOT_YET_VALID, "the document is not valid yet")
        if now > validity.valid_until:
            raise RuleBroken(Reason.DOCUMENT_EXPIRED, "the document has expired")
        if self.longest is not None and now - validity.signed > self.longest:
            what = "the document was signed longer ago than this site trusts"
            raise RuleBroken(Reason.DOCUMENT_TOO_OLD, what)


DEFAULT = Policy()
# Revocation documents open nothing: what their issuers say is enough.
_AS_ISSUED = Policy(clock_required=False, longest=None)


@dataclass(frozen=True, slots=True)
class Verified:
    """A document that has passed: who signed it, how long it is good, its elements by their id."""

    issuer: bytes  # issuer id
    anchor: bytes  # issuer id of the key for which it is trusted
    validity: Validity
    elements: dict[str, Any] = field(repr=False)


def verify(
    document: Document,
    kind: DocumentType,
    *,
    issuers: Issuers,
    holder: PublicKey,
    iterations: Iterations,
    policy: Policy,
    now: int | None,
) -> Verified:
    """Pass `document` if it is a `kind` of document for `holder`, who has just proved itself.

    A revocation document is for nobody in particular. The caller advances `iterations`. Raises
    `RuleBroken`, with a reason for each check.
    """
    if document.kind != kind.value:
        raise RuleBroken(Reason.WRONG_DOCUMENT, "a document of a type that was not asked for")
    signer = issuers.signer(document.issuer_auth)
    if not signer.key.verifies(document.issuer_auth.signature, document.issuer_auth.covered):
        raise RuleBroken(Reason.BAD_SIGNATURE, "the issuer has not signed this document")
    said = SecurityObject.decode(document.issuer_auth.payload)
    _check_digests(document, said)
    if said.kind != document.kind:
        raise RuleBroken(
            Reason.WRONG_DOCUMENT, "the issuer signed it as a document of another type"
        )
    _check_holder(said, kind, holder)
    (policy if kind is DocumentType.ACCESS else _AS_ISSUED).check(said.validity, now)
    validity = signer.check_dates(said.validity, now)
    issuer = issuer_id(signer.key)
    iterations.check(issuer, kind, validity.iteration)
    elements = {
        each.item.element: each.item.value for each in document.items if each.space == kind.value
    }
    return Verified(issuer, signer.anchor, validity, elements)


def _check_digests(document: Document, said: SecurityObject) -> None:
    for each in document.items:
        expected = said.digests.get((each.space, each.item.digest_id), b"")
        if not hmac.compare_digest(hashlib.sha256(each.encoded).digest(), expected):
            raise RuleBroken(Reason.DIGEST_MISMATCH, "an element that the issuer has not signed")


def _check_holder(said: SecurityObject, kind: DocumentType, holder: PublicKey) -> None:
    if kind is DocumentType.REVOCATION:
        if said.device is not None:
            raise RuleBroken(Reason.WRONG_DOCUMENT, "a revocation document has no holder")
    elif said.device != holder:
        raise RuleBroken(Reason.OTHER_HOLDER, "a document of another credential")
