"""The example in the package's README runs as it stands."""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path

import shared.credential
from shared.credential.outcome import Proven
from shared.credential.p256 import OwnKeys
from shared.credential.pkoc.ble_reader import ReaderSession
from shared.credential.session import Finished, Send
from tests.shared.credential.keys import key
from tests.shared.credential.pkoc.ends import ALICE, READER, ble_holder_session


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


def test_the_example_opens_the_door() -> None:
    text = (Path(shared.credential.__file__).parent / "README.md").read_text()
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found
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
    exec(found[1], names)  # noqa: S102  (our own file)
    assert link.notified[-1] == bytes.fromhex("040103")
