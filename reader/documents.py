"""Documents at this door: asked of wallets without a grant, and what of them is remembered.

Revocations, iterations and the documents of those who were let in lie sealed in the journal's
file, and are written, all or none, before a tap that changed them is decided.

If they are lost, an old document could come back that had been superseded, or one of somebody who
had been revoked. So the time of the loss becomes a floor, as soon as the time is trusted: documents
signed before it open nothing any more. Their issuers sign new ones for whom they still vouch within
seven days anyway. The same holds if the journal is lost as a whole, and the plan is not. A reader
that has lost both is as a new one, which knows of no revocation but those that wallets bring it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from reader.database import Unusable
from reader.secret_notes import SealedNotes
from shared import cbor
from shared.access.decide import Attempt, Knowledge, Reason
from shared.access.mode import Clock
from shared.access.rows import Calendar, Documents, Method
from shared.credential import outcome as credential
from shared.credential.aliro.documents.access_data import Capability
from shared.credential.aliro.documents.cache import DocumentCache
from shared.credential.aliro.documents.examiner import Examiner, Memory
from shared.credential.aliro.documents.issuers import Issuers
from shared.credential.aliro.documents.iterations import Iterations
from shared.credential.aliro.documents.recurrence import Moment
from shared.credential.aliro.documents.revocation import RevocationList
from shared.credential.aliro.documents.verification import SEVEN_DAYS, Policy
from shared.credential.aliro.kpersistent import KpersistentStore
from shared.credential.aliro.reader import Transaction
from shared.credential.aliro.step_up import by_documents
from shared.credential.errors import RuleBroken
from shared.credential.exchange import Dialogue
from shared.credential.outcome import Outcome, Proven, Refused
from shared.credential.p256 import PublicKey

logger = logging.getLogger(__name__)

LOST = "what was remembered of documents is lost: those signed before now open nothing"
_REASONS = {
    credential.Reason.NO_CLOCK: Reason.CLOCK,
    credential.Reason.DOCUMENT_NOT_YET_VALID: Reason.NOT_YET,
    credential.Reason.DOCUMENT_EXPIRED: Reason.EXPIRED,
    credential.Reason.DOCUMENT_TOO_OLD: Reason.EXPIRED,
    credential.Reason.DOCUMENT_SUPERSEDED: Reason.EXPIRED,
    credential.Reason.CERTIFICATE_EXPIRED: Reason.EXPIRED,
    credential.Reason.OUTSIDE_SCHEDULE: Reason.OUT_OF_HOURS,
    credential.Reason.CREDENTIAL_REVOKED: Reason.REVOKED,
}


def moment_of(calendar: Calendar | None, clock: Clock) -> Moment | None:
    """Return now, as documents count time; None if that cannot be known."""
    offset = calendar.offset(clock.now) if calendar is not None and clock.trusted else None
    try:
        return None if offset is None else Moment(clock.now, offset)
    except ValueError:
        return None


class Examination:
    """One tap of a wallet, at a door that takes documents."""

    def __init__(
        self,
        transaction: Transaction,
        examiner: Examiner | None,
        moment: Moment | None,
        know: Callable[[bytes], Knowledge],
    ) -> None:
        """`know` says whether a key has grants here, or is refused. Without an examiner no
        document can be judged.
        """
        self._transaction, self._examiner, self._moment = transaction, examiner, moment
        self._know = know
        self._method = Method.ALIRO_NFC
        self._said: Reason | None = None
        self.detail: str | None = None

    def dialogue(self) -> Dialogue[Outcome]:
        """Find out who is there, and ask for documents if nothing else is known of them."""
        outcome = yield from self._transaction.authenticate()
        if not isinstance(outcome, Proven):
            return outcome
        known = self._know(outcome.key)
        if known.grants:
            self._check_revoked()
            return outcome
        self._method = Method.ALIRO_NFC_DOCUMENT
        if known.denied is not None:
            return outcome
        if self._examiner is None:
            no_clock = Refused(credential.Reason.NO_CLOCK, "documents were lost, the time is too")
            self._refuse(no_clock)
            return outcome
        action = Capability.MOMENTARY_UNSECURE
        said = yield from by_documents(
            self._transaction, outcome, self._examiner, action, self._moment
        )
        match said:
            case Proven(key=key, issuer=str() as issuer):
                self._said = Reason.GRANTED
                self.detail = f"document of issuer {issuer[:16]}; device key {key.hex()}"
            case Proven():
                self._refuse(Refused(credential.Reason.NO_DOCUMENT, "this door asks for none"))
            case Refused():
                self._refuse(said)
        return outcome

    def attempt(self, proven: Proven) -> Attempt:
        """Return what was presented."""
        return Attempt(proven.key, self._method, proven=True, document=self._said)

    def not_written(self) -> None:
        """What came of it could not be written down: then nobody is let in by it."""
        if self._said is Reason.GRANTED:
            self._said = Reason.JOURNAL

    def _check_revoked(self) -> None:
        if self._examiner is None:
            return
        try:
            self._examiner.check_revoked(self._transaction.session.credential, self._moment)
        except RuleBroken as broken:
            self._refuse(Refused(broken.reason, str(broken)))

    def _refuse(self, refused: Refused) -> None:
        self._said = _REASONS.get(refused.reason, Reason.UNKNOWN)
        self.detail = f"{refused.reason.value}: {refused.detail}"[:200]


class Remembered:
    """What this door remembers of documents, from tap to tap and from start to start."""

    def __init__(self, notes: SealedNotes, *, began_anew: bool = False) -> None:
        """Read it; `is_lost` if some of it cannot be, or all went with an earlier journal."""
        self._notes = notes
        self._began_anew = began_anew
        self._memory = Memory(KpersistentStore())
        self._floor = 0
        self._stored: dict[str, Any] = {}
        self.is_lost = False
        self._load()

    def asking(
        self,
        kpersistents: KpersistentStore,
        wanted: Documents,
        issuers: Issuers,
        moment: Moment | None,
    ) -> Examiner | None:
        """Return what asks the next wallet for documents, or None: it cannot be told who is good.

        `kpersistents` are those that its transaction has. `store` what comes of it.
        """
        self._memory.kpersistents = kpersistents
        if self.is_lost:
            kpersistents.clear()  # whoever has shown a document is met in full again
            if moment is None:
                return None
            self._floor, self.is_lost = moment.utc, False
        longest = SEVEN_DAYS
        if self._floor and moment is not None:
            longest = min(longest, max(0, moment.utc - self._floor))
        return Examiner(
            issuers,
            self._memory,
            access=wanted.access,
            revocation=wanted.revocation,
            policy=Policy(longest=longest),
        )

    async def store(self) -> None:
        """Write down what has changed. Raises `Unusable`."""
        parts = self._parts()
        changed = {name: part for name, part in parts.items() if self._stored.get(name) != part}
        # Before the first tap with a document there is nothing to lose.
        if self.is_lost or not changed or (not self._stored and parts == _EMPTY):
            return
        bodies: dict[str, bytes] = {
            "documents": self._memory.documents.encode(),
            "iterations": parts["iterations"],
            "revocations": parts["revocations"],
            "documents-floor": cbor.encode(self._floor),
        }
        await self._notes.keep({name: bodies[name] for name in changed})
        self._stored = parts

    def _parts(self) -> dict[str, Any]:
        """What there is, comparable. In which order documents were used does not matter."""
        memory = self._memory
        return {
            "documents": dict(iter(memory.documents)),
            "iterations": memory.iterations.encode(),
            "revocations": memory.revocations.encode(),
            "documents-floor": self._floor,
        }

    def _load(self) -> None:
        try:
            found = self._read()
        except (Unusable, ValueError) as error:
            logger.warning("%s (%s)", LOST, error)
            self.is_lost = True
            return
        if found is not None:
            self._memory, self._floor = found
            self._stored = self._parts()

    def _read(self) -> tuple[Memory, int] | None:
        """What was stored, and the floor; None if nothing ever was."""
        load = self._notes.load
        documents = load("documents", DocumentCache.decode)
        iterations = load("iterations", Iterations.decode)
        revocations = load("revocations", RevocationList.decode)
        floor = load("documents-floor", _read_floor)
        parts = (documents, iterations, revocations, floor)
        if all(part is None for part in parts) and not self._began_anew:
            return None
        if documents is None or iterations is None or revocations is None or floor is None:
            raise ValueError("some of it is missing")
        return Memory(self._memory.kpersistents, iterations, revocations, documents), floor


def _read_floor(data: bytes) -> int:
    floor = cbor.decode(data, limit=16)
    if not isinstance(floor, int) or isinstance(floor, bool) or floor < 0:
        raise ValueError("these bytes are no stored time")
    return floor


_EMPTY: dict[str, Any] = {
    "documents": {},
    "iterations": Iterations().encode(),
    "revocations": RevocationList().encode(),
    "documents-floor": 0,
}


def read_issuers(wanted: Documents) -> Issuers:
    """Return whose documents count. `ValueError` or `RuleBroken` for what is no key."""
    keys = [PublicKey.parse(each) for each in wanted.issuers]
    return Issuers(keys, [PublicKey.parse(each) for each in wanted.authorities])
