"""What a door asks of documents, what it makes of them, and what it remembers.

Revocations first: a device brings them from its issuer whether or not they concern its holder.
Whoever is revoked, or whose document has fallen too far behind, loses the fast phase at once.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from shared.credential.aliro.documents.access_data import AccessData, Capability
from shared.credential.aliro.documents.cache import DocumentCache, Kept
from shared.credential.aliro.documents.encoding import decode, encode
from shared.credential.aliro.documents.issuers import Issuers
from shared.credential.aliro.documents.iterations import Iterations
from shared.credential.aliro.documents.messages import (
    DeviceRequest,
    DeviceResponse,
    Document,
    DocumentType,
)
from shared.credential.aliro.documents.recurrence import Moment
from shared.credential.aliro.documents.revocation import RevocationData, RevocationList
from shared.credential.aliro.documents.verification import DEFAULT, Policy, Verified, verify
from shared.credential.aliro.kpersistent import KpersistentStore
from shared.credential.aliro.offer import Offer, Signaling
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.p256 import PublicKey
from shared.credential.tlv import Malformed

_LACKS = "the document lacks what this door looks for"
_OFFERED = {
    DocumentType.ACCESS: Signaling.ACCESS_DOCUMENT,
    DocumentType.REVOCATION: Signaling.REVOCATION_DOCUMENT,
}


@dataclass(slots=True)
class Memory:
    """What a door remembers between taps; the caller stores each part after a tap.

    `kpersistents` are those that the transactions have, too.
    """

    kpersistents: KpersistentStore
    iterations: Iterations = field(default_factory=Iterations)
    revocations: RevocationList = field(default_factory=RevocationList)
    documents: DocumentCache = field(default_factory=DocumentCache)

    def forget(self, credential: PublicKey) -> None:
        self.kpersistents.forget(credential)
        self.documents.forget(credential)


class Examiner:
    """One door's view of documents. A moment is None where the time is not trusted."""

    def __init__(
        self,
        issuers: Issuers,
        memory: Memory,
        *,
        access: tuple[str, ...] = (),
        revocation: tuple[str, ...] = (),
        policy: Policy = DEFAULT,
        reader_rules: Collection[int] = (),
    ) -> None:
        """`access` and `revocation` are the ids of elements in which this door is interested."""
        self._issuers, self._memory, self._policy = issuers, memory, policy
        self._wanted = {DocumentType.ACCESS: access, DocumentType.REVOCATION: revocation}
        self._reader_rules = frozenset(reader_rules)

    def request(self, offer: Offer) -> DeviceRequest | None:
        """Ask for what is wanted and offered; None if only revocations are, and there are none.

        Raises `RuleBroken` with no_document.
        """
        wanted = [(kind, elements) for kind, elements in self._wanted.items() if elements]
        offered = [each for each in wanted if _OFFERED[each[0]] in offer.signaling]
        if self._wanted[DocumentType.ACCESS] and offered[:1] != wanted[:1]:
            raise RuleBroken(Reason.NO_DOCUMENT, "the device has no access document")
        return DeviceRequest(tuple(offered)) if offered else None

    def examine(
        self,
        request: DeviceRequest,
        response: DeviceResponse,
        credential: PublicKey,
        action: Capability,
        moment: Moment | None,
    ) -> bytes | None:
        """Who says that the holder of `credential` may do `action` now: an issuer id.

        None if only revocations were asked for, and do not concern the holder. Raises
        `RuleBroken`.
        """
        documents = _by_type(request, response)
        revocation = documents.get(DocumentType.REVOCATION)
        if revocation is not None:
            kind = DocumentType.REVOCATION
            self._revoke(self._verify(revocation, kind, credential, moment), moment)
        self.check_revoked(credential, moment)
        access = documents.get(DocumentType.ACCESS)
        if access is None:
            return None
        # What was kept is out of date, whatever comes of this.
        self._memory.documents.forget(credential)
        verified = self._verify(access, DocumentType.ACCESS, credential, moment)
        found = _pick(verified, self._wanted[DocumentType.ACCESS])
        elements = tuple((name, encode(value)) for name, value in found)
        kept = Kept(verified.issuer, verified.anchor, verified.validity, elements)
        self._judge(kept, credential, action, moment)
        self._memory.documents.keep(credential, kept)
        return verified.issuer

    def recall(
        self, credential: PublicKey, action: Capability, moment: Moment | None
    ) -> bytes | None:
        """The same by the document that `credential` showed before, in a fast transaction.

        Raises `RuleBroken`; the next transaction of the credential has to be a standard one.
        """
        self.check_revoked(credential, moment)
        if not self._wanted[DocumentType.ACCESS]:
            return None
        kept = self._memory.documents.find(credential)
        if kept is None or not self._issuers.trusts(kept.anchor):
            raise RuleBroken(Reason.NO_DOCUMENT, "no document of this credential is kept here")
        self._policy.check(kept.validity, _utc(moment))
        iteration = kept.validity.iteration
        self._memory.iterations.check(kept.issuer, DocumentType.ACCESS, iteration)
        self._judge(kept, credential, action, moment)
        self._memory.documents.keep(credential, kept)
        return kept.issuer

    def check_revoked(self, credential: PublicKey, moment: Moment | None) -> None:
        """Raises `RuleBroken` with credential_revoked, having forgotten the credential."""
        self._check_revoked(credential, self._memory.documents.find(credential), moment)

    def _verify(
        self,
        document: Document,
        kind: DocumentType,
        credential: PublicKey,
        moment: Moment | None,
    ) -> Verified:
        iterations = self._memory.iterations
        verified = verify(
            document,
            kind,
            issuers=self._issuers,
            holder=credential,
            iterations=iterations,
            policy=self._policy,
            now=_utc(moment),
        )
        if kind is DocumentType.ACCESS:
            iterations.advance(verified.issuer, kind, verified.validity.iteration)
            self._drop_lagging(verified.issuer)
        return verified

    def _revoke(self, verified: Verified, moment: Moment | None) -> None:
        """Do what a revocation document says; those whom it concerns are forgotten."""
        memory, issuer = self._memory, verified.issuer
        found = _pick(verified, self._wanted[DocumentType.REVOCATION])
        for data in [RevocationData.read(value) for _, value in found]:
            memory.revocations.apply(issuer, verified.validity, data)
        memory.iterations.advance(issuer, DocumentType.REVOCATION, verified.validity.iteration)
        known = {each for each, _ in memory.kpersistents} | {each for each, _ in memory.documents}
        for credential in known:
            if self._is_revoked(credential, memory.documents.find(credential), moment):
                memory.forget(credential)

    def _is_revoked(self, credential: PublicKey, kept: Kept | None, moment: Moment | None) -> bool:
        """Whether it is, itself or by an id in its document."""
        revokes, now = self._memory.revocations.revokes, _utc(moment)
        if revokes(credential, now=now):
            return True
        named = [] if kept is None else [(kept.issuer, each) for each in _ids(kept)]
        return any(revokes(credential, issuer=issuer, id=each, now=now) for issuer, each in named)

    def _check_revoked(
        self, credential: PublicKey, kept: Kept | None, moment: Moment | None
    ) -> None:
        if self._is_revoked(credential, kept, moment):
            self._memory.forget(credential)
            raise RuleBroken(Reason.CREDENTIAL_REVOKED, "the credential has been revoked")

    def _drop_lagging(self, issuer: bytes) -> None:
        """An issuer may have moved on so far that documents of others are void."""
        for credential, kept in self._memory.documents:
            if kept.issuer != issuer:
                continue
            try:
                iteration = kept.validity.iteration
                self._memory.iterations.check(issuer, DocumentType.ACCESS, iteration)
            except RuleBroken:
                self._memory.forget(credential)

    def _judge(
        self, kept: Kept, credential: PublicKey, action: Capability, moment: Moment | None
    ) -> None:
        """Pass if a wanted element lets its holder in. Raises what is wrong with the first.

        What was kept may have been asked for by a door that now looks for others.
        """
        self._check_revoked(credential, kept, moment)
        refusals = []
        for name, value in kept.elements:
            if name not in self._wanted[DocumentType.ACCESS]:
                continue
            try:
                AccessData.read(decode(value)).check(action, moment, self._reader_rules)
            except RuleBroken as broken:
                refusals.append(broken)
            else:
                return
        raise refusals[0] if refusals else RuleBroken(Reason.NO_DATA_ELEMENT, _LACKS)


def _ids(kept: Kept) -> list[bytes]:
    """The ids in its elements, as far as they can be read."""
    found = []
    for _, value in kept.elements:
        with suppress(RuleBroken):
            found.append(AccessData.read(decode(value)).id)
    return found


def _by_type(request: DeviceRequest, response: DeviceResponse) -> dict[DocumentType, Document]:
    """The documents of a response, each of a type that was asked for."""
    if response.status:
        raise RuleBroken(Reason.CARD_ERROR, "the device cannot give its documents")
    asked = {kind.value: kind for kind, _ in request.wanted}
    found: dict[DocumentType, Document] = {}
    for each in response.documents:
        kind = asked.get(each.kind)
        if kind is None:
            raise RuleBroken(Reason.WRONG_DOCUMENT, "a document of a type that was not asked for")
        if kind in found:
            raise Malformed("two documents of one type")
        found[kind] = each
    if len(found) != len(asked):
        raise RuleBroken(Reason.NO_DOCUMENT, "a document that the device said it has is missing")
    return found


def _pick(verified: Verified, wanted: tuple[str, ...]) -> list[tuple[str, Any]]:
    """Those elements that are wanted and there: ids and values."""
    found = [(each, verified.elements[each]) for each in wanted if each in verified.elements]
    if not found:
        raise RuleBroken(Reason.NO_DATA_ELEMENT, _LACKS)
    return found


def _utc(moment: Moment | None) -> int | None:
    return None if moment is None else moment.utc
