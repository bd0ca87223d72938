"""Wallets that carry documents, before a door that knows nothing but who signs them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hw.sim.cards.documents import (
    ACCESS_ELEMENT,
    REVOCATION_ELEMENT,
    DocumentIssuer,
    weekly,
)
from hw.sim.cards.held import Aliro, HeldCard, Pkoc, new_card, new_p256
from hw.sim.cards.mischief import Mischief, respond
from shared.credential.aliro.documents.access_data import Capability
from shared.credential.aliro.documents.examiner import Examiner, Memory
from shared.credential.aliro.documents.issuers import Issuers
from shared.credential.aliro.documents.recurrence import Moment
from shared.credential.aliro.endings import ReaderStatus
from shared.credential.aliro.identity import ReaderIdentity
from shared.credential.aliro.kpersistent import KpersistentStore
from shared.credential.aliro.reader import Transaction
from shared.credential.aliro.step_up import by_documents
from shared.credential.exchange import Dialogue
from shared.credential.outcome import Outcome, Proven, Reason, Refused
from shared.credential.p256 import OwnKeys
from tests.bench.flow import converse

# A Wednesday, in winter.
NOON = int(datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp())
DAY, HOUR = 86_400, 3600
READER = ReaderIdentity(b"g" * 16, b"s" * 16, new_p256())
ISSUER, FOREIGN = DocumentIssuer(new_p256()), DocumentIssuer(new_p256())


def new_wallet() -> Aliro:
    return Aliro.new(READER.group, READER.group_key)


def shared_with(issuer: DocumentIssuer, hours: str | None = None) -> Aliro:
    held = new_wallet()
    holder = held.credential.key.public
    schedule = None if hours is None else weekly(hours)
    held.carry(issuer.access(holder, NOON, DAY, hours=schedule))
    return held


class Door:
    """It trusts `ISSUER` and remembers what it has seen."""

    def __init__(self) -> None:
        self.store = KpersistentStore()
        self.examiner = Examiner(
            Issuers([ISSUER.key.public]),
            Memory(self.store),
            access=(ACCESS_ELEMENT,),
            revocation=(REVOCATION_ELEMENT,),
        )

    def meet(self, held: Aliro, at: int = NOON, mischief: Mischief | None = None) -> Outcome:
        transaction = Transaction(
            READER, new_p256(), bytes(16), own_keys=OwnKeys([]), store=self.store
        )
        answer = respond(held, mischief)
        outcome = converse(self._ask(transaction, at), answer)
        opened = isinstance(outcome, Proven) and outcome.issuer is not None
        status = ReaderStatus.UNSECURED if opened else ReaderStatus.NO_ACCESS
        farewell = transaction.conclude(status)
        if farewell is not None:
            converse(farewell, answer)
        return outcome

    def _ask(self, transaction: Transaction, at: int) -> Dialogue[Outcome]:
        outcome = yield from transaction.authenticate()
        if not isinstance(outcome, Proven):
            return outcome
        action = Capability.MOMENTARY_UNSECURE
        return (yield from by_documents(transaction, outcome, self.examiner, action, Moment(at)))


def why(outcome: Outcome) -> Reason:
    assert isinstance(outcome, Refused)
    return outcome.reason


def test_who_carries_a_document_is_let_in_also_quickly() -> None:
    door, held = Door(), shared_with(ISSUER)
    for _ in range(2):
        outcome = door.meet(held)
        assert isinstance(outcome, Proven)
        assert outcome.issuer is not None
    assert len(door.store) == 1


def test_hours_count() -> None:
    held = shared_with(ISSUER, "wed 11:00-13:00")
    assert isinstance(Door().meet(held), Proven)
    assert why(Door().meet(held, NOON + HOUR)) is Reason.OUTSIDE_SCHEDULE


def test_it_ends_when_it_says() -> None:
    assert why(Door().meet(shared_with(ISSUER), NOON + DAY + 1)) is Reason.DOCUMENT_EXPIRED


def test_a_document_of_somebody_else_opens_nothing() -> None:
    assert why(Door().meet(shared_with(FOREIGN))) is Reason.UNKNOWN_ISSUER
    copied = Door().meet(shared_with(ISSUER), mischief=Mischief.COPIED_CERTIFICATE)
    assert why(copied) is Reason.OTHER_HOLDER


def test_a_wallet_without_documents_opens_nothing() -> None:
    assert why(Door().meet(new_wallet())) is Reason.NO_DOCUMENT
    with pytest.raises(ValueError, match="no certificate or document"):
        respond(new_wallet(), Mischief.COPIED_CERTIFICATE)


def test_others_carry_a_revocation_to_the_door() -> None:
    door, lost, other = Door(), shared_with(ISSUER), shared_with(ISSUER)
    assert isinstance(door.meet(lost), Proven)
    issuer = ISSUER.without(lost.credential.key.public)
    assert issuer.without(lost.credential.key.public) is issuer
    other.carry(issuer.revocation(NOON, DAY))
    assert isinstance(door.meet(other), Proven)
    assert why(door.meet(lost)) is Reason.CREDENTIAL_REVOKED


def test_documents_are_kept_with_the_card() -> None:
    held = shared_with(ISSUER, "mon-sun 00:00-24:00")
    held.carry(ISSUER.revocation(NOON, DAY))
    card = new_card("Ada's wallet", NOON, held)
    again = HeldCard.from_json(card.to_json())
    assert again.to_json() == card.to_json()
    assert isinstance(again.content, Aliro)
    assert again.content.credential.offer == held.credential.offer
    assert isinstance(Door().meet(again.content), Proven)


def test_a_new_document_takes_the_place_of_the_old() -> None:
    held = shared_with(FOREIGN)
    holder = held.credential.key.public
    held.carry(ISSUER.access(holder, NOON, DAY))
    assert len(held.credential.documents) == 1
    assert isinstance(Door().meet(held), Proven)


def test_a_card_without_documents_is_as_before() -> None:
    assert isinstance(new_card("Blue", NOON, Pkoc(new_p256())).content, Pkoc)
    assert new_card("W", NOON, new_wallet()).to_json()["aliro"]["documents"] == []


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("wed 12:00-13:00", NOON, NOON + HOUR),
        ("mon-fri 09:00-17:30", NOON + 5 * HOUR, NOON + 6 * HOUR),
        ("Fri-Mon 00:00-24:00", NOON + 2 * DAY, NOON),
        ("tue,wed 22:00-06:00", NOON + 17 * HOUR, NOON + 34 * HOUR + 2 * DAY),
        ("wed 09:00-09:00", NOON, NOON + DAY),
    ],
)
def test_hours_as_they_are_written(text: str, inside: int, outside: int) -> None:
    schedule = weekly(text)
    assert schedule.is_active(Moment(inside))
    assert not schedule.is_active(Moment(outside))


@pytest.mark.parametrize(
    "text", ["", "always", "mon 9-17", "mon 09:60-10:00", "mon 09:00-24:01", "day 09:00-10:00"]
)
def test_what_is_no_hours(text: str) -> None:
    with pytest.raises(ValueError, match=r"hours like|time of day|days are"):
        weekly(text)
