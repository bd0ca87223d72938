"""The examples in the package's README run as they stand."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeVar

import pytest

import shared.credential
from shared.credential.aliro.documents.access_data import Capability
from shared.credential.aliro.documents.messages import Document
from shared.credential.aliro.documents.recurrence import Moment
from shared.credential.aliro.endings import ReaderStatus
from shared.credential.aliro.reader import Transaction
from shared.credential.aliro.step_up import by_documents, status_for
from shared.credential.card import Card
from shared.credential.exchange import Dialogue
from shared.credential.outcome import Outcome, Proven, Refused
from shared.credential.p256 import OwnKeys
from shared.credential.pkoc import nfc_reader
from shared.credential.pkoc.ble_reader import ReaderSession
from shared.credential.pkoc.nfc_holder import PkocApplication
from shared.credential.selection import try_in_order
from shared.credential.session import Finished, Send
from shared.credential.tag import DialogueSession, TagSession
from tests.shared.credential.aliro import ends
from tests.shared.credential.aliro.documents.door import DocumentDoor, Phone
from tests.shared.credential.aliro.documents.ends import NOW, access
from tests.shared.credential.keys import key
from tests.shared.credential.pkoc.ends import ALICE, READER, TRANSACTION, ble_holder_session

Result = TypeVar("Result")


class Wire:
    """A phone on a perfect link."""

    def __init__(self) -> None:
        self._phone = ble_holder_session()
        self._writes: deque[bytes] = deque()
        self.notified: list[bytes] = []

    def notify(self, message: bytes) -> None:
        self.notified.append(message)
        step = self._phone.receive(message, 0.0)
        if isinstance(step, Send):
            self._writes.append(step.message)

    def next_write(self) -> bytes:
        return self._writes.popleft()


TEXT = (Path(shared.credential.__file__).parent / "README.md").read_text()
OVER_BLE, OVER_NFC, ALIRO, DOCUMENTS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


class Tag:
    """A card in the field."""

    def __init__(self) -> None:
        self._card = Card([PkocApplication(ALICE)])

    def transceive(self, command: bytes) -> bytes:
        return self._card.receive(command)


def test_the_ble_example_opens_the_door() -> None:
    link = Wire()
    names = {
        "ReaderSession": ReaderSession,
        "Send": Send,
        "Finished": Finished,
        "Proven": Proven,
        "identity": READER,
        "ephemeral": key("reader ephemeral"),
        "own_keys": OwnKeys([READER.key.public]),
        "enrolled": {ALICE.public.point},
        "clock": lambda: 0.0,
        "link": link,
    }
    exec(OVER_BLE, names)  # noqa: S102  (our own file)
    assert link.notified[-1] == bytes.fromhex("040103")


def test_the_nfc_example_knows_the_card() -> None:
    names = {
        "nfc_reader": nfc_reader,
        "TagSession": TagSession,
        "try_in_order": try_in_order,
        "Send": Send,
        "identity": READER,
        "transaction_id": TRANSACTION,
        "own_keys": OwnKeys([READER.key.public]),
        "clock": lambda: 0.0,
        "tag": Tag(),
    }
    exec(OVER_NFC, names)  # noqa: S102  (our own file)
    step = names["step"]
    assert isinstance(step, Finished)
    assert isinstance(step.outcome, Proven)
    assert step.outcome.key == ALICE.public.point


def converse_with(card: Card) -> Callable[[DialogueSession[Result]], Result | Refused]:
    def converse(session: DialogueSession[Result]) -> Result | Refused:
        step: Send | Finished[Result | Refused] | None = Send(session.start())
        while isinstance(step, Send):
            step = session.receive(card.receive(step.message), 0.0)
        assert step is not None
        return step.outcome

    return converse


def test_the_aliro_example_opens_the_door_and_says_so() -> None:
    phone, door = ends.device(), ends.Door()
    names = {
        "Transaction": Transaction,
        "TagSession": TagSession,
        "DialogueSession": DialogueSession,
        "try_in_order": try_in_order,
        "Proven": Proven,
        "ReaderStatus": ReaderStatus,
        "identity": ends.READER,
        "ephemeral": key("reader ephemeral"),
        "number": TRANSACTION,
        "own_keys": OwnKeys([ends.READER.key.public]),
        "store": door.store,
        "pkoc": nfc_reader.dialogue(READER, TRANSACTION, own_keys=OwnKeys([])),
        "enrolled": {ends.ALICE.public.point},
        "clock": lambda: 0.0,
        "converse": converse_with(Card([phone])),
    }
    exec(ALIRO, names)  # noqa: S102  (our own file)
    assert ends.status_heard(phone) == ReaderStatus.UNSECURED
    assert len(door.store) == 1


@pytest.mark.parametrize("document", [access(), access(holder=ends.BOB.public)])
def test_the_example_with_documents(document: Document) -> None:
    phone, door = Phone(document), DocumentDoor()
    aliro, card = door.transaction(), phone.card
    names = {
        "Dialogue": Dialogue,
        "Outcome": Outcome,
        "Proven": Proven,
        "Refused": Refused,
        "Capability": Capability,
        "Moment": Moment,
        "TagSession": TagSession,
        "ReaderStatus": ReaderStatus,
        "by_documents": by_documents,
        "status_for": status_for,
        "aliro": aliro,
        "enrolled": set[bytes](),
        "examiner": door.examiner,
        "utc": NOW,
        "offset": 3600,
        "clock": lambda: 0.0,
        "converse": converse_with(card),
    }
    exec(DOCUMENTS, names)  # noqa: S102  (our own file)
    farewell = names["farewell"]
    assert isinstance(farewell, Generator)
    converse_with(card)(DialogueSession(farewell, now=0.0))
    is_alices = document == access()
    assert phone.status == (ReaderStatus.UNSECURED if is_alices else ReaderStatus.INVALID_CONTENT)
