"""What the uplink needs of an MQTT client; `reader.mqtt` has the real one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


class BusLost(Exception):
    """The broker is gone, or was never there. The text says which broker and why."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A message for a topic."""

    topic: str
    payload: bytes
    retain: bool = False


class Connection(Protocol):
    """A live connection, at least once in both directions, in order."""

    async def publish(self, publication: Publication) -> None:
        """Hand `publication` to the broker. Raises `BusLost`."""

    def messages(self) -> AsyncIterator[Publication]:
        """Yield what arrives on the subscribed topics. Raises `BusLost` at the end."""


class Bus(Protocol):
    """A broker one can connect to again and again."""

    def connect(
        self, subscribe: tuple[str, ...], will: Publication
    ) -> AbstractAsyncContextManager[Connection]:
        """Connect, subscribe, leave `will` behind for a sudden end. Raises `BusLost`."""
