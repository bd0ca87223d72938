"""Doors, their modes, readers, and opening from afar."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from controller.store.tables import Admission, ReaderPlan
from shared.access.rows import Modes
from shared.credential.pkoc.provisioning import ReaderCode
from tests.controller.client import Api
from tests.controller.conftest import NOON
from tests.controller.readers import Listener


async def test_a_door_begins_with_safe_settings(api: Api) -> None:
    made = await api.post("/doors", {"name": "Front"})
    assert made == {
        "id": 1,
        "site_id": 1,
        "name": "Front",
        "methods": ["pkoc-nfc", "pkoc-ble-ecdhe"],
        "release_seconds": 5,
        "release_extended_seconds": 20,
        "held_after_seconds": 30,
        "lease_seconds": 604_800,
        "fail_safe": False,
        "unlock_schedule_id": None,
        "first_person_in": False,
        "reader_certificate": False,
        "lockdown": False,
        "maintenance": False,
        "lock_until": None,
        "unlock_until": None,
        "reader": None,
    }
    assert await api.get("/doors/1") == made


async def test_with_two_sites_a_door_must_say_which(api: Api) -> None:
    await api.post("/sites", {"name": "Annexe", "time_zone": "UTC"})
    assert list(await api.wrong("POST", "/doors", {"name": "x"})) == ["site_id"]
    await api.post("/doors", {"name": "x", "site_id": 2})
    assert [door["name"] for door in await api.get("/doors?site_id=2")] == ["x"]
    assert await api.get("/doors?site_id=1") == []


async def test_modes_reach_the_reader(api: Api) -> None:
    door = await api.door()
    reader = await Listener.join(api.database, await api.reader(door))

    async def modes(path: str, body: dict[str, Any] | None = None) -> Modes:
        await api.post(f"/doors/{door}{path}", body)
        return (await reader.listen()).door.modes

    noon = NOON // 1000
    assert await modes("/lockdown") == Modes(lockdown=True)
    until = {"relock_at": "2025-06-02T10:30:00.700Z"}
    assert await modes("/unlock", until) == Modes(lockdown=True, unlock_until=noon + 1800)
    assert await modes("/normal") == Modes(lockdown=True)
    assert await modes("/unlockdown") == Modes()
    assert await modes("/unlock") == Modes(unlock_until=253_402_300_799)
    assert (await api.get(f"/doors/{door}"))["unlock_until"] == "9999-12-31T23:59:59.000Z"
    await api.put(f"/doors/{door}", {"lock_until": "2025-06-02T10:30:00.700Z"})
    assert (await reader.listen()).door.modes.lock_until == noon + 1801
    await api.put(f"/doors/{door}", {"maintenance": True})
    assert (await reader.listen()).door.modes.maintenance
    assert await modes("/normal") == Modes(maintenance=True)


async def test_settings_reach_the_reader(api: Api) -> None:
    door = await api.door()
    reader = await Listener.join(api.database, await api.reader(door))
    body = {"methods": ["pkoc-ble", "pkoc-nfc", "pkoc-nfc"], "fail_safe": True}
    said = await api.put(f"/doors/{door}", {**body, "release_extended_seconds": 60})
    assert said["methods"] == ["pkoc-ble", "pkoc-nfc"]  # cards are tried in this order
    row = (await reader.listen()).door
    assert [method.value for method in row.methods] == said["methods"]
    assert (row.fail_safe, row.release_extended) == (True, 60)


async def test_a_door_with_a_reader_stays(api: Api) -> None:
    door = await api.door()
    reader = await api.reader(door)
    status, said = await api.refused("DELETE", f"/doors/{door}")
    assert (status, said["error"]) == (409, "conflict")
    await api.delete(f"/readers/{reader}")
    assert await api.delete(f"/doors/{door}") == {"result": "ok"}
    assert (await api.ask("GET", f"/doors/{door}")).status_code == 404
    assert await api.door() != door  # the name is free, the number is not


async def test_a_door_leaves_its_plans(api: Api) -> None:
    door = await api.door()
    plan = await api.post("/access_plans", {"name": "Staff", "door_ids": [door]})
    await api.delete(f"/doors/{door}")
    assert (await api.get(f"/access_plans/{plan['id']}"))["door_ids"] == []


async def test_a_reader_and_its_token(api: Api) -> None:
    door = await api.door()
    made = await api.post("/readers", {"door_id": door, "name": "Front, outside"})
    enrolment = made.pop("enrolment")
    assert len(enrolment["token"]) == 43
    assert enrolment["expires_at"] == "2025-06-03T10:00:00.000Z"
    assert enrolment["url"] == "http://controller.test"
    assert made == await api.get(f"/readers/{made['id']}")
    assert (made["status"], made["online"], made["missing"]) == ("pending", False, 0)
    assert made["public_key"] is made["pkoc_code"] is None
    assert made["site_uuid"] != made["location_uuid"]
    again = await api.post(f"/readers/{made['id']}/token")
    assert again["enrolment"]["token"] != enrolment["token"]
    shown = (await api.get(f"/doors/{door}"))["reader"]
    assert shown == {
        "id": made["id"],
        "name": "Front, outside",
        "status": "pending",
        "online": False,
        "version": 1,
        "acked": 0,
    }


async def test_the_code_of_a_reader_names_it_and_its_key(api: Api) -> None:
    shown = await api.get(f"/readers/{await api.reader(await api.door())}")
    found = ReaderCode.decode(shown["pkoc_code"]).reader
    assert str(uuid.UUID(bytes=found.site)) == shown["site_uuid"]
    assert str(uuid.UUID(bytes=found.location)) == shown["location_uuid"]
    assert found.key.point.hex() == shown["public_key"]


async def test_and_who_certifies_it_where_the_door_shows_a_certificate(api: Api) -> None:
    door = await api.door()
    reader = await api.reader(door)
    codes = []
    for on in (True, False):
        await api.put(f"/doors/{door}", {"reader_certificate": on})
        shown = await api.get(f"/readers/{reader}")
        assert shown in await api.get("/readers")
        codes.append(ReaderCode.decode(shown["pkoc_code"]).issuer)
    [site] = await api.get("/sites")
    assert codes[0] is not None
    assert codes[0].point.hex() == site["pkoc_issuer_key"]
    assert codes[1] is None


async def test_a_removed_reader_is_waited_for_no_longer(api: Api) -> None:
    one, two = await api.door("One"), await api.door("Two")
    gone, stays = await api.reader(one), await api.reader(two)
    await api.put(f"/doors/{one}", {"lockdown": True})
    only_gone = api.change
    await api.put("/sites/1", {"time_zone": "UTC"})
    both = api.change
    assert (await api.get(f"/readers/{gone}"))["missing"] == 2
    await api.delete(f"/readers/{gone}")
    assert (await api.get(f"/changes/{only_gone}"))["status"] == "processed"
    change = await api.get(f"/changes/{both}")
    assert change["status"] == "processing"
    assert [target["id"] for target in change["readers"]] == [stays]
    assert (await api.ask("GET", f"/readers/{gone}")).status_code == 404
    assert [reader["id"] for reader in await api.get("/readers")] == [stays]
    await api.reader(one)


async def test_opening_from_afar(api: Api) -> None:
    door = await api.door()
    await api.reader(door, online=True)
    response = await api.ask("POST", f"/doors/{door}/admit")
    number = response.json()["admission_request_id"]
    assert (response.status_code, response.json()["status"]) == (202, "pending")
    assert await api.get(f"/admission_requests/{number}") == {
        "id": number,
        "status": "pending",
        "detail": None,
        "door_id": door,
        "requested_at": "2025-06-02T10:00:00.000Z",
        "completed_at": None,
    }
    async with api.database.read() as session:
        admission = await session.get_one(Admission, number)
    assert (len(admission.command), admission.operator) == (16, "operator")


@pytest.mark.parametrize("with_reader", [True, False])
async def test_no_false_success_when_nobody_is_there(api: Api, *, with_reader: bool) -> None:
    door = await api.door()
    if with_reader:
        await api.reader(door)
    status, said = await api.refused("POST", f"/doors/{door}/admit")
    assert (status, said["error"]) == (409, "offline")


async def test_what_a_reader_lacks_is_said(api: Api) -> None:
    door = await api.door()
    reader = await api.reader(door)
    await api.put(f"/doors/{door}", {"lockdown": True})
    change = await api.get(f"/changes/{api.change}")
    assert change["status"] == "processing"
    assert change["milliseconds"] is None
    assert change["readers"] == [
        {
            "id": reader,
            "name": f"Reader {door}",
            "online": False,
            "acked_at": None,
            "milliseconds": None,
            "reason": "offline",
        }
    ]
    async with api.database.transaction() as session:
        (await session.get_one(ReaderPlan, reader)).online = True
    change = await api.get(f"/changes/{api.change}")
    assert change["readers"][0]["reason"] == "waiting"
    assert [one["id"] for one in await api.get("/changes?processing=true")] == [api.change]
