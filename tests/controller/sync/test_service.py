"""From the commit of an edit to the reader that has applied it, and back, over a bus in memory."""

from __future__ import annotations

import asyncio
import secrets

import msgspec
import pytest
from sqlalchemy import select

from controller.identity.enrolment import enrol
from controller.intent import readers
from controller.records import admissions
from controller.store.database import Database
from controller.store.tables import (
    Admission,
    ChangeTarget,
    EventRecord,
    Outbox,
)
from controller.sync.service import SyncService
from shared.access.mode import Trust
from shared.access.rows import DOOR_KEY, Door, decode_row
from shared.wire.envelope import seal_signed
from shared.wire.events import GENESIS, Event, EventKind, encode_event
from shared.wire.messages import EventBatch
from shared.wire.topics import Leaf
from tests.controller.building import CONTROLLER, ReaderKeys, build
from tests.controller.conftest import NOON
from tests.controller.keys import point, private_key
from tests.controller.sync.ends import ReaderEnd
from tests.controller.sync.model_reader import ModelReader
from tests.controller.sync.site import Site, is_whole, running, until

pytestmark = pytest.mark.slow  # every test builds a whole installation


@pytest.fixture
async def site(database: Database) -> Site:
    building = await build(database, 2)
    await building.enrol()
    return Site(building)


class TestPlans:
    async def test_a_new_reader_gets_a_snapshot_and_a_lease(self, site: Site) -> None:
        async with site.up():
            await site.in_step()
            await until(lambda: _confirmed(site))
            plan = await site.plan()
            assert plan.online
            assert plan.version > 0
            assert plan.session == site.ends[0].model.session
            assert plan.state["software"] == "model 1"

    async def test_an_edit_arrives_at_whom_it_concerns(self, site: Site) -> None:
        async with site.up():
            await site.building.set_door(0, release_seconds=9)
            await site.ends[0].until(lambda model: _release(model) == 9)
            await site.in_step()
            assert _release(site.ends[1].model) == 5

    async def test_edits_in_quick_succession_all_arrive(self, site: Site) -> None:
        async with site.up():
            for seconds in range(6, 30):
                await site.building.set_door(0, release_seconds=seconds)
            await site.ends[0].until(lambda model: _release(model) == 29)
            await site.in_step()

    async def test_what_a_reader_confirmed_leaves_the_outbox(self, site: Site) -> None:
        async with site.up():
            for seconds in (6, 7, 8):
                await site.building.set_door(0, release_seconds=seconds)
                await site.in_step()
            plan = await site.plan()
            async with site.building.database.read() as session:
                query = select(Outbox.version).where(Outbox.reader_id == plan.reader_id)
                assert list(await session.scalars(query)) == [plan.version]

    async def test_a_change_knows_its_readers_and_times(self, site: Site) -> None:
        async with site.up():
            await site.building.add_card(await site.building.add_person(), 7)
            await site.in_step()
        async with site.building.database.read() as session:
            targets = list(await session.scalars(select(ChangeTarget)))
            assert {target.reader_id for target in targets} == set(site.building.readers)
            assert all(target.acked_at is not None for target in targets)

    async def test_a_change_waits_for_the_reader_that_is_missing(self, site: Site) -> None:
        async with site.up():
            site.ends[1].deaf = True
            await site.building.add_card(await site.building.add_person(), 7)
            await site.ends[0].until(lambda model: any(point(7) in key for key in model.rows))

            async def first_confirmed() -> bool:
                async with site.building.database.read() as session:
                    query = select(ChangeTarget).where(ChangeTarget.acked_at.is_(None))
                    waiting = {target.reader_id for target in await session.scalars(query)}
                return waiting == {site.building.readers[1]}

            await until(first_confirmed)
            assert not await site.processed()
            site.ends[1].deaf = False
            site.broker.drop()
            await site.in_step()


class TestRefusals:
    async def test_a_revoked_card_is_in_the_deny_set(self, site: Site) -> None:
        async with site.up():
            handle = await site.building.add_card(await site.building.add_person(), 7)
            await site.in_step()
            await site.building.remove_card(handle)
            for end in site.ends:
                await end.until(lambda model: point(7) in model.denied)
            await site.in_step()
            assert (await site.plan()).acked_deny == site.ends[0].model.deny_counter > 0

    async def test_it_overtakes_the_plan(self, site: Site) -> None:
        async with site.up():
            handle = await site.building.add_card(await site.building.add_person(), 7)
            await site.in_step()
            await site.building.remove_card(handle)
            model = site.ends[0].model
            await site.ends[0].until(lambda model: point(7) in model.denied)
            assert any(point(7) in key for key in model.rows)

    async def test_lifting_it_waits_for_the_plan(self, site: Site) -> None:
        async with site.up():
            handle = await site.building.add_card(await site.building.add_person(), 7)
            await site.in_step()
            for _ in range(3):
                await site.building.set_card(handle, enabled=False)
                await site.in_step()
                assert point(7) in site.ends[0].model.denied
                before = site.ends[0].model.rows
                await site.building.set_card(handle, enabled=True)
                await site.ends[0].until(lambda model: point(7) not in model.denied)
                assert site.ends[0].model.rows != before
                await site.in_step()


class TestLosses:
    async def test_everybody_comes_back_after_a_lost_broker(self, site: Site) -> None:
        async with site.up():
            for seconds in (6, 7, 8):
                sessions = [end.model.session for end in site.ends]
                site.broker.drop()
                await site.building.set_door(0, release_seconds=seconds)
                for end, session in zip(site.ends, sessions, strict=True):
                    await end.until(lambda model, old=session: model.session != old)  # type: ignore[misc]
                await site.in_step()
                assert _release(site.ends[0].model) == seconds

    async def test_a_reader_that_lost_its_cache_gets_it_again(self, site: Site) -> None:
        async with site.up():
            site.ends[0].model.lose_cache()
            site.broker.drop()
            await site.ends[0].until(lambda model: model.plan is not None)
            await site.in_step()

    async def test_the_controller_starts_again_where_it_was(self, site: Site) -> None:
        async with site.up():
            await site.in_step()
        await site.building.set_door(0, release_seconds=9)
        again = SyncService(site.building.database, CONTROLLER, site.broker, jitter=lambda: 0.5)
        async with running(again.run(), *(end.run() for end in site.ends)):
            await site.ends[0].until(lambda model: _release(model) == 9)
            await site.in_step()

    async def test_readers_that_stayed_connected_need_not_say_hello(self, site: Site) -> None:
        first = asyncio.create_task(site.service.run())
        await until(site.connected)
        async with running(*(end.run() for end in site.ends)):
            for end in site.ends:
                await end.until(is_whole)
            await site.in_step()
            first.cancel()
            await asyncio.wait([first])
            await site.building.set_door(0, release_seconds=9)
            hellos = site.ends[0].model.hellos
            again = SyncService(site.building.database, CONTROLLER, site.broker)
            async with running(again.run()):
                await site.ends[0].until(lambda model: _release(model) == 9)
                await site.in_step()
            assert site.ends[0].model.hellos == hellos

    async def test_nor_those_that_could_not_be_seen_in_between(self, site: Site) -> None:
        """The controller lost its line, said that nobody is there, and was started anew."""
        first = asyncio.create_task(site.service.run())
        await until(site.connected)
        async with running(*(end.run() for end in site.ends)):
            for end in site.ends:
                await end.until(is_whole)
            await site.in_step()
            first.cancel()
            await asyncio.wait([first])
            await site.service.recorder.nobody()
            await site.building.set_door(0, release_seconds=9)
            again = SyncService(site.building.database, CONTROLLER, site.broker)
            async with running(again.run()):
                await site.ends[0].until(lambda model: _release(model) == 9, seconds=3)
                await site.in_step()

    async def test_nor_those_whose_hello_was_missed(self, site: Site) -> None:
        async with site.up():
            for end in site.ends:
                end.pause = 0.0  # back before the controller is
            site.broker.drop()
            await site.building.set_door(0, release_seconds=9)
            await site.ends[0].until(lambda model: _release(model) == 9, seconds=3)
            await site.in_step()


class TestMembers:
    async def test_a_reader_that_enrols_meanwhile_is_served(self, database: Database) -> None:
        building = await build(database, 1)
        site = Site(building)
        async with running(site.service.run()):
            await until(site.connected)
            await building.enrol()
            await until(lambda: _present(site))
            async with running(site.ends[0].run()):
                await site.ends[0].until(is_whole)
                await site.in_step()

    async def test_a_removed_reader_is_not(self, site: Site) -> None:
        async with site.up():
            await site.building.edit(lambda uow: readers.remove(uow, site.building.readers[0]))
            await until(lambda: _absent(site))
            heard = site.broker.published
            await site.ends[0].say(site.ends[0].model.hello(0.0))
            await site.building.set_door(1, release_seconds=9)
            await site.ends[1].until(lambda model: _release(model) == 9)
            assert site.ends[0].model.nonce is not None
            assert site.broker.published > heard

    async def test_another_machine_with_the_same_name_is_heard(self, site: Site) -> None:
        async with site.up():
            pass
        _, fresh = await site.building.edit(
            lambda uow: readers.new_token(uow, site.building.readers[0])
        )
        site.building.tokens = [fresh.token]
        await enrol(
            site.building.database, ReaderKeys(9).application(fresh.token), CONTROLLER.public
        )
        model = ModelReader(site.building.readers[0], secrets.token_bytes)
        other = ReaderEnd(model, ReaderKeys(9), site.broker)
        async with running(site.service.run()):
            await until(site.connected)
            async with running(other.run()):
                await other.until(is_whole)
        assert model.rows == await site.compiled(0)


class TestEvents:
    async def test_are_stored_and_confirmed(self, site: Site) -> None:
        async with site.up():
            end = site.ends[0]
            batch = EventBatch(
                reader=end.model.reader,
                journal=b"journal1",
                kept_from=1,
                first=1,
                previous=GENESIS,
                live_from=1,
                entries=tuple(encode_event(_started(number)) for number in (1, 2, 3)),
            )
            key = private_key(ReaderKeys(0).identity_scalar)
            payload = seal_signed(batch, key, Leaf.EVENT)
            for _ in range(2):  # the second time because the receipt might have been lost
                end.model.receipts.clear()
                await end.publish(Leaf.EVENT, payload)
                await end.until(lambda model: bool(model.receipts))
                (receipt,) = end.model.receipts
                assert (receipt.journal, receipt.upto) == (b"journal1", 3)
        async with site.building.database.read() as session:
            assert list(await session.scalars(select(EventRecord.seq))) == [1, 2, 3]

    async def test_of_a_remote_opening_end_it(self, site: Site) -> None:
        async with site.up():
            await until(lambda: _online(site))
            door = site.building.doors[0]
            asked = await site.building.edit(lambda uow: admissions.request(uow, door))
            end = site.ends[0]
            await end.until(lambda model: bool(model.pulses))
            event = msgspec.structs.replace(
                _started(1),
                kind=EventKind.REMOTE,
                command=end.model.pulses[0].id,
                detail="released",
            )
            batch = EventBatch(
                reader=end.model.reader,
                journal=b"journal1",
                kept_from=1,
                first=1,
                previous=GENESIS,
                live_from=1,
                entries=(encode_event(event),),
            )
            key = private_key(ReaderKeys(0).identity_scalar)
            await end.publish(Leaf.EVENT, seal_signed(batch, key, Leaf.EVENT))

            async def admitted() -> bool:
                async with site.building.database.read() as session:
                    return (await session.get_one(Admission, asked.id)).status == "admitted"

            await until(admitted)


def _started(number: int) -> Event:
    return Event(seq=number, at=NOON, trust=Trust.TRUSTED, kind=EventKind.STARTED)


class TestAdmissions:
    async def ask(self, site: Site) -> int:
        door = site.building.doors[0]
        return (await site.building.edit(lambda uow: admissions.request(uow, door))).id

    async def status(self, site: Site, number: int) -> str:
        async with site.building.database.read() as session:
            return (await session.get_one(Admission, number)).status

    async def test_a_pulse_reaches_the_session_that_is_there(self, site: Site) -> None:
        async with site.up():
            await until(lambda: _online(site))
            number = await self.ask(site)
            await site.ends[0].until(lambda model: bool(model.pulses))
            (pulse,) = site.ends[0].model.pulses
            assert (pulse.session, pulse.operator) == (site.ends[0].model.session, number)
            assert await self.status(site, number) == "pending"

    async def test_without_a_broker_it_is_offline(self, site: Site) -> None:
        async with site.up():
            await until(lambda: _online(site))
            site.broker.down = True
            site.broker.drop()
            number = await self.ask(site)

            async def offline() -> bool:
                return await self.status(site, number) == "offline"

            await until(offline)


def _release(model: ModelReader) -> int:
    row = decode_row(model.rows[DOOR_KEY])
    assert isinstance(row, Door)
    return row.release


async def _absent(site: Site) -> bool:
    return site.service.roster.get(site.building.readers[0]) is None


async def _present(site: Site) -> bool:
    return not await _absent(site)


async def _confirmed(site: Site) -> bool:
    plan = await site.plan()
    return plan.acked_version == plan.version


async def _online(site: Site) -> bool:
    return (await site.plan()).online
