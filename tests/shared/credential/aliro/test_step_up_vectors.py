"""The transcripts of the step-up phase, byte for byte, from both ends."""

from __future__ import annotations

import pytest

from shared.credential.aliro.credential import Credential
from shared.credential.aliro.documents.access_data import Capability
from shared.credential.aliro.documents.encoding import read_date
from shared.credential.aliro.documents.examiner import Examiner, Memory
from shared.credential.aliro.documents.issuers import Issuers, issuer_id
from shared.credential.aliro.documents.messages import Document
from shared.credential.aliro.documents.recurrence import Moment
from shared.credential.aliro.documents.verification import Policy
from shared.credential.aliro.endings import ReaderStatus
from shared.credential.aliro.holder import Supplies
from shared.credential.aliro.kpersistent import KpersistentStore
from shared.credential.aliro.offer import Signaling
from shared.credential.aliro.reader import Settings
from shared.credential.aliro.step_up import by_documents, status_for
from shared.credential.aliro.step_up_holder import DocumentDevice, StepUpApplication
from shared.credential.apdu import CommandAPDU, ResponseAPDU
from shared.credential.card import Card
from shared.credential.outcome import Outcome, Proven, Reason, Refused
from tests.shared.credential.aliro.test_vectors import Case, Script, credential_of, transaction_of
from tests.shared.credential.aliro.vectors import FOLDER, Transcript

NAMES = sorted(path.stem for path in (FOLDER / "documents").glob("stepup_*.json"))


def transcript(name: str) -> Transcript:
    return Transcript(f"documents/{name}")


def test_none_is_forgotten() -> None:
    assert len(NAMES) == 2


@pytest.mark.parametrize("name", NAMES)
def test_reader(name: str) -> None:
    vector = transcript(name)
    script, store = Script(vector), KpersistentStore()
    transaction = transaction_of(vector, Case(settings=Settings(fast=False)), store)
    proven = script.run(transaction.authenticate())
    assert isinstance(proven, Proven)
    issuer = vector.public("credential_issuer", "public")
    examiner = Examiner(
        Issuers([issuer]), Memory(store), access=("floor1",), policy=Policy(longest=None)
    )
    moment = Moment(read_date(vector.raw["reader_time_utc"]))
    action = Capability.UNSECURE
    outcome: Outcome | None = script.run(
        by_documents(transaction, proven, examiner, action, moment)
    )
    if vector.raw["expected"]["outcome"] == "granted":
        assert isinstance(outcome, Proven)
        assert outcome.key == vector.hex("credential", "public")
        assert outcome.issuer == issuer_id(issuer).hex()
        status = ReaderStatus.UNSECURED
    else:
        assert outcome == Refused(Reason.OUTSIDE_SCHEDULE)
        assert isinstance(outcome, Refused)
        status = status_for(outcome)
    assert f"{status:04x}" == vector.raw["expected"]["reader_status"]
    farewell = transaction.conclude(status)
    assert farewell is not None
    script.run(farewell)
    assert script.is_over


@pytest.mark.parametrize("name", NAMES)
def test_device(name: str) -> None:
    """All that it says, whatever the pieces in which it says it."""
    vector = transcript(name)
    held: Credential = credential_of(vector)
    held.documents = (Document.decode(vector.hex("access_document")),)
    held.signaling |= Signaling.SELECT_STEP_UP
    phone = DocumentDevice([held], Supplies(lambda: vector.private("ephemeral", "device"), bytes))
    card = Card([phone, StepUpApplication(phone)])
    answered, recorded = [], []
    for command in vector.commands():
        if CommandAPDU.decode(command).ins == 0xC0:
            continue
        answer = ResponseAPDU.decode(card.receive(command))
        data = answer.data
        while answer.sw >> 8 == 0x61:
            answer = ResponseAPDU.decode(card.receive(bytes.fromhex("00c0000000")))
            data += answer.data
        answered.append((data, answer.sw))
    data = b""
    for response in map(ResponseAPDU.decode, vector.responses()):
        data += response.data
        if response.sw >> 8 != 0x61:
            recorded.append((data, response.sw))
            data = b""
    assert answered == recorded
    assert phone.ended is not None
    assert getattr(phone.ended, "status", None) == int(vector.raw["expected"]["reader_status"], 16)
