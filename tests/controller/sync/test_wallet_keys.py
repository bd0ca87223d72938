"""Readers say which key they prove to wallets; those whose doors need it are certified for it."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from controller.identity.enrolment import enrol
from controller.intent import readers, wallet_keys
from controller.store import tables
from controller.store.database import Database
from controller.store.tables import Change, Reader
from shared.access.rows import READER_CERTIFICATES_KEY, ReaderCertificates, decode_row
from shared.credential.aliro.certificate import ReaderCertificate
from tests.controller.building import CONTROLLER, ReaderKeys, build
from tests.controller.keys import ISSUER, point
from tests.controller.sync.model_reader import ModelReader
from tests.controller.sync.site import Site, until

pytestmark = pytest.mark.slow  # every test builds a whole installation

WALLETS = ["aliro-nfc"]
FIRST, SECOND = point(501), point(502)


@pytest.fixture
async def site(database: Database) -> Site:
    building = await build(database, 2)
    await building.enrol()
    await building.set_door(0, methods=WALLETS)
    await building.set_door(1, reader_certificate=True)
    return Site(building)


def certificates(model: ModelReader) -> ReaderCertificates:
    body = model.rows.get(READER_CERTIFICATES_KEY)
    found = ReaderCertificates() if body is None else decode_row(body)
    assert isinstance(found, ReaderCertificates)
    return found


def certified(model: ModelReader) -> bytes | None:
    """The key for wallets that the reader's plan certifies."""
    found = certificates(model).aliro
    return ReaderCertificate.decode(found.certificate).key.point if found else None


async def kept(site: Site, number: int = 0) -> bytes | None:
    async with site.building.database.read() as session:
        reader = await session.get_one(Reader, site.building.readers[number])
        return reader.aliro_key


async def edits(site: Site) -> list[str]:
    async with site.building.database.read() as session:
        query = select(Change.subject).where(Change.action == "reader.wallet_key")
        return list(await session.scalars(query))


async def turned_away(caplog: pytest.LogCaptureFixture) -> None:
    async def said() -> bool:
        return "is not certified for wallets" in caplog.text

    await until(said)


async def test_it_comes_with_the_hello_and_the_certificate_with_the_plan(site: Site) -> None:
    site.ends[0].model.wallet_key = FIRST
    async with site.up():
        await site.ends[0].until(lambda model: certified(model) == FIRST)
        await site.in_step()
        found = certificates(site.ends[0].model)
        assert found.pkoc is None
        assert found.aliro is not None
        assert ISSUER.of(found.aliro.group).aliro.public.point == found.aliro.issuer
        assert not certificates(site.ends[1].model)


async def test_a_door_that_shows_phones_its_certificate_gets_that_one(site: Site) -> None:
    site.ends[1].model.wallet_key = FIRST
    async with site.up():
        await site.ends[1].until(lambda model: certificates(model).pkoc is not None)
        await site.in_step()
        assert certificates(site.ends[1].model).aliro is None
        await site.building.set_door(1, reader_certificate=False)
        await site.in_step()
        assert READER_CERTIFICATES_KEY not in site.ends[1].model.rows


async def test_a_new_key_is_certified_anew_and_the_same_one_costs_no_edit(site: Site) -> None:
    site.ends[0].model.wallet_key = FIRST
    async with site.up():
        await site.ends[0].until(lambda model: certified(model) == FIRST)
    async with site.up():
        await site.in_step()
    assert len(await edits(site)) == 1
    site.ends[0].model.wallet_key = SECOND
    async with site.up():
        await site.ends[0].until(lambda model: certified(model) == SECOND)
    assert len(await edits(site)) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        point(77),  # a card's
        ReaderKeys(1).application("").pkoc_key,  # another reader's
        ISSUER.of(bytes(16)).aliro.public.point[:-1] + b"\0",  # on no curve
    ],
)
async def test_a_key_of_somebody_else_is_not_certified(
    site: Site, wrong: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    await site.building.add_card(await site.building.add_person(), 77)
    site.ends[0].model.wallet_key = wrong
    async with site.up():
        await turned_away(caplog)
        await site.building.set_door(0, release_seconds=9)
        await site.in_step()
        assert not certificates(site.ends[0].model)
    assert await kept(site) is None


async def test_of_two_that_say_the_same_one_has_it(site: Site) -> None:
    building = site.building
    said = dict.fromkeys(building.readers[:2], FIRST)
    async with building.database.read() as session:
        assert len(await wallet_keys.news(session, ISSUER, said)) == 1
    await building.edit(lambda uow: wallet_keys.take(uow, said))
    async with building.database.read() as session:
        assert not await wallet_keys.news(session, ISSUER, said)


async def test_an_issuer_is_nobodys_key(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    async with site.building.database.read() as session:
        group = (await session.scalars(select(tables.Site.wallet_group))).one()
    site.ends[0].model.wallet_key = ISSUER.of(group).aliro.public.point
    async with site.up():
        await turned_away(caplog)
    assert await kept(site) is None


async def test_a_reader_that_enrols_with_other_keys_has_to_say_it_again(site: Site) -> None:
    site.ends[0].model.wallet_key = FIRST
    async with site.up():
        await site.ends[0].until(lambda model: certified(model) == FIRST)
    assert await kept(site) == FIRST
    building = site.building
    renewed = await building.edit(lambda uow: readers.new_token(uow, building.readers[0]))
    application = ReaderKeys(5).application(renewed[1].token)
    await enrol(building.database, application, CONTROLLER.public)
    assert await kept(site) is None
    assert READER_CERTIFICATES_KEY not in await site.compiled(0)
