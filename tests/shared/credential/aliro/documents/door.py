"""A door that takes documents, and devices that carry them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.credential.aliro.credential import Credential
from shared.credential.aliro.documents.access_data import Capability
from shared.credential.aliro.documents.encoding import write_date
from shared.credential.aliro.documents.examiner import Examiner, Memory
from shared.credential.aliro.documents.issuers import Issuers
from shared.credential.aliro.documents.messages import DeviceRequest, DeviceResponse, Document
from shared.credential.aliro.documents.recurrence import Moment
from shared.credential.aliro.documents.verification import DEFAULT, Policy
from shared.credential.aliro.endings import ReaderStatus
from shared.credential.aliro.holder import Supplies
from shared.credential.aliro.kpersistent import KpersistentStore
from shared.credential.aliro.offer import Signaling
from shared.credential.aliro.step_up import by_documents, status_for
from shared.credential.aliro.step_up_holder import DocumentDevice, StepUpApplication
from shared.credential.card import Card
from shared.credential.outcome import Outcome, Proven, Reason, Refused
from shared.credential.p256 import PrivateKey
from tests.shared.credential.aliro.documents.ends import FLOOR, ISSUERS, MOMENT, NOW, noise
from tests.shared.credential.aliro.ends import ALICE, Door, Tap, credential, fresh, status_heard

STEP_UP = ["SELECT", "AUTH0", "AUTH1", "SELECT", "ENVELOPE", "GET RESPONSE", "EXCHANGE"]
_SIGNED = write_date(NOW).encode()


class Careless(DocumentDevice):
    """Serves whatever it has, asked for or not."""

    def respond(self, credential: Credential, request: DeviceRequest) -> DeviceResponse:
        return DeviceResponse(credential.documents)


class Phone:
    """Both applications of a device, with what it carries; a new activation for each tap."""

    def __init__(
        self,
        *documents: Document,
        who: PrivateKey = ALICE,
        select: bool = True,
        kind: type[DocumentDevice] = DocumentDevice,
    ) -> None:
        self.credential = credential(who)
        self._select = select
        self.carry(*documents)
        self.device = kind([self.credential], Supplies(fresh("device"), noise))

    def carry(self, *documents: Document) -> Phone:
        """These from now on, and no others."""
        types = {each.kind for each in documents}
        held = self.credential
        held.documents = documents
        held.access_signed = held.revocation_signed = None
        if "aliro-r" in types:
            held.revocation_signed = _SIGNED
        if types - {"aliro-r"}:
            held.access_signed = _SIGNED
        held.signaling = Signaling.SELECT_STEP_UP if self._select else Signaling.NONE
        return self

    @property
    def card(self) -> Card:
        return Card([self.device, StepUpApplication(self.device)])

    @property
    def status(self) -> int:
        return status_heard(self.device)

    @property
    def is_admitted(self) -> bool:
        """As certification judges it: by the high byte of the reader status."""
        return self.status >> 8 == 1


@dataclass
class DocumentDoor(Door):
    """Lets in whom documents let in, and nobody else."""

    issuers: Issuers = ISSUERS
    access: tuple[str, ...] = (FLOOR,)
    revocation: tuple[str, ...] = ()
    policy: Policy = DEFAULT
    reader_rules: Sequence[int] = ()
    action: Capability = Capability.UNSECURE
    moment: Moment | None = MOMENT
    memory: Memory = field(default_factory=lambda: Memory(KpersistentStore()))

    def __post_init__(self) -> None:
        self.store = self.memory.kpersistents

    @property
    def examiner(self) -> Examiner:
        return Examiner(
            self.issuers,
            self.memory,
            access=self.access,
            revocation=self.revocation,
            policy=self.policy,
            reader_rules=self.reader_rules,
        )

    def visit(self, phone: Phone | Card) -> Tap:
        """One whole transaction, decided by documents."""
        tap = Tap(phone if isinstance(phone, Card) else phone.card)
        transaction = self.transaction()
        tap.outcome = tap.run(transaction.authenticate())
        if isinstance(tap.outcome, Proven):
            judging = by_documents(
                transaction, tap.outcome, self.examiner, self.action, self.moment
            )
            tap.outcome = tap.run(judging)
        farewell = transaction.conclude(last_word(tap.outcome))
        assert farewell is not None
        tap.run(farewell)
        return tap

    def refuses(self, phone: Phone) -> Reason:
        """The reason of a visit that ends in a refusal, of which the device has been told."""
        refused = self.visit(phone).refused
        assert not phone.is_admitted
        return refused

    def admits(self, phone: Phone) -> None:
        self.visit(phone).proven  # noqa: B018  (it asserts)
        assert phone.is_admitted


def last_word(outcome: Outcome) -> ReaderStatus:
    return status_for(outcome) if isinstance(outcome, Refused) else ReaderStatus.UNSECURED
