"""Phone wallets at a door: met, recognised at the next tap, told how it ended, and forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace

from reader.certificates import Certificates
from reader.memory import open_memory
from reader.wallets import NOTE, Wallets, aliro_key
from shared.access.decide import DenyCause, Reason
from shared.access.rows import Method, ReaderCertificates
from shared.credential.aliro.certificate import ReaderCertificate
from shared.credential.aliro.credential import Credential
from shared.credential.aliro.endings import Exchange, ReaderStatus
from shared.credential.aliro.holder import Supplies, UserDevice
from shared.credential.apdu import CommandAPDU
from shared.credential.card import Card
from shared.credential.p256 import PrivateKey
from shared.credential.pkoc.nfc_holder import PkocApplication
from shared.wire.messages import Hello
from tests.reader.keys import ENROLMENT, GROUP, KEYS, LOCATION, WALLET_ISSUER
from tests.reader.office import DOOR, FRAME, Office, for_wallets, grant_of
from tests.reader.people import Cards, CardTag, Phones
from tests.reader.place import ALICE, BOB, MALLORY, Place
from tests.reader.rig import LoopTime, running
from tests.shared.credential.keys import key

ALIRO = replace(DOOR, methods=(Method.ALIRO_NFC, Method.PKOC_NFC))
READER = aliro_key(KEYS.pkoc)
CERTIFIED = ReaderCertificates(for_wallets())


class Wallet:
    """A phone with one credential, and what it was asked at its last tap."""

    def __init__(
        self,
        holder: PrivateKey,
        group_key: PrivateKey = WALLET_ISSUER,
        group: bytes = GROUP,
    ) -> None:
        numbers = count()
        supplies = Supplies(
            ephemeral=lambda: key(f"{holder.public!r} {next(numbers)}"),
            random=bytes,
        )
        self.credential = Credential(holder, group, group_key.public)
        self.device = UserDevice([self.credential], supplies)
        self.asked: list[int] = []

    def receive(self, raw: bytes) -> bytes:
        self.asked.append(CommandAPDU.decode(raw).ins)
        return self._card.receive(raw)

    async def tap(self, place: Place, **more: object) -> ReaderStatus | None:
        """Hold the phone to the door; what the reader said last, if it said a status."""
        self._card, self.asked = Card([self.device]), []
        tag = CardTag(ALICE, answers=self.receive, **more)  # type: ignore[arg-type]
        place.cards.bring(tag)
        await tag.released.wait()
        ended = self.device.ended
        said = ended.status if isinstance(ended, Exchange) else None
        return None if said is None else ReaderStatus(said)

    def was_quick(self) -> bool:
        """Whether the last tap did without AUTH1."""
        return 0x81 not in self.asked


@pytest.fixture
def office() -> Office:
    return Office([*FRAME, ALIRO, CERTIFIED, grant_of(ALICE.public, 1), grant_of(BOB.public, 2)])


@pytest_asyncio.fixture
async def place(tmp_path: Path, office: Office) -> AsyncIterator[Place]:
    phones, cards = Phones(), Cards()
    async with running(tmp_path, office, links=phones, tags=cards) as rig:
        await rig.wait()
        yield Place(rig, office, phones, cards)


async def test_a_wallet_opens_and_is_told(place: Place) -> None:
    wallet = Wallet(ALICE)
    assert await wallet.tap(place) is ReaderStatus.UNSECURED
    assert place.rig.is_released()
    event = await place.only()
    assert (event.reason, event.method, event.person) == (Reason.GRANTED, Method.ALIRO_NFC, 1001)


async def test_the_second_tap_is_quick(place: Place) -> None:
    wallet = Wallet(ALICE)
    await wallet.tap(place)
    assert not wallet.was_quick()
    assert await wallet.tap(place) is ReaderStatus.UNSECURED
    assert wallet.was_quick()
    assert [event.reason for event in await place.accesses()] == [Reason.GRANTED] * 2


async def test_somebody_else_is_met_in_full(place: Place) -> None:
    await Wallet(ALICE).tap(place)
    other = Wallet(BOB)
    assert await other.tap(place) is ReaderStatus.UNSECURED
    assert not other.was_quick()
    await other.tap(place)
    assert other.was_quick()


async def test_it_is_quick_after_a_restart(tmp_path: Path, office: Office) -> None:
    wallet = Wallet(ALICE)
    for quick in (False, True, True):
        phones, cards = Phones(), Cards()
        async with running(tmp_path, office, links=phones, tags=cards) as rig:
            await rig.wait()
            assert await wallet.tap(Place(rig, office, phones, cards)) is ReaderStatus.UNSECURED
            assert wallet.was_quick() is quick


async def test_a_refused_wallet_is_told_no_more_than_that(place: Place) -> None:
    wallet = Wallet(MALLORY)
    for _ in range(2):
        assert await wallet.tap(place) is ReaderStatus.NO_ACCESS
        assert not wallet.was_quick()  # and it is not remembered
    assert not place.rig.is_released()
    assert {event.reason for event in await place.accesses()} == {Reason.UNKNOWN}


async def test_a_revoked_wallet_is_refused_quickly_and_forgotten(place: Place) -> None:
    wallet = Wallet(ALICE)
    await wallet.tap(place)
    place.office.deny(ALICE.public.point, DenyCause.STOLEN)
    place.rig.controller.push()
    await place.rig.wait(10)
    assert await wallet.tap(place) is ReaderStatus.NO_ACCESS
    assert wallet.was_quick()
    assert not place.rig.is_released()
    place.office.deny(ALICE.public.point, None)
    place.rig.controller.push()
    await place.rig.wait(1)
    await wallet.tap(place)
    assert not wallet.was_quick()


@pytest.mark.parametrize(
    ("group", "group_key"),
    [
        (GROUP, key("another issuer")),
        (b"another group id", WALLET_ISSUER),
        (GROUP, READER),  # what the reader itself holds speaks for no group
    ],
)
async def test_a_wallet_of_another_site_says_nothing(
    place: Place, group: bytes, group_key: PrivateKey
) -> None:
    stranger = Wallet(ALICE, group_key, group)
    assert await stranger.tap(place) is None
    assert not place.rig.is_released()
    assert (await place.only()).reason is Reason.BAD_PROOF


async def test_a_wallet_that_leaves_before_it_is_told_has_opened(place: Place) -> None:
    assert await Wallet(ALICE).tap(place, gone_at=4) is None
    assert place.rig.is_released()
    assert (await place.only()).reason is Reason.GRANTED


async def test_a_pkoc_card_is_read_after_it_has_said_that_it_is_none(place: Place) -> None:
    assert await place.card()
    assert (await place.only()).method is Method.PKOC_NFC


async def test_the_controller_learns_the_key_for_wallets(place: Place) -> None:
    assert place.rig.controller.last(Hello).wallet_key == READER.public.point


async def test_a_wallet_files_the_door_under_group_and_location(place: Place) -> None:
    wallet = Wallet(ALICE)
    await wallet.tap(place)
    assert list(wallet.credential.kpersistents) == [GROUP + LOCATION]


async def test_a_renewed_certificate_makes_no_tap_slow(place: Place) -> None:
    wallet = Wallet(ALICE)
    await wallet.tap(place)
    renewed = for_wallets()
    later = ReaderCertificate.issue(WALLET_ISSUER, READER.public, serial=2).encode()
    await place.edit(ReaderCertificates(replace(renewed, certificate=later)))
    assert await wallet.tap(place) is ReaderStatus.UNSECURED
    assert wallet.was_quick()


@pytest.mark.parametrize("restart", [False, True])
async def test_whoever_was_met_in_another_group_is_forgotten(
    tmp_path: Path, office: Office, restart: bool
) -> None:
    old, new = Wallet(ALICE), Wallet(ALICE, key("next"), b"the next group..")
    phones, cards = Phones(), Cards()
    async with running(tmp_path, office, links=phones, tags=cards) as rig:
        await rig.wait()
        place = Place(rig, office, phones, cards)
        await old.tap(place)
        await place.edit(ReaderCertificates(for_wallets(key("next"), group=b"the next group..")))
        if not restart:
            await introduction(place, old, new)
    if restart:
        async with running(tmp_path, office, links=phones, tags=cards) as rig:
            await rig.wait()
            await introduction(Place(rig, office, phones, cards), old, new)


async def introduction(place: Place, old: Wallet, new: Wallet) -> None:
    """The wallet of the old group is nobody, that of the new one is met in full."""
    assert await old.tap(place) is None
    assert 0x81 not in old.asked
    assert await new.tap(place) is ReaderStatus.UNSECURED
    assert not new.was_quick()
    await new.tap(place)
    assert new.was_quick()


class TestAtRest:
    async def remembered(self, folder: Path, spoil: bytes | None = None) -> int:
        """How many wallets the next start knows."""
        memory = open_memory(folder, LoopTime())
        try:
            if spoil is not None:
                await memory.journal.keep(NOTE, spoil)
            shown = Certificates(ENROLMENT, KEYS).shown(CERTIFIED)
            assert shown.aliro is not None
            wallets = Wallets(KEYS, memory.journal)
            wallets.transaction(shown.aliro, shown.own_keys)
            return len(wallets.store)
        finally:
            memory.close()

    async def test_nothing_of_it_is_readable(self, tmp_path: Path, office: Office) -> None:
        phones, cards = Phones(), Cards()
        async with running(tmp_path, office, links=phones, tags=cards) as rig:
            await rig.wait()
            await Wallet(ALICE).tap(Place(rig, office, phones, cards))
        assert await self.remembered(tmp_path) == 1
        memory = open_memory(tmp_path, LoopTime())
        sealed = memory.journal.note(NOTE, bytes)
        memory.close()
        assert sealed is not None
        assert ALICE.public.x not in sealed

    @pytest.mark.parametrize("spoil", [b"", b"short", bytes(12), bytes(200)])
    async def test_what_was_not_sealed_here_is_nobody(
        self, tmp_path: Path, office: Office, spoil: bytes
    ) -> None:
        phones, cards = Phones(), Cards()
        async with running(tmp_path, office, links=phones, tags=cards) as rig:
            await rig.wait()
            await Wallet(ALICE).tap(Place(rig, office, phones, cards))
        assert await self.remembered(tmp_path, spoil) == 0


def test_the_key_for_wallets_is_another_one_and_always_the_same() -> None:
    assert aliro_key(KEYS.pkoc).public == READER.public
    assert len({READER.public, KEYS.pkoc.public, KEYS.identity.public}) == 3
    assert aliro_key(key("another")).public != READER.public


# A phone that is a wallet for other doors, and has a PKOC key


class Both:
    """A wallet of another group of doors, or of this one, beside a PKOC key."""

    def __init__(self, group: bytes, group_key: PrivateKey = WALLET_ISSUER) -> None:
        supplies = Supplies(lambda: key("both"), bytes)
        wallet = UserDevice([Credential(MALLORY, group, group_key.public)], supplies)
        self._card = Card([wallet, PkocApplication(ALICE)])
        self.asked: list[int] = []

    def receive(self, raw: bytes) -> bytes:
        self.asked.append(CommandAPDU.decode(raw).ins)
        return self._card.receive(raw)

    async def tap(self, place: Place, *methods: Method) -> None:
        await place.edit(replace(DOOR, methods=methods))
        tag = CardTag(ALICE, answers=self.receive)
        place.cards.bring(tag)
        await tag.released.wait()


SELECT, AUTH0, LOAD_CERT, AUTH1, CONTROL_FLOW = 0xA4, 0x80, 0xD1, 0x81, 0x3C
AUTHENTICATE = 0x80


async def test_a_wallet_of_other_doors_opens_by_its_pkoc_key(place: Place) -> None:
    phone = Both(bytes(16))
    await phone.tap(place, Method.ALIRO_NFC, Method.PKOC_NFC)
    assert place.rig.is_released()
    assert (await place.only()).method is Method.PKOC_NFC
    assert phone.asked == [SELECT, AUTH0, CONTROL_FLOW, SELECT, AUTHENTICATE]


async def test_and_at_a_door_for_wallets_it_is_refused_and_says_why(place: Place) -> None:
    phone = Both(bytes(16))
    await phone.tap(place, Method.ALIRO_NFC, Method.CARD_NUMBER)
    event = await place.only()
    assert event.reason is Reason.BAD_PROOF
    assert (event.detail or "").startswith("unknown_reader: the device has no credential")
    assert phone.asked == [SELECT, AUTH0, CONTROL_FLOW]


async def test_a_wallet_of_this_door_that_fails_is_not_asked_for_less(place: Place) -> None:
    phone = Both(GROUP, key("another group key"))
    await phone.tap(place, Method.ALIRO_NFC, Method.PKOC_NFC)
    event = await place.only()
    assert (event.detail or "").startswith("card_error: AUTH1")
    assert phone.asked[:3] == [SELECT, AUTH0, LOAD_CERT]
    assert AUTH1 in phone.asked
    assert phone.asked.count(SELECT) == 1
