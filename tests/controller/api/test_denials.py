"""Revocations that overtake: what is in the deny set of which reader, and when it goes again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.controller.api.test_grants import World
from tests.controller.client import Api
from tests.controller.keys import hex_key, point
from tests.controller.readers import Listener

pytestmark = pytest.mark.slow  # every test builds a whole installation


@pytest.fixture
def world(api: Api) -> World:
    return World(api)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"enabled": False}, "suspended"),
        ({"state": "lost"}, "lost"),
        ({"state": "stolen"}, "stolen"),
    ],
)
async def test_a_flag_is_denied_and_taken_back(
    world: World, change: dict[str, Any], cause: str
) -> None:
    reader = await world.build()
    await world.api.put(f"/credentials/{world.card}", change)
    assert await reader.denied() == {point(1): cause}
    back = {"state": "active", "reason": "found again"}
    await world.api.put(f"/credentials/{world.card}", back)
    assert await reader.denied() == {point(1): None}
    assert (await reader.listen()).grant.flags == 0


@pytest.mark.parametrize("path", ["/credentials/{card}", "/people/{person}"])
async def test_what_is_deleted_is_revoked_and_gone(world: World, path: str) -> None:
    reader = await world.build()
    await world.api.delete(path.format(**vars(world)))
    assert await reader.denied() == {point(1): "revoked"}
    assert (await reader.listen()).grants == []


async def test_a_person_who_is_paused_keeps_the_card(world: World) -> None:
    reader = await world.build()
    await world.api.put(f"/people/{world.person}", {"enabled": False})
    assert await reader.denied() == {point(1): "suspended"}
    assert (await world.api.get(f"/credentials/{world.card}"))["enabled"] is True
    await world.api.put(f"/people/{world.person}", {"enabled": True})
    assert await reader.denied() == {point(1): None}


async def test_a_card_that_is_lost_stays_lost_when_its_person_is_paused(world: World) -> None:
    reader = await world.build()
    await world.api.put(f"/credentials/{world.card}", {"state": "lost"})
    await world.api.put(f"/people/{world.person}", {"enabled": False})
    await world.api.put(f"/people/{world.person}", {"enabled": True})
    assert await reader.denied() == {point(1): "lost"}


async def test_only_readers_that_have_the_key_are_told(world: World) -> None:
    reader = await world.build()
    other = await Listener.join(
        world.api.database, await world.api.reader(await world.api.door("Other"))
    )
    await world.api.put(f"/credentials/{world.card}", {"enabled": False})
    assert len(await reader.denied()) == 1
    assert await other.denied() == {}
    change = await world.api.get(f"/changes/{world.api.change}")
    assert [target["id"] for target in change["readers"]] == [reader.id]


async def test_a_card_given_to_somebody_else_opens_again(world: World) -> None:
    reader = await world.build()
    await world.api.delete(f"/credentials/{world.card}")
    other = await world.api.person(first_name="Charles")
    await world.api.card(other, 1)
    assert await reader.denied() == {point(1): None}
    await world.api.put(f"/access_plans/{world.plan}", {"person_ids": [other]})
    assert (await reader.listen()).grant.person == other


async def test_what_was_denied_and_left_the_plan_is_free_when_it_comes_back(world: World) -> None:
    reader, api = await world.build(), world.api
    await api.put(f"/credentials/{world.card}", {"enabled": False})
    await api.put(f"/access_plans/{world.plan}", {"person_ids": []})
    await api.put(f"/credentials/{world.card}", {"enabled": True})
    await api.put(f"/access_plans/{world.plan}", {"person_ids": [world.person]})
    assert await reader.denied() == {point(1): None}
    assert (await reader.listen()).grant.flags == 0


async def test_every_entry_has_a_counter_of_its_own(world: World) -> None:
    reader, api = await world.build(), world.api
    for number in range(2, 7):
        await api.card(world.person, number)
    await api.put(f"/people/{world.person}", {"enabled": False})
    assert len(await reader.denied()) == 6
    shown = await api.get(f"/readers/{reader.id}")
    assert shown["deny_counter"] == 6
    await api.put(f"/people/{world.person}", {"enabled": True})
    assert (await api.get(f"/readers/{reader.id}"))["deny_counter"] == 12


async def test_a_new_card_while_the_old_is_lost(world: World) -> None:
    """The old is refused, the new opens, and their events can be told apart."""
    reader, api = await world.build(), world.api
    await api.put(f"/credentials/{world.card}", {"state": "lost"})
    new = await api.card(world.person, 2)
    assert new != world.card
    grants = {grant.key: grant for grant in (await reader.listen()).grants}
    assert grants[point(1)].credential != grants[point(2)].credential
    assert await reader.denied() == {point(1): "lost"}
    assert (grants[point(1)].flags, grants[point(2)].flags) == (2, 0)


async def test_a_card_number_swapped_for_one_in_use_changes_nothing(world: World) -> None:
    reader, api = await world.build(), world.api
    other = await api.person(first_name="Charles")
    await api.card(other, 2)
    errors = await api.wrong("PUT", f"/credentials/{world.card}", {"value": hex_key(2)})
    assert errors == {"value": ["is in use"]}
    assert await reader.denied() == {}
