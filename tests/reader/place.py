"""A door with people before it, for tests of whole taps."""

from __future__ import annotations

from dataclasses import dataclass

from hw.ports import Signal
from shared.access.rows import Flag, Row
from shared.credential.outcome import Reason as ProofReason
from shared.credential.p256 import PrivateKey
from shared.credential.pkoc.ble_holder import Hint
from shared.credential.pkoc.ble_messages import Status
from shared.wire.events import Event
from tests.reader.office import Office
from tests.reader.people import Cards, CardTag, PhoneLink, Phones
from tests.reader.rig import Rig
from tests.shared.credential.keys import key

ALICE, BOB, MALLORY = key("alice"), key("bob"), key("mallory")
ONCE = int(Flag.OWNED_USES)


@dataclass
class Place:
    """A door with people before it."""

    rig: Rig
    office: Office
    phones: Phones
    cards: Cards

    async def edit(self, *rows: Row) -> None:
        """Change the plan, and wait until the reader has it."""
        self.office.edit(rows)
        self.rig.controller.push()
        await self.rig.wait(0.1)
        assert self.rig.memory.cache.plan == self.office.state

    async def phone(self, credential: PrivateKey = ALICE, **more: object) -> Status | ProofReason:
        """Tap with a phone and return what it was told."""
        link = PhoneLink(**more)  # type: ignore[arg-type]  # the names are those of PhoneLink
        self.phones.bring(link)
        ending = await link.tap(credential)
        await self.rig.wait(0)
        return ending.status if isinstance(ending, Hint) else ending.reason

    async def card(self, credential: PrivateKey = ALICE, **more: object) -> bool:
        """Tap with a card and return whether the door let go."""
        tag = CardTag(credential, **more)  # type: ignore[arg-type]  # the names are those of CardTag
        self.cards.bring(tag)
        await tag.released.wait()
        return self.rig.is_released()

    def shown(self) -> Signal:
        """What the door shows at this moment."""
        return self.rig.door.state.signal

    async def accesses(self) -> list[Event]:
        """Every attempt that was recorded."""
        await self.rig.wait(0.1)
        return self.rig.controller.events("access")

    async def only(self) -> Event:
        [event] = await self.accesses()
        return event
