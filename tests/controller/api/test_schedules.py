"""Schedules, sites and access plans, and what readers are told of them."""

from __future__ import annotations

from typing import Any

import pytest

from shared.access.calendar import Holiday
from shared.access.schedule import Schedule
from tests.controller.client import Api
from tests.controller.readers import Listener


def block(day: str, start: str, end: str) -> dict[str, str]:
    return {"day": day, "start_time": start, "end_time": end}


async def test_a_schedule_is_merged_and_in_order(api: Api) -> None:
    body: dict[str, Any] = {
        "name": "Office",
        "times": [
            block("Weekend", "10:00", "12:00"),
            block("Tuesday", "13:00", "17:00"),
            block("Monday", "11:00", "15:00"),
            block("Monday", "09:00", "12:00"),
            block("Monday", "22:00", "06:00"),
        ],
        "holidays": [
            {
                "kind": 2,
                "times": [
                    {"start_time": "09:00", "end_time": "11:00"},
                    {"start_time": "10:00", "end_time": "24:00"},
                ],
            }
        ],
    }
    made = await api.post("/schedules", body)
    assert made["times"] == [
        block("Monday", "09:00", "15:00"),
        block("Monday", "22:00", "06:00"),
        block("Tuesday", "13:00", "17:00"),
        block("Weekend", "10:00", "12:00"),
    ]
    whole = [{"start_time": "09:00", "end_time": "24:00"}]
    assert made["holidays"] == [{"kind": 2, "as_usual": False, "times": whole}]
    # What is answered can be sent back.
    assert await api.put(f"/schedules/{made['id']}", made) == made


async def test_twelve_blocks_are_the_most(api: Api) -> None:
    times = [block("Daily", f"{hour:02d}:00", f"{hour:02d}:30") for hour in range(12)]
    made = await api.post("/schedules", {"name": "Often", "times": times})
    assert len(made["times"]) == 12


async def test_a_schedule_in_use_stays(api: Api) -> None:
    schedule = (await api.post("/schedules", {"name": "Office"}))["id"]
    plan = (await api.post("/access_plans", {"name": "Staff", "schedule_id": schedule}))["id"]
    status, said = await api.refused("DELETE", f"/schedules/{schedule}")
    assert (status, said["error"]) == (409, "conflict")
    assert "'Staff'" in said["error_description"]
    door = await api.door(unlock_schedule_id=schedule)
    await api.put(f"/access_plans/{plan}", {"schedule_id": None})
    status, said = await api.refused("DELETE", f"/schedules/{schedule}")
    assert "'Front'" in said["error_description"]
    await api.delete(f"/doors/{door}")
    assert await api.delete(f"/schedules/{schedule}") == {"result": "ok"}


async def test_an_edit_reaches_all_who_have_the_schedule(api: Api) -> None:
    schedule = (await api.post("/schedules", {"name": "Office"}))["id"]
    doors = [await api.door("A"), await api.door("B", unlock_schedule_id=schedule)]
    await api.post("/access_plans", {"name": "P", "schedule_id": schedule, "door_ids": doors[:1]})
    readers = [await Listener.join(api.database, await api.reader(door)) for door in doors]
    times = [block("Monday", "09:00", "17:00")]
    await api.put(f"/schedules/{schedule}", {"times": times})
    for reader in readers:
        (row,) = (await reader.listen()).of(Schedule)
        assert isinstance(row, Schedule)
        assert [(one.weekday, one.span.start, one.span.end) for one in row.weekly] == [
            (0, 540, 1020)
        ]
    change = await api.get(f"/changes/{api.change}")
    assert len(change["readers"]) == 2


async def test_a_site_has_one_calendar_for_all_its_doors(api: Api) -> None:
    readers = [
        await Listener.join(api.database, await api.reader(await api.door(name)))
        for name in ("A", "B")
    ]
    days = [
        {"name": "New Year", "first_day": "2026-01-01", "last_day": "2026-01-01", "kind": 2},
        {"name": "Christmas", "first_day": "2025-12-25", "last_day": "2025-12-26"},
    ]
    said = await api.put("/sites/1", {"time_zone": "Asia/Kathmandu", "holidays": days})
    assert [day["name"] for day in said["holidays"]] == ["Christmas", "New Year"]
    for reader in readers:
        calendar = (await reader.listen()).calendar
        assert [offset.seconds for offset in calendar.offsets] == [20_700]
        assert calendar.holidays == (Holiday(20_447, 20_448, 1), Holiday(20_454, 20_454, 2))
    assert (await api.get("/sites/1")) == said


async def test_an_access_plan(api: Api) -> None:
    person, door = await api.person(), await api.door()
    group = (await api.post("/groups", {"name": "Staff"}))["id"]
    schedule = (await api.post("/schedules", {"name": "Office"}))["id"]
    body = {
        "name": "Plan",
        "notes": "x",
        "schedule_id": schedule,
        "group_ids": [group],
        "person_ids": [person],
        "door_ids": [door],
    }
    made = await api.post("/access_plans", body)
    assert {**made, **body} == made
    said = await api.put(f"/access_plans/{made['id']}", {"schedule_id": None, "person_ids": []})
    assert (said["schedule_id"], said["person_ids"], said["door_ids"]) == (None, [], [door])
    assert await api.get("/access_plans") == [said]
    assert await api.delete(f"/access_plans/{made['id']}") == {"result": "ok"}
    assert await api.get("/access_plans") == []


@pytest.mark.parametrize("kind", ["sites", "schedules", "access_plans", "groups", "doors"])
async def test_a_name_may_be_kept(api: Api, kind: str) -> None:
    body = {"name": "Same", "time_zone": "UTC", "site_id": 1}
    made = await api.post(f"/{kind}", body)
    assert (await api.put(f"/{kind}/{made['id']}", {"name": "Same"}))["name"] == "Same"
