"""Many people at once: all of them, or none and every reason why."""

from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import func, select

from controller.store.tables import Credential, Outbox, Person
from shared.credential.p256 import ORDER
from tests.controller.client import Api
from tests.controller.keys import hex_key, point
from tests.controller.readers import Listener


def row(number: int, **more: Any) -> dict[str, Any]:
    return {"first_name": f"F{number}", "last_name": f"L{number}", **more}


async def count(api: Api, table: type[Person | Credential]) -> int:
    async with api.database.read() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def test_people_with_cards_and_groups(api: Api) -> None:
    group = (await api.post("/groups", {"name": "Staff"}))["id"]
    door = await api.door()
    reader = await Listener.join(api.database, await api.reader(door))
    await api.post("/access_plans", {"name": "P", "group_ids": [group], "door_ids": [door]})
    people = [
        row(0, email="F0@example.org", group_ids=[group], cards=[{"public_key": hex_key(1)}]),
        row(1, system_id="S1", cards=[{"public_key": hex_key(2), "label": "blue"}]),
        row(2, group_ids=[group, group], valid_to="2025-07-01T00:00:00Z", cards=[
            {"public_key": hex_key(3)}, {"public_key": hex_key(4)},
        ]),
    ]  # fmt: skip
    assert await api.post("/people/import", {"people": people}) == {"created": 3, "credentials": 4}
    await reader.listen()
    assert [grant.key for grant in reader.grants] == sorted([point(1), point(3), point(4)])
    assert reader.grants[-1].not_after is not None or reader.grants[0].not_after is not None
    assert (await api.get("/people?q=f0%40EXAMPLE"))[0]["group_ids"] == [group]
    labels = [card["label"] for card in await api.get("/credentials")]
    assert labels == ["Card", "blue", "Card", "Card"]
    change = await api.get(f"/changes/{api.change}")
    assert (change["action"], change["subject"]) == ("people.import", "3 people")


async def test_all_or_none_and_every_reason(api: Api) -> None:
    await api.person(email="taken@example.org", system_id="T")
    await api.card(1, 1)
    await api.reader(await api.door())
    people = [
        row(0),
        row(1, email="taken@example.org", system_id="T"),
        {"first_name": "", "cards": [{"public_key": "00"}]},
        row(3, email="twice@example.org", group_ids=[9], cards=[{"public_key": hex_key(2)}]),
        row(4, email="Twice@example.org", cards=[{"public_key": hex_key(2)}]),
        row(5, cards=[{"public_key": hex_key(1)}, {"public_key": hex_key(9001)}]),
        row(6, valid_from="2025-06-02T00:00:00Z", valid_to="2025-06-01T00:00:00Z", cards=[{}]),
        row(7, enabled="yes", cards="none"),
    ]
    errors = await api.wrong("POST", "/people/import", {"people": people})
    assert sorted(errors) == [
        "people[1].email",
        "people[1].system_id",
        "people[2].cards[0].public_key",
        "people[2].first_name",
        "people[2].last_name",
        "people[3].cards[0].public_key",
        "people[3].email",
        "people[3].group_ids",
        "people[4].cards[0].public_key",
        "people[4].email",
        "people[5].cards[0].public_key",
        "people[5].cards[1].public_key",
        "people[6].cards[0]",
        "people[6].valid_to",
        "people[7].cards",
        "people[7].enabled",
    ]
    assert (await count(api, Person), await count(api, Credential)) == (1, 1)


async def test_a_list_that_is_wrong_all_through_is_answered_in_part(api: Api) -> None:
    errors = await api.wrong("POST", "/people/import", {"people": [{}] * 1000})
    assert len(errors) == 500


async def test_more_than_the_most(api: Api) -> None:
    errors = await api.wrong("POST", "/people/import", {"people": [{}] * 20_001})
    assert errors == {"people": ["must have 1 to 20000 entries"]}


@pytest.mark.slow
async def test_a_large_group_is_given_a_door_in_one_delta(api: Api) -> None:
    """10,000 cards: imported, then put into a plan; each within seconds, each one delta."""
    everybody = (await api.post("/groups", {"name": "Everybody"}))["id"]
    door = await api.door()
    reader = await Listener.join(api.database, await api.reader(door))
    people = [
        row(number, group_ids=[everybody], cards=[{"public_key": hex_key(ORDER - 20_000 - number)}])
        for number in range(10_000)
    ]
    started = time.perf_counter()
    await api.post("/people/import", {"people": people})
    assert time.perf_counter() - started < 20
    plan = (await api.post("/access_plans", {"name": "P", "door_ids": [door]}))["id"]
    started = time.perf_counter()
    await api.put(f"/access_plans/{plan}", {"group_ids": [everybody]})
    took = time.perf_counter() - started
    await reader.listen()
    assert len(reader.grants) == 10_000
    assert len(reader.deltas) == 1
    assert len(reader.deltas[0].put) == 10_000
    assert took < 3, f"{took:.2f} s"
    async with api.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Outbox)) == 1
