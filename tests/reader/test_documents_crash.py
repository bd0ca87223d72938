"""A power cut around a tap with documents: what had been let go of once lets nobody in again."""

from __future__ import annotations

import random
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from dataclasses import replace as changed
from pathlib import Path

import pytest

from reader.memory import JOURNAL
from shared.access.decide import Reason
from shared.credential.p256 import PrivateKey
from shared.wire.events import Event, EventKind, decode_event
from tests.reader.bus import Broker
from tests.reader.controller import Controller
from tests.reader.office import DOOR, FRAME, Office
from tests.reader.place import ALICE, BOB, MALLORY, Place
from tests.reader.test_documents import (
    CERTIFIED,
    GOOD,
    ISSUERS,
    TAKES,
    Wallet,
    document,
    revoked,
    started,
)
from tests.reader.virtual import run

LOG = f"{JOURNAL}-wal"
# A write-ahead log begins with 32 bytes; then come pages, each with 24 bytes before it.
HEAD, FRAME_HEAD = 32, 24
CAROL = MALLORY


class Kept(Place):
    """A place whose reader keeps all its events: nobody confirms any."""

    async def accesses(self) -> list[Event]:
        await self.rig.wait(0.1)
        batch = self.rig.memory.journal.batch(1)
        events = [decode_event(each) for each in batch.entries] if batch else []
        return [each for each in events if each.kind is EventKind.ACCESS]


@asynccontextmanager
async def powered(
    folder: Path, office: Office, boot: int, *, online: bool = True
) -> AsyncIterator[Place]:
    """A reader whose controller has never heard of it, and is mute if it is not `online`."""
    broker = Broker()
    controller = Controller(broker, office)
    controller.receipts, controller.answers = False, online
    more = {"broker": broker, "controller": controller, "boot": f"boot {boot}"}
    async with started(folder, office, **more) as place:
        yield Kept(place.rig, place.office, place.phones, place.cards)


def office() -> Office:
    return Office([*FRAME, TAKES, ISSUERS, CERTIFIED])


def news() -> Wallet:
    """Somebody whose documents void that of Alice, and revoke Bob."""
    return Wallet(CAROL, document(CAROL, changed(GOOD, iteration=9)), revoked(BOB))


async def reason(place: Place, wallet: Wallet) -> Reason | None:
    """What the door says to it, and does."""
    event = await wallet.tap(place)
    assert event is not None
    assert place.rig.is_released() == (event.reason is Reason.GRANTED)
    if place.rig.is_released():
        await place.rig.wait(2 * DOOR.release)
    return event.reason


def is_let_in(events: list[Event], who: PrivateKey) -> bool:
    """Whether they say so."""
    point = who.public.point.hex()
    return any(each.reason is Reason.GRANTED and point in (each.detail or "") for each in events)


@dataclass
class Card:
    """What lay on the reader's card: a folder, with a log that was `released` bytes long when the
    strike let go for whoever brought the news.
    """

    folder: Path
    log: bytes
    released: int

    def cut(self, to: Path, size: int) -> Path:
        """The card after a power cut when so much of the log had been written."""
        shutil.copytree(self.folder, to)
        (to / LOG).write_bytes(self.log[:size])
        return to

    def commits(self) -> list[int]:
        """How long the log was after each transaction."""
        size = FRAME_HEAD + int.from_bytes(self.log[8:12], "big")
        starts = range(HEAD, len(self.log) - size + 1, size)
        return [at + size for at in starts if any(self.log[at + 4 : at + 8])]


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    """Alice and Bob have been let in; then Carol brings the news."""
    base = tmp_path_factory.mktemp("cut")

    async def fill() -> Card:
        office_, folder, sizes = office(), base / "reader", list[int]()
        async with powered(folder, office_, 1) as place:
            for who in (ALICE, BOB):
                assert await reason(place, Wallet(who, document(who))) is Reason.GRANTED
        async with powered(folder, office_, 2) as place:
            door = place.rig.door
            moves = door.set_released

            def look(*, released: bool) -> None:
                sizes.append((folder / LOG).stat().st_size if released else 0)
                moves(released=released)

            door.set_released = look  # type: ignore[method-assign]  # to look at that moment
            assert await reason(place, news()) is Reason.GRANTED
            shutil.copytree(folder, base / "card")
        log = (base / "card" / LOG).read_bytes()
        return Card(base / "card", log, max(sizes))

    return run(fill())


def after(card: Card, folder: Path, size: int) -> tuple[set[Reason | None], bool]:
    """What the door says to Alice and Bob after that cut; whether it knows that Carol was in."""

    async def tap() -> tuple[set[Reason | None], bool]:
        async with powered(card.cut(folder, size), office(), 3) as place:
            knows = is_let_in(await place.accesses(), CAROL)
            said = {await reason(place, Wallet(who, document(who))) for who in (ALICE, BOB)}
            return said, knows

    return run(tap())


BEFORE, AFTER = {Reason.GRANTED}, {Reason.EXPIRED, Reason.REVOKED}


def test_a_log_cut_short_anywhere_knows_all_of_the_news_or_nothing(
    tmp_path: Path, card: Card
) -> None:
    commits, chance = card.commits(), random.Random(5)
    torn = [chance.randrange(len(card.log)) for _ in range(10)]
    cuts = sorted({HEAD, *commits, *torn, card.released})
    found = [(cut, *after(card, tmp_path / str(cut), cut)) for cut in cuts]
    assert all(said in (BEFORE, AFTER) for _, said, _ in found)
    # Nobody has been let in by news that a power cut takes away again.
    assert all(said == AFTER for cut, said, knows in found if cut >= card.released or knows)
    first = next(at for at, (_, said, _) in enumerate(found) if said == AFTER)
    assert first > 0
    assert all(said == AFTER for _, said, _ in found[first:])
    assert not found[first][2]
    assert found[-1][2]


def test_what_the_door_has_let_somebody_in_by_outlives_a_power_cut_at_that_moment(
    tmp_path: Path, card: Card
) -> None:
    assert after(card, tmp_path / "now", card.released) == (AFTER, False)
    assert HEAD < card.released < len(card.log)


async def test_a_cut_in_the_middle_of_a_quick_tap_brings_nobody_back(tmp_path: Path) -> None:
    """The secrets for quick taps are written after the documents: they may be older."""
    bob, alice = Wallet(BOB, document(BOB)), Wallet(ALICE, document())
    async with powered(tmp_path, office(), 1) as place:
        for wallet in (alice, bob):
            assert await reason(place, wallet) is Reason.GRANTED
        notes = place.rig.memory.journal
        secrets = notes.note("kpersistents", bytes)
        assert await reason(place, news()) is Reason.GRANTED
        await notes.keep("kpersistents", secrets)
    async with powered(tmp_path, office(), 2) as place:
        assert await reason(place, bob) is Reason.REVOKED
        assert bob.was_quick
        # No document of hers is kept any more; then she is met in full, and shows the old one.
        assert await reason(place, alice) is Reason.UNKNOWN
        assert await reason(place, alice) is Reason.EXPIRED
    assert alice.held.kpersistents


class TestWithoutTime:
    """A reader that was switched off and hears from nobody what time it is."""

    async def test_nobody_is_let_in_by_a_document(self, tmp_path: Path) -> None:
        known, new = Wallet(ALICE, document()), Wallet(CAROL, document(CAROL))
        async with powered(tmp_path, office(), 1) as place:
            assert await reason(place, known) is Reason.GRANTED
        async with powered(tmp_path, office(), 2, online=False) as place:
            assert not place.rig.memory.clock.read().trusted
            for wallet in (known, known, new):
                assert await reason(place, wallet) is Reason.CLOCK
            place.rig.controller.answers = True
            await place.rig.reconnect()
            for wallet in (known, new):
                assert await reason(place, wallet) is Reason.GRANTED

    async def test_revocations_hold_and_are_taken_all_the_same(self, tmp_path: Path) -> None:
        bob, alice = Wallet(BOB, document(BOB)), Wallet(ALICE, document())
        async with powered(tmp_path, office(), 1) as place:
            for wallet in (alice, bob):
                assert await reason(place, wallet) is Reason.GRANTED
        async with powered(tmp_path, office(), 2, online=False) as place:
            assert await reason(place, news()) is Reason.CLOCK
            assert await reason(place, bob) is Reason.REVOKED
            place.rig.controller.answers = True
            await place.rig.reconnect()
            assert await reason(place, bob) is Reason.REVOKED
            assert await reason(place, news()) is Reason.GRANTED
            assert await reason(place, alice) is Reason.EXPIRED

    async def test_a_revoked_key_is_told_so_and_not_to_come_back(self, tmp_path: Path) -> None:
        bob = Wallet(BOB, document(BOB))
        async with powered(tmp_path, office(), 1) as place:
            for wallet, said in ((bob, Reason.GRANTED), (news(), Reason.GRANTED)):
                assert await reason(place, wallet) is said
        async with powered(tmp_path, office(), 2, online=False) as place:
            assert await reason(place, bob) is Reason.REVOKED
