"""From a request to the row at the door: who gets which grant, and how little else is sent."""

from __future__ import annotations

from typing import Any

import pytest

from shared.access.rows import DOOR_KEY, Flag, decode_row
from tests.controller.client import Api
from tests.controller.conftest import NOON
from tests.controller.keys import hex_key, point
from tests.controller.readers import Listener

pytestmark = pytest.mark.slow  # every test builds a whole installation

NOON_S = NOON // 1000


class World:
    """One door with a reader, one person with a card, one plan that joins them."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.person = self.door = self.plan = 0
        self.card = ""

    async def build(self) -> Listener:
        self.person = await self.api.person()
        self.card = await self.api.card(self.person, 1)
        self.door = await self.api.door()
        reader = await self.api.reader(self.door)
        body = {"name": "Staff", "person_ids": [self.person], "door_ids": [self.door]}
        self.plan = (await self.api.post("/access_plans", body))["id"]
        return await Listener.join(self.api.database, reader)

    async def second_door(self) -> Listener:
        door = await self.api.door("Back")
        reader = await self.api.reader(door)
        doors = [self.door, door]
        await self.api.put(f"/access_plans/{self.plan}", {"door_ids": doors})
        return await Listener.join(self.api.database, reader)


@pytest.fixture
def world(api: Api) -> World:
    return World(api)


async def test_a_grant_says_who_by_numbers_only(world: World) -> None:
    reader = await (await world.build()).listen()
    grant = reader.grant
    assert (grant.key, grant.plan, grant.person) == (point(1), world.plan, world.person)
    assert (grant.schedule, grant.flags, grant.uses) == (0, 0, None)
    assert (grant.not_before, grant.not_after) == (None, None)


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ({"enabled": False}, Flag.SUSPENDED),
        ({"override_lockdown": True}, Flag.OVERRIDE),
        ({"extended_release": True}, Flag.EXTENDED),
    ],
)
async def test_rights_of_the_person_are_flags(
    world: World, change: dict[str, bool], flag: Flag
) -> None:
    reader = await world.build()
    await world.api.put(f"/people/{world.person}", change)
    assert (await reader.listen()).grant.flags == flag


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ({"enabled": False}, Flag.SUSPENDED),
        ({"state": "inactive"}, Flag.SUSPENDED),
        ({"state": "lost"}, Flag.LOST),
        ({"state": "stolen"}, Flag.STOLEN),
    ],
)
async def test_what_is_decided_of_a_credential_is_a_flag(
    world: World, change: dict[str, Any], flag: Flag
) -> None:
    reader = await world.build()
    await world.api.put(f"/credentials/{world.card}", change)
    assert (await reader.listen()).grant.flags == flag


async def test_validity_is_what_person_and_credential_have_in_common(world: World) -> None:
    reader = await world.build()
    person = {"valid_from": "2025-06-01T00:00:00Z", "valid_to": "2025-06-30T00:00:00.900Z"}
    await world.api.put(f"/people/{world.person}", person)
    card = {"not_before": "2025-06-02T10:00:00.001Z", "not_after": "2025-07-30T00:00:00Z"}
    await world.api.put(f"/credentials/{world.card}", card)
    grant = (await reader.listen()).grant
    # Fractions of a second are cut off on both sides: never more than was given.
    assert (grant.not_before, grant.not_after) == (NOON_S + 1, 1_751_241_600)


async def test_nothing_in_common_is_a_grant_that_never_holds(world: World) -> None:
    reader = await world.build()
    await world.api.put(f"/people/{world.person}", {"valid_to": "2025-06-01T00:00:00Z"})
    await world.api.put(f"/credentials/{world.card}", {"not_before": "2025-06-05T00:00:00Z"})
    grant = (await reader.listen()).grant
    assert grant.not_before is not None
    assert grant.not_after is not None
    assert grant.not_after < grant.not_before


async def test_by_two_ways_into_one_plan_there_is_one_grant(world: World) -> None:
    reader = await world.build()
    group = await world.api.post("/groups", {"name": "All", "person_ids": [world.person]})
    await world.api.put(f"/access_plans/{world.plan}", {"group_ids": [group["id"]]})
    assert len((await reader.listen()).grants) == 1
    await world.api.put(f"/access_plans/{world.plan}", {"person_ids": []})
    assert len((await reader.listen()).grants) == 1
    await world.api.delete(f"/groups/{group['id']}/people/{world.person}")
    assert (await reader.listen()).grants == []


async def test_uses_are_counted_by_the_reader_that_is_the_only_one(world: World) -> None:
    reader = await world.build()
    await world.api.put(f"/credentials/{world.card}", {"max_uses": 3})
    grant = (await reader.listen()).grant
    assert (grant.uses, grant.flags) == (3, Flag.OWNED_USES)
    other = await world.second_door()
    assert (await reader.listen()).grant.flags == 0
    assert (await other.listen()).grant.flags == 0
    await world.api.put(f"/access_plans/{world.plan}", {"door_ids": [world.door]})
    assert (await reader.listen()).grant.flags == Flag.OWNED_USES
    assert (await other.listen()).grants == []


async def test_two_plans_at_one_reader_do_not_give_twice_the_uses(world: World) -> None:
    reader = await world.build()
    await world.api.put(f"/credentials/{world.card}", {"max_uses": 3})
    body = {"name": "Second", "person_ids": [world.person], "door_ids": [world.door]}
    await world.api.post("/access_plans", body)
    assert [grant.flags for grant in (await reader.listen()).grants] == [0, 0]


async def test_only_schedules_that_are_referred_to_are_sent(world: World) -> None:
    reader, api = await world.build(), world.api
    one, two, three = [
        (await api.post("/schedules", {"name": f"S{number}"}))["id"] for number in range(3)
    ]
    assert (await reader.listen()).schedules == []
    await api.put(f"/access_plans/{world.plan}", {"schedule_id": one})
    assert ((await reader.listen()).schedules, reader.grant.schedule) == ([one], one)
    await api.put(f"/doors/{world.door}", {"unlock_schedule_id": two})
    assert ((await reader.listen()).schedules, reader.door.unlock_schedule) == ([one, two], two)
    await api.put(f"/access_plans/{world.plan}", {"schedule_id": three})
    assert ((await reader.listen()).schedules, reader.grant.schedule) == ([two, three], three)
    await api.delete(f"/access_plans/{world.plan}")
    assert ((await reader.listen()).schedules, reader.grants) == ([two], [])


async def test_an_edit_is_one_delta_of_what_it_changes(world: World) -> None:
    reader = await world.build()
    await reader.listen()
    await world.api.put(f"/doors/{world.door}", {"release_seconds": 9})
    delta = (await reader.listen()).deltas[-1]
    assert [decode_row(body) for body in delta.put] == [reader.door]
    assert (delta.delete, reader.rows[DOOR_KEY]) == ((), delta.put[0])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/people/{person}", {"first_name": "Augusta", "notes": "x", "email": "a@b.example"}),
        ("/people/{person}", {"enabled": True}),
        ("/doors/{door}", {"name": "Main door"}),
        ("/access_plans/{plan}", {"name": "Everybody", "notes": "y"}),
        ("/credentials/{card}", {"label": "blue"}),
        ("/sites/1", {"name": "Head office"}),
    ],
)
async def test_what_readers_need_not_know_is_no_delta(
    world: World, path: str, body: dict[str, Any]
) -> None:
    reader = await world.build()
    version = (await reader.listen()).version
    await world.api.put(path.format(**vars(world)), body)
    assert (await reader.listen()).version == version
    change = await world.api.get(f"/changes/{world.api.change}")
    assert (change["status"], change["readers"]) == ("processed", [])


async def test_other_readers_hear_nothing(world: World) -> None:
    reader = await world.build()
    other = await Listener.join(
        world.api.database, await world.api.reader(await world.api.door("Other"))
    )
    version = (await other.listen()).version
    await world.api.put(f"/people/{world.person}", {"enabled": False})
    await world.api.put(f"/doors/{world.door}", {"lockdown": True})
    assert (await other.listen()).version == version
    assert (await reader.listen()).door.modes.lockdown


async def test_a_reader_that_comes_late_gets_what_its_door_has(world: World) -> None:
    await world.build()
    await world.api.put(f"/access_plans/{world.plan}", {"door_ids": []})
    door = await world.api.door("Later")
    await world.api.put(f"/access_plans/{world.plan}", {"door_ids": [door]})
    made = await world.api.post("/readers", {"door_id": door, "name": "late"})
    shown = await world.api.get(f"/readers/{made['id']}")
    # Compiled, but there is nobody to send deltas to yet: its first hello gets a snapshot.
    assert (shown["version"], shown["status"]) == (1, "pending")

    async with world.api.database.read() as session:
        assert not list(await session.scalars(_outbox_of(made["id"])))


async def test_a_new_key_takes_the_place_of_the_old_one(world: World) -> None:
    reader = await world.build()
    await world.api.put(f"/credentials/{world.card}", {"value": hex_key(2)})
    assert (await reader.listen()).grant.key == point(2)
    assert await reader.denied() == {point(1): "revoked"}


def _outbox_of(reader: str) -> Any:
    from sqlalchemy import select

    from controller.store.tables import Outbox

    return select(Outbox).where(Outbox.reader_id == reader)
