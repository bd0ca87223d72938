"""Phones and cards that come to a door: real holder sessions over links and tags in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from hw.ports import HardwareFault, Link, LinkClosed, Tag, TagLost
from shared.credential.card import Card
from shared.credential.outcome import Reason, Refused
from shared.credential.p256 import PrivateKey
from shared.credential.pkoc.ble_holder import Ending, HolderSession
from shared.credential.pkoc.identity import Keyring, KnownReader
from shared.credential.pkoc.nfc_holder import PkocApplication
from shared.credential.pkoc.reader_certificate import Issuers
from shared.credential.session import Finished, Send
from tests.reader.keys import KEYS, LOCATION, SITE
from tests.shared.credential.keys import key

KNOWN = Keyring([KnownReader(SITE, LOCATION, KEYS.pkoc.public)])
OPEN_HEARTED = Keyring([KnownReader(SITE, LOCATION, KEYS.pkoc.public)], normal_sites=[SITE])


class Listener:
    """Who comes to this radio, one after the other; the device may also fail."""

    def __init__(self) -> None:
        self._coming: asyncio.Queue[Link | Tag | HardwareFault] = asyncio.Queue()
        self.closed = False

    def fail(self, text: str) -> None:
        self._coming.put_nowait(HardwareFault(text))

    async def close(self) -> None:
        self.closed = True

    async def _next(self) -> Link | Tag:
        found = await self._coming.get()
        if isinstance(found, HardwareFault):
            raise found
        return found


class Phones(Listener):
    """A `hw.ports.LinkListener`."""

    def bring(self, link: PhoneLink) -> None:
        self._coming.put_nowait(link)

    async def accept(self) -> Link:
        found = await self._next()
        assert isinstance(found, PhoneLink)
        return found


class Cards(Listener):
    """A `hw.ports.TagListener`."""

    def bring(self, tag: CardTag) -> None:
        self._coming.put_nowait(tag)

    async def accept(self) -> Tag:
        found = await self._next()
        assert isinstance(found, CardTag)
        return found


@dataclass
class PhoneLink:
    """A `hw.ports.Link`. It breaks before message number `cut_at`, counted in both directions."""

    mtu: int = 247
    peer: str = "5A:00:00:00:00:01"
    cut_at: int = -1
    slow: float = 0.0  # seconds the phone takes for each answer
    deaf: bool = False  # takes in nothing
    to_phone: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    to_reader: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    passed: int = 0
    lost: bool = False
    closes: int = 0

    async def receive(self) -> bytes:
        message = await self.to_reader.get()
        if message is None:
            self.to_reader.put_nowait(None)
            raise LinkClosed("the phone has gone")
        return message

    async def send(self, message: bytes) -> None:
        assert len(message) <= self.mtu - 3
        if self.deaf:
            await asyncio.Event().wait()
        if not self._pass():
            raise LinkClosed("the phone has gone")
        self.to_phone.put_nowait(message)

    async def close(self) -> None:
        self.closes += 1
        self.lose()

    def lose(self) -> None:
        self.lost = True
        self.to_phone.put_nowait(None)
        self.to_reader.put_nowait(None)

    def write(self, message: bytes) -> None:
        """The phone writes."""
        if self._pass():
            self.to_reader.put_nowait(message)

    def _pass(self) -> bool:
        if self.passed == self.cut_at:
            self.lose()
        self.passed += 1
        return not self.lost

    async def tap(
        self,
        credential: PrivateKey,
        keyring: Keyring = KNOWN,
        *,
        issuers: Issuers | None = None,
        spoil: Callable[[bytes], bytes] = lambda message: message,
    ) -> Ending:
        """Be a phone with `credential`, until it knows the result."""
        now = asyncio.get_running_loop().time
        ephemeral = key(f"ephemeral of {id(self)}")
        session = HolderSession(
            credential, ephemeral, keyring, last_update=0, now=now(), issuers=issuers
        )
        while True:
            message = await self.to_phone.get()
            step = session.lost() if message is None else session.receive(message, now())
            if self.slow:
                await asyncio.sleep(self.slow)
            match step:
                case Finished(outcome):
                    self.lose()
                    return outcome
                case Send(answer):
                    self.write(spoil(answer))
                case None if message is None:
                    return Refused(Reason.LINK_LOST)
                case None:
                    pass


@dataclass
class CardTag:
    """A `hw.ports.Tag` with a card's session in it; gone before command number `gone_at`."""

    credential: PrivateKey
    uid: bytes = b"\x04abcdef"
    iso_dep: bool = True
    gone_at: int = -1
    slow: float = 0.0
    answers: Callable[[bytes], bytes] | None = None  # in place of the PKOC card's own
    commands: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._session = Card([PkocApplication(self.credential)])

    async def transceive(self, apdu: bytes) -> bytes:
        assert not self.released.is_set()
        if self.commands == self.gone_at:
            raise TagLost("the card has left")
        self.commands += 1
        await asyncio.sleep(self.slow)
        return self.answers(apdu) if self.answers else self._session.receive(apdu)

    async def release(self) -> None:
        self.released.set()
