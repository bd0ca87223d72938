"""What the sync needs of an MQTT client; `controller.sync.mqtt` has the real one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


class BusLost(Exception):
    """The broker is gone, or was never there. The text says which broker and why."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A message on a topic."""

    topic: str
    payload: bytes


class Connection(Protocol):
    """A live connection: at least once, in order per topic, while it lasts."""

    async def publish(self, publication: Publication) -> None:
        """Return once the broker has `publication`. Raises `BusLost`."""

    def messages(self) -> AsyncIterator[Publication]:
        """Yield what arrives on the subscribed topics. Raises `BusLost` at the end."""


class Bus(Protocol):
    """A broker that one can connect to again and again."""

    def connect(self, subscribe: tuple[str, ...]) -> AbstractAsyncContextManager[Connection]:
        """Connect and subscribe. Raises `BusLost`, also later from within the context."""
