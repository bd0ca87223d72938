"""People and groups: made, found, changed, removed."""

from __future__ import annotations

from tests.controller.client import Api


async def test_a_person_with_everything(api: Api) -> None:
    group = await api.post("/groups", {"name": "Staff", "notes": "all\nof them"})
    body = {
        "first_name": " Ada ",
        "last_name": "Lovelace",
        "email": "Ada@Example.org",
        "mobile": "+44 (20) 7946-0123",
        "system_id": "A-1",
        "department": "Engines",
        "job_title": "Analyst",
        "notes": "first",
        "extended_release": True,
        "override_lockdown": True,
        "valid_from": "2025-06-02T11:00:00+02:00",
        "valid_to": "2025-12-31T23:59:59.5Z",
        "group_ids": [group["id"], group["id"]],
    }
    made = await api.post("/people", body)
    assert made == {
        **body,
        "id": 1,
        "first_name": "Ada",
        "email": "ada@example.org",
        "mobile": "+442079460123",
        "enabled": True,
        "valid_from": "2025-06-02T09:00:00.000Z",
        "valid_to": "2025-12-31T23:59:59.500Z",
        "groups": [1],
        "group_ids": [1],
        "created_at": "2025-06-02T10:00:00.000Z",
        "updated_at": "2025-06-02T10:00:00.000Z",
    }
    assert await api.get("/people/1") == made
    assert (await api.get("/groups/1"))["people_count"] == 1


async def test_a_removed_person_is_gone_and_their_address_is_free(api: Api) -> None:
    number = await api.person(email="ada@example.org", system_id="A-1")
    await api.card(number, 1)
    assert await api.delete(f"/people/{number}") == {"result": "ok"}
    assert (await api.ask("GET", f"/people/{number}")).status_code == 404
    assert (await api.ask("DELETE", f"/people/{number}")).status_code == 404
    assert await api.get("/people") == []
    assert await api.get("/credentials") == []
    again = await api.person(email="ada@example.org", system_id="A-1")
    await api.card(again, 1)
    assert again != number


async def test_search(api: Api) -> None:
    await api.person(first_name="Ada", last_name="Lovelace", email="ada@engines.example")
    await api.person(first_name="Änne", last_name="Müller", system_id="A_1")
    await api.person(first_name="Charles", last_name="Babbage", email="cb@engines.example")

    async def names(query: str) -> list[str]:
        return [person["last_name"] for person in await api.get(f"/people?{query}")]

    assert await names("") == ["Babbage", "Lovelace", "Müller"]
    assert await names("q=love") == ["Lovelace"]
    assert await names("q=ENGINES") == ["Babbage", "Lovelace"]
    assert await names("q=ada%40engines.ex") == ["Lovelace"]
    assert await names("q=velace") == []  # the middle of a word
    assert await names("q=ad lov") == ["Lovelace"]
    assert await names("q=ÄNNE") == ["Müller"]
    assert await names("q=a%5F1") == ["Müller"]  # no wildcard
    assert await names("q=%25") == []
    assert await names("email=ADA@") == ["Lovelace"]
    assert await names("system_id=A_1") == ["Müller"]
    assert await names("system_id=A") == []
    await api.put("/people/1", {"last_name": "Byron"})
    assert await names("q=byron") == ["Byron"]
    assert await names("q=lovelace") == []
    await api.delete("/people/1")
    assert await names("q=byron") == []


async def test_groups_and_who_is_in_them(api: Api) -> None:
    one, two = await api.person(), await api.person(last_name="Byron")
    group = await api.post("/groups", {"name": "Staff", "person_ids": [one]})
    path = f"/groups/{group['id']}"
    assert (await api.put(f"{path}/people/{two}"))["people_count"] == 2
    assert (await api.put(f"{path}/people/{two}"))["people_count"] == 2
    assert [person["id"] for person in await api.get(f"/people?group_id={group['id']}")] == [
        two,
        one,
    ]
    assert (await api.delete(f"{path}/people/{one}"))["people_count"] == 1
    assert (await api.delete(f"{path}/people/{one}"))["people_count"] == 1
    assert (await api.put(path, {"name": "Crew"}))["people_count"] == 1
    assert (await api.put(path, {"person_ids": []}))["people_count"] == 0
    await api.put(f"/people/{one}", {"group_ids": [group["id"]]})
    assert await api.delete(path) == {"result": "ok"}
    assert (await api.get(f"/people/{one}"))["group_ids"] == []


async def test_pages(api: Api) -> None:
    for number in range(7):
        await api.person(last_name=f"P{number}")
    response = await api.ask("GET", "/people?per_page=3&page=2")
    assert [person["last_name"] for person in response.json()] == ["P3", "P4", "P5"]
    assert {
        name: response.headers[name]
        for name in ("Total", "X-Total-Results", "Per-Page", "X-Per-Page", "X-Page")
    } == {
        "Total": "7",
        "X-Total-Results": "7",
        "Per-Page": "3",
        "X-Per-Page": "3",
        "X-Page": "2",
    }
    beyond = await api.ask("GET", "/people?page=1000000")
    assert (beyond.status_code, beyond.json(), beyond.headers["Total"]) == (200, [], "7")
